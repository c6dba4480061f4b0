"""Prompts that are registered, and which of them a text was made from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from canonry import release
from canonry.catalog import Catalog
from canonry.storage import Storage

LEAST_LITERAL = 20
"""Characters besides variables that a template needs, or it would match anything."""

_COMPARED_WORDS = 600
_DIGEST = 12


@dataclass(frozen=True)
class RegisteredPrompt:
    """One text of a canonical prompt."""

    name: str
    version: str
    """Version of its release; of one that was never released, the day it holds from."""
    template: str
    variables: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the template, in hex."""
        return hashlib.sha256(self.template.encode()).hexdigest()

    def pieces(self) -> list[str]:
        """What stands between the variables, blanks run together; one more than there are variables in the text."""
        if not self.variables:
            return [_plain(self.template)]
        names = "|".join(re.escape(name) for name in self.variables)
        return [_plain(piece) for piece in re.split(rf"\{{(?:{names})\}}", self.template)]


def registered_prompts(published: Storage, catalog: Catalog) -> list[RegisteredPrompt]:
    """Every release of every prompt, and texts of the catalog never released, by name. Raises ReleaseError."""
    found = []
    for each in release.list_releases(published, "prompts"):
        document = json.loads(each.read("prompt.json"))
        variables = tuple(document["variables"])
        found.append(RegisteredPrompt(each.manifest.name, each.version, document["template"], variables))
    known = {(each.name, each.template) for each in found}
    for name, spec in catalog.prompts.items():
        for version in spec.versions:
            if (name, version.template) not in known:
                found.append(RegisteredPrompt(name, version.since.isoformat(), version.template, spec.variables))
    return sorted(found, key=lambda each: (each.name, each.version))


def is_made_from(text: str, prompt: RegisteredPrompt) -> bool:
    """Whether a text is the template with something in the place of each variable; blanks may differ.

    In time linear in the text: the first piece begins it, the last ends it, the others follow each other in between.
    """
    pieces = prompt.pieces()
    if sum(map(len, pieces)) < LEAST_LITERAL:
        return False
    whole = _plain(text)
    first, *middle, last = pieces if len(pieces) > 1 else (pieces[0], "")
    if len(pieces) == 1:
        return whole == first
    if not whole.startswith(first) or not whole.endswith(last) or len(whole) < len(first) + len(last):
        return False
    at, end = len(first), len(whole) - len(last)
    for piece in middle:
        at = whole.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def named_by(digest: str | None, prompts: Sequence[RegisteredPrompt]) -> RegisteredPrompt | None:
    """The prompt whose template has this SHA-256, or begins with it where at least 12 digits are given."""
    given = (digest or "").lower().removeprefix("sha256:")
    if len(given) < _DIGEST:
        return None
    return next((each for each in prompts if each.digest.startswith(given)), None)


def similarity(text: str, prompt: RegisteredPrompt) -> float:
    """Share of the template's words, variables apart, that stand in the text in their order, 0 to 1."""
    words = " ".join(prompt.pieces()).split()
    if not words:
        return 0.0
    matcher = SequenceMatcher(None, words, text.split()[:_COMPARED_WORDS], autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks()) / len(words)


def _plain(text: str) -> str:
    return " ".join(text.split())

"""Canonical prompts: a released template, filled with text that stays text; kept for when the platform is away."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from canonry.client._open import parse_json, published_at
from canonry.client._prompt_cache import PromptCache
from canonry.release import PRODUCTION, Arm, Damaged, Move, in_force, resolve

FRESH_SECONDS = 30.0


class PromptError(ValueError):
    """Variables do not fit the prompt."""


@dataclass(frozen=True)
class Prompt:
    """One released text of a prompt. Log `name` and `version` with the inference it is used for."""

    name: str
    version: str
    """Version of the release: digest of its payload, 16 hex digits."""
    template: str
    variables: tuple[str, ...]
    since: dt.date
    change: str
    stale: bool = field(default=False, compare=False)
    """The platform is away: this is what was read last, and may have been replaced since."""
    arm: Arm | None = field(default=None, compare=False)
    """`canary` or `control` where the channel has a canary and the caller was named: log it, too."""

    def render(self, /, **variables: str) -> str:
        """The text with every variable put in once; braces in a value, or of no variable, stay as they are.

        Raises PromptError naming the variables that are missing, unknown, or no text.

        >>> get_prompt("answer").render(question="Is {x} kept?", passages="…")
        'Q: Is {x} kept?\\n{x} …'
        """
        wrong = {
            "missing": [name for name in self.variables if name not in variables],
            "unknown": [name for name in variables if name not in self.variables],
            "not text": [name for name, value in variables.items() if not isinstance(value, str)],
        }
        problems = [f"{what}: {', '.join(names)}" for what, names in wrong.items() if names]
        if problems:
            takes = ", ".join(self.variables) or "no variables"
            raise PromptError(f"prompt {self.name} {self.version} takes {takes}; {'; '.join(problems)}")
        if not self.variables:
            return self.template
        names = "|".join(re.escape(name) for name in self.variables)
        return re.sub(rf"\{{({names})\}}", lambda match: variables[match[1]], self.template)


def get_prompt(
    name: str,
    channel: str = PRODUCTION,
    version: str | None = None,
    home: str | Path | None = None,
    *,
    fresh_for: float = FRESH_SECONDS,
    caller: str | None = None,
) -> Prompt:
    """The prompt a channel points to, or the one with this version.

    From an object store or the service it is read again after `fresh_for` seconds, and kept in the user's cache folder:
    while the platform is away the last one read is given, `stale`, and a warning is logged once; one that hangs holds
    up a call for two seconds, once. `caller`: whom it is for, such as a hash of the user; where the channel has a
    canary, the same caller always gets the same of the two. Raises NotReleased, Damaged, and StorageError where this
    key may not read it, or the platform is away and the prompt was never read.

    >>> prompt = get_prompt("answer")
    >>> prompt.name, prompt.variables, prompt.stale
    ('answer', ('question', 'passages'), False)
    """
    published = published_at(home)

    def read() -> tuple[str, bytes]:
        move = None if version else in_force(published, "prompts", name, channel)
        found = resolve(published, "prompts", name, version or (move.version if move else channel))
        texts = {found.version: json.loads(found.read("prompt.json"))}
        if move and move.canary:
            # Both arms: which of them a caller gets can be told while the platform is away, too. A canary that is
            # damaged is told to its own callers alone.
            with suppress(Damaged):
                canary = resolve(published, "prompts", name, move.canary.version)
                texts[canary.version] = json.loads(canary.read("prompt.json"))
        about = {"texts": texts, "move": json.loads(move.to_json()) if move else None}
        return found.version, json.dumps(about).encode()

    kept = PromptCache(published).get(name, version or channel, read, fresh_for)
    about = parse_json(kept.document, f"{published.url}/prompts/{name} {kept.version}", _PAYLOAD)
    chosen = about.move.version_for(caller) if about.move else kept.version
    arm = about.move.arm_of(caller) if about.move else None
    # What could not be kept is read by those who get it, and its damage told to them.
    text = about.texts.get(chosen) or _TEXT.validate_json(
        resolve(published, "prompts", name, chosen).read("prompt.json")
    )
    return Prompt(name, chosen, text.template, text.variables, text.since, text.change, kept.stale, arm)


async def aget_prompt(
    name: str,
    channel: str = PRODUCTION,
    version: str | None = None,
    home: str | Path | None = None,
    *,
    fresh_for: float = FRESH_SECONDS,
    caller: str | None = None,
) -> Prompt:
    """`get_prompt` in a thread: the event loop goes on meanwhile.

    >>> asyncio.run(aget_prompt("answer")).change
    'First version.'
    """
    return await asyncio.to_thread(get_prompt, name, channel, version, home, fresh_for=fresh_for, caller=caller)


@dataclass(frozen=True)
class _Payload:
    template: str
    variables: tuple[str, ...]
    since: dt.date
    change: str


@dataclass(frozen=True)
class _Arms:
    texts: dict[str, _Payload]
    """By version."""
    move: Move | None
    """Who gets which; None of a version."""


_PAYLOAD: TypeAdapter[_Arms] = TypeAdapter(_Arms)
_TEXT: TypeAdapter[_Payload] = TypeAdapter(_Payload)

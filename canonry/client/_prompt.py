"""Canonical prompts: a released template, filled with text that stays text; kept for when the platform is away."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from canonry.client._open import find, parse_json, published_at
from canonry.client._prompt_cache import PromptCache
from canonry.release import PRODUCTION

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
) -> Prompt:
    """The prompt a channel points to, or the one with this version.

    From an object store or the service it is read again after `fresh_for` seconds, and kept in the user's cache folder:
    while the platform is away the last one read is given, `stale`, and a warning is logged once; one that hangs holds
    up a call for two seconds, once. Raises NotReleased, Damaged, and StorageError where this key may not read it, or
    the platform is away and the prompt was never read.

    >>> prompt = get_prompt("answer")
    >>> prompt.name, prompt.variables, prompt.stale
    ('answer', ('question', 'passages'), False)
    """
    published = published_at(home)

    def read() -> tuple[str, bytes]:
        release = find("prompts", name, channel, version, home)
        return release.version, release.read("prompt.json")

    kept = PromptCache(published).get(name, version or channel, read, fresh_for)
    payload = parse_json(kept.document, f"{published.url}/prompts/{name} {kept.version}", _PAYLOAD)
    return Prompt(name, kept.version, payload.template, payload.variables, payload.since, payload.change, kept.stale)


async def aget_prompt(
    name: str,
    channel: str = PRODUCTION,
    version: str | None = None,
    home: str | Path | None = None,
    *,
    fresh_for: float = FRESH_SECONDS,
) -> Prompt:
    """`get_prompt` in a thread: the event loop goes on meanwhile.

    >>> asyncio.run(aget_prompt("answer")).change
    'First version.'
    """
    return await asyncio.to_thread(get_prompt, name, channel, version, home, fresh_for=fresh_for)


@dataclass(frozen=True)
class _Payload:
    template: str
    variables: tuple[str, ...]
    since: dt.date
    change: str


_PAYLOAD: TypeAdapter[_Payload] = TypeAdapter(_Payload)

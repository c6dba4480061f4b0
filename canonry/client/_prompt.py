"""Canonical prompts: a released template, filled with text that stays text."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from canonry.client._open import find, read_json
from canonry.release import PRODUCTION


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

    def render(self, /, **variables: str) -> str:
        """The text with every variable put in once; braces in a value, or of no variable, stay as they are.

        Raises PromptError naming the variables that are missing, unknown, or no text.
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
    name: str, channel: str = PRODUCTION, version: str | None = None, home: str | Path | None = None
) -> Prompt:
    """The prompt a channel points to, or the one with this version. Raises NotReleased, Damaged."""
    release = find("prompts", name, channel, version, home)
    payload = read_json(release, "prompt.json", _PAYLOAD)
    return Prompt(name, release.version, payload.template, payload.variables, payload.since, payload.change)


@dataclass(frozen=True)
class _Payload:
    template: str
    variables: tuple[str, ...]
    since: dt.date
    change: str


_PAYLOAD: TypeAdapter[_Payload] = TypeAdapter(_Payload)

"""Canonical prompts, with the history of their texts."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Self

from pydantic import Field, model_validator

from canonry.catalog.specs.base import Spec, Strict, ascending


class PromptVersion(Strict):
    """One text of a prompt, with its history."""

    since: dt.date = Field(description="First day, UTC.")
    template: str = Field(description="The text; {name} is a variable.", min_length=1)
    change: str = Field(description="What changed and why.", min_length=3)


class PromptSpec(Spec):
    """A canonical prompt: versions are appended, the last one is the candidate for release."""

    folder: ClassVar[str] = "prompts"

    variables: tuple[str, ...] = Field((), description="Variables every version uses.")
    versions: tuple[PromptVersion, ...] = Field(description="Oldest first; append, never overwrite.", min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ascending("versions", [version.since for version in self.versions])
        for number, version in enumerate(self.versions):
            missing = [name for name in self.variables if "{" + name + "}" not in version.template]
            if missing:
                raise ValueError(f"versions.{number}.template: does not use {', '.join(missing)}")
        return self

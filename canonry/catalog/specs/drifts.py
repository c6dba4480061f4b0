"""Drift: which calls are compared with which, and how often it may be said in vain that they differ."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from canonry.catalog.specs.base import Name, Spec, Strict, ascending

Part = Literal["questions", "answers", "retrieved"]
Category = Literal[
    "feature",
    "environment",
    "operation",
    "response_model",
    "finish_reason",
    "error_type",
    "prompt_version",
    "index_version",
    "arm",
]
Length = Literal["question", "answer", "retrieved", "input_tokens", "output_tokens"]


class Reference(Strict):
    """Days that later ones are compared with, until the next reference."""

    first: dt.date = Field(description="First day, UTC.")
    last: dt.date = Field(description="Last day, UTC. Whole weeks hold every day of the week as often as others.")
    reason: str = Field(description="Why these days: what is known to have been right then.", min_length=3)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"last: {self.last} lies before first, {self.first}")
        return self


class DriftSpec(Spec):
    """What is watched for drift: each product's last days against a reference, by test."""

    folder: ClassVar[str] = "drifts"

    products: tuple[str, ...] = Field((), description="Products that are watched, each for itself; all where empty.")
    parts: tuple[Part, ...] = Field(
        ("questions", "answers", "retrieved"), description="Texts that are compared by their embeddings."
    )
    categories: tuple[Category, ...] = Field((), description="Fields whose shares are compared, as a stability index.")
    lengths: tuple[Length, ...] = Field(
        (), description="Lengths that are compared by tenths: characters of texts, and tokens."
    )
    references: tuple[Reference, ...] = Field(
        description="What is compared with, oldest first; append one when a change is accepted, never overwrite.",
        min_length=1,
    )
    window_days: int = Field(7, description="Days up to the day itself, none of them in the reference.", gt=0)
    false_alarms: float = Field(
        0.05,
        description="Chance of any alarm about a product within a year in which nothing changes, all looks together.",
        gt=0,
        lt=1,
    )
    minimum_askers: int = Field(20, description="Fewer askers in a window than this and it is refused.", ge=5)
    sample_a_day: int = Field(
        200, description="Calls of a product that are read a day, whole askers drawn by lot.", ge=20
    )
    encoder: Name = Field(description="Encoder of the texts, of assets/models.")
    show_texts: bool = Field(
        False,
        description="Show examples of what was asked and answered, masked, on the scorecard, which everybody may read.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ascending("references", [each.first for each in self.references], strict=True)
        for number, (earlier, later) in enumerate(zip(self.references, self.references[1:], strict=False), start=1):
            if later.last <= earlier.last:
                raise ValueError(f"references.{number}: does not end after the one before, {earlier.last}")
        if not (self.parts or self.categories or self.lengths):
            raise ValueError("parts: nothing is watched; name a part, a category or a length")
        return self

    @property
    def tests(self) -> int:
        """Tests of a product at each look."""
        return len(self.parts) + len(self.categories) + len(self.lengths)

    @property
    def level(self) -> float:
        """The p-value at which one test of one day is an alarm: its part of the year's budget (Bonferroni)."""
        return self.false_alarms / (365 * self.tests)

    def reference(self, day: dt.date) -> Reference | None:
        """What a day is compared with: the last reference that was over before it."""
        over = [each for each in self.references if each.last < day]
        return over[-1] if over else None

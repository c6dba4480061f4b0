"""Comparisons: a candidate beside what is released, before it is promoted."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from canonry.catalog.specs.base import Name, Spec, Strict

Split = Literal["train", "calibration", "test"]

METRICS = {
    "indexes": ("hit_rate_at_10", "ndcg_at_10", "recall_at_100", "mrr"),
    "scorers": ("accuracy",),
}
"""What can be asked of those that need no answers; of prompts and models it is the share of good answers."""


class Compared(Strict):
    """What is compared: whatever waits for its promotion, with what is released."""

    kind: Literal["prompts", "models", "indexes", "scorers"] = Field(description="Folder of assets/ it lies in.")
    name: Name = Field(description="Its name there.")


class GoldItems(Strict):
    """Whose questions are asked, and by whose labels."""

    scheme: Name = Field(description="Labeling scheme whose gold set it is.")
    version: str | None = Field(
        None,
        description="Version of the gold set, 16 hex digits; without it, the one in production when it is compared. "
        "Both sides always have the same, and the result names it.",
        pattern=r"^[0-9a-f]{16}$",
    )
    splits: tuple[Split, ...] = Field(
        ("train", "calibration", "test"),
        description="Splits whose items are asked. A scorer never judges what it was trained on.",
        min_length=1,
    )


class GoodWhere(Strict):
    """Which values of a scorer's figure are good."""

    metric: Name = Field(description="The figure, as the scorer names it.")
    at_least: float | None = Field(None, description="Good from this value on.")
    at_most: float | None = Field(None, description="Good up to this value.")

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give at_least or at_most, one of them")
        return self

    def holds(self, value: float) -> bool:
        """Whether a value is good."""
        return value >= self.at_least if self.at_least is not None else value <= (self.at_most or 0.0)


class Outcome(Strict):
    """Which answers are good: where people labeled the answers of both sides, by that; else by a released scorer."""

    field: Name | None = Field(
        None, description="Choice of the scheme that is read. Without it, labels do not count, and the scorer judges."
    )
    good: str | None = Field(None, description="The answer of that choice that counts as good.")
    scorer: Name | None = Field(
        None,
        description="A scorer of assets/scorers: one that was trained for this choice, or any that reads an answer. "
        "Without one, people alone judge.",
    )
    good_where: GoodWhere | None = Field(
        None, description="Of a scorer that was not trained for the choice: which of its values are good."
    )

    @model_validator(mode="after")
    def _somebody_judges(self) -> Self:
        if (self.field is None) != (self.good is None):
            raise ValueError("`field` and `good` belong together")
        if self.field is None and self.scorer is None:
            raise ValueError("give `field` and `good`, a `scorer`, or both: else nobody judges")
        if self.good_where and self.scorer is None:
            raise ValueError("`good_where` belongs to a `scorer`")
        return self


class CallLimits(Strict):
    """What one comparison may spend, looked at before anything is asked: where it is not enough, nothing is."""

    calls: int = Field(2_000, description="Calls to a model that were not kept from before.", gt=0)
    dollars: Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=6)] | None = Field(
        None, description="US dollars; a model without a known price is then not asked."
    )


class ComparisonSpec(Spec):
    """A candidate beside what is released, on the same items; its promotion reads the verdict."""

    folder: ClassVar[str] = "evals"
    kind: Literal["comparison"] = Field(description="What it is.")
    candidate: Compared = Field(description="What is compared.")
    metric: Name = Field(
        description="Name of the figure: hit_rate_at_10, ndcg_at_10, recall_at_100 or mrr of an index, accuracy of a "
        "scorer; of a prompt or model the share of good answers, by any name."
    )
    margin: float = Field(description="How much of it a candidate may surely not lose.", gt=0, lt=1)
    confidence: float = Field(0.95, description="Of the two-sided interval.", gt=0.5, lt=1)
    power: float = Field(0.8, description="How likely an equal candidate should pass.", gt=0, lt=1)
    gold: GoldItems | None = Field(None, description="Of prompts, models and scorers. An index has its golden queries.")
    outcome: Outcome | None = Field(None, description="Of prompts and models: which answers are good.")
    answered_with: Name | None = Field(
        None, description="Of a prompt: the model that answers. Of a model: the prompt that it is asked with."
    )
    parameters: dict[str, str | int | float | bool] = Field(
        {"temperature": 0}, description="Of each request to a model, as its endpoint takes them."
    )
    at_once: int = Field(4, description="Requests under way at one time.", gt=0, le=64)
    limits: CallLimits = Field(CallLimits(), description="What one comparison may spend.")
    show_texts: bool = Field(
        False,
        description="The scorecard shows questions and answers that changed: only where all who read it may read them.",
    )

    @property
    def answers(self) -> bool:
        """Whether both sides have to answer questions."""
        return self.candidate.kind in ("prompts", "models")

    def named(self) -> list[tuple[str, str, str]]:
        """What else of the catalog it names: field, kind, name."""
        found: list[tuple[str, str, str]] = [("candidate.name", self.candidate.kind, self.candidate.name)]
        if self.gold:
            found.append(("gold.scheme", "schemes", self.gold.scheme))
        if self.outcome and self.outcome.scorer:
            found.append(("outcome.scorer", "scorers", self.outcome.scorer))
        if self.answered_with:
            kind = "models" if self.candidate.kind == "prompts" else "prompts"
            found.append(("answered_with", kind, self.answered_with))
        return found

    @model_validator(mode="after")
    def _complete(self) -> Self:
        kind = self.candidate.kind
        needed = {
            "gold": kind != "indexes",
            "outcome": self.answers,
            "answered_with": self.answers,
        }
        for name, needs in needed.items():
            if needs and getattr(self, name) is None:
                raise ValueError(f"candidate.kind: a comparison of {kind} needs `{name}`")
            if not needs and getattr(self, name) is not None:
                raise ValueError(f"candidate.kind: a comparison of {kind} takes no `{name}`")
        if kind in METRICS and self.metric not in METRICS[kind]:
            raise ValueError(f"candidate.kind: {kind} are compared by {', '.join(METRICS[kind])}, not {self.metric}")
        return self

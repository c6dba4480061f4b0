"""Estimates of quality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from canonry.catalog.specs.base import Name, Spec, Strict
from canonry.catalog.specs.comparisons import ComparisonSpec


class EvalScorer(Strict):
    """A scorer whose values narrow an estimate."""

    name: Name = Field(description="The scorer, as in lake/scores.")
    metric: Name = Field(description="Its metric: how likely the positive answer is, 0 to 1.")
    version: str | None = Field(None, description="Its version; without it, the one that scored last.")


class EvalSpec(Spec):
    """An estimate of quality: which labels, which slices, how sure."""

    folder: ClassVar[str] = "evals"

    kind: Literal["rate"] = Field("rate", description="What it is; `comparison` is the other.")
    metric: Name = Field(description="Name of the figure, as in the tables.")
    scheme: Name = Field(description="Labeling scheme that gives the labels.")
    field: Name = Field(description="Choice of the scheme that is read.")
    positive: str = Field(description="The answer that counts as 1.")
    slices: tuple[tuple[Literal["product", "team", "feature", "response_model"], ...], ...] = Field(
        description="Each a list of fields to estimate by; [] is everything.", min_length=1
    )
    window_days: int = Field(7, description="Days, the estimate's own included.", gt=0)
    confidence: float = Field(0.95, description="Of the interval.", gt=0.5, lt=1)
    minimum_labels: int = Field(10, description="Fewer labels than this and the estimate is refused.", gt=1)
    scorer: EvalScorer | None = Field(None, description="With it, each estimate is also made from labels and scores.")
    preferred: Literal["prediction_powered", "human_only"] = Field(
        "prediction_powered",
        description="Which of the two monitors and summaries read, where both are known; else the one that is.",
    )

    @classmethod
    def class_of(cls, document: Mapping[str, Any]) -> type[Spec]:
        """A comparison's own, where the document says that it is one."""
        return ComparisonSpec if document.get("kind") == "comparison" else cls

    @classmethod
    def schema_of_all(cls) -> dict[str, Any]:
        """A rate or a comparison."""
        return TypeAdapter(AnyEval).json_schema()


AnyEval = Annotated[EvalSpec | ComparisonSpec, Field(discriminator="kind")]

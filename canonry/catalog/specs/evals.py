"""Estimates of quality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from canonry.catalog.specs.base import Name, SliceField, Spec, Strict
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
    slices: tuple[tuple[SliceField, ...], ...] = Field(
        description="Each a list of fields to estimate by; [] is everything.", min_length=1
    )
    estimand: Literal["calls", "rate"] = Field(
        "calls",
        description="`calls`: the share among these very calls, a finite population. `rate`: the rate behind them, at "
        "which others like them would be positive; its interval is wider, as the calls, too, are left to chance.",
    )
    cluster: Literal["session_id", "trace_id", "user_hash", "document_id"] | None = Field(
        None,
        description="With `estimand: rate`: calls that share this come together, and are no evidence each for itself. "
        "`document_id` is the document of the passage that was retrieved first.",
    )
    window_days: int = Field(7, description="Days, the estimate's own included: 1 is a day, 7 a week.", gt=0)
    confidence: float = Field(0.95, description="Of the interval.", gt=0.5, lt=1)
    minimum_labels: int = Field(10, description="Fewer labels than this and the estimate is refused.", gt=1)
    scorer: EvalScorer | None = Field(None, description="With it, each estimate is also made from labels and scores.")
    preferred: Literal["prediction_powered", "human_only"] = Field(
        "prediction_powered",
        description="Which of the two monitors and summaries read, where both are known; else the one that is.",
    )

    @model_validator(mode="after")
    def _clusters_are_of_rates(self) -> Self:
        if self.cluster is not None and self.estimand == "calls":
            raise ValueError(
                "cluster: belongs to `estimand: rate`; among these very calls, each drawn with a known probability, it "
                "does not matter which of them come together"
            )
        return self

    @classmethod
    def class_of(cls, document: Mapping[str, Any]) -> type[Spec]:
        """A comparison's own, where the document says that it is one."""
        return ComparisonSpec if document.get("kind") == "comparison" else cls

    @classmethod
    def schema_of_all(cls) -> dict[str, Any]:
        """A rate or a comparison."""
        return TypeAdapter(AnyEval).json_schema()


AnyEval = Annotated[EvalSpec | ComparisonSpec, Field(discriminator="kind")]

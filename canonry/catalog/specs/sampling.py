"""How the items of a labeling scheme are chosen."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from canonry.catalog.specs.base import SliceField, Strict


class Overlap(Strict):
    """How many items several people are asked about, so that their agreement can be measured."""

    share: float = Field(0.2, description="Share of the drawn items, chosen at random.", ge=0, le=1)
    annotators: int = Field(2, description="People who are asked about each of them, at least.", ge=2)


class SampleScore(Strict):
    """What makes a call more likely to be drawn, under the design `poisson`."""

    by: Literal["uncertainty", "disagreement", "novelty", "negative_feedback"] = Field(
        description="`uncertainty`: of a scorer whose values in lake/scores lie in 0 to 1, greatest at 0.5. "
        "`disagreement`: how far that scorer is from what users said. `novelty`: how few words a call shares with any "
        "that was drawn in the four weeks before. `negative_feedback`: users' thumbs down, or what counts below 0."
    )
    scorer: str | None = Field(None, description="uncertainty, disagreement: the scorer, as in lake/scores.")
    metric: str | None = Field(None, description="uncertainty, disagreement: its metric.")
    high_means: Literal["good", "bad"] | None = Field(
        None, description="disagreement: what a value of 1 says of the answer."
    )
    random_share: float = Field(
        0.5, description="Share of the budget that is random among all calls, whatever the score.", gt=0, le=1
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        scored = self.by in ("uncertainty", "disagreement")
        if {self.scorer is not None, self.metric is not None} != {scored}:
            raise ValueError(
                "`scorer` and `metric` belong to `by: uncertainty` and `by: disagreement`, and both are needed there"
            )
        if (self.by == "disagreement") != (self.high_means is not None):
            raise ValueError("`high_means` belongs to `by: disagreement`, and is needed there")
        return self


_CALL_FIELDS = (
    "team",
    "feature",
    "environment",
    "operation",
    "provider",
    "response_model",
    "prompt_name",
    "prompt_version",
)


class Sampling(Strict):
    """How items are chosen each day: a design, a budget, and whom it may choose."""

    population: Literal["answered"] = Field("answered", description="Calls of the day that ended without an error.")
    products: tuple[str, ...] = Field((), description="Only these products; empty means all.")
    where: dict[str, tuple[str, ...]] = Field(
        {}, description=f"Only calls whose field is one of these values; fields are {', '.join(_CALL_FIELDS)}."
    )
    design: Literal["stratified", "simple", "poisson", "negative_feedback_first"] = Field(
        "stratified",
        description="`stratified`: at random from each stratum. `simple`: from all alike. `poisson`: each call for "
        "itself, likelier by score. `negative_feedback_first`: gives no probability, so for training only.",
    )
    strata: tuple[SliceField, ...] = Field((), description="Fields whose combinations are drawn from separately.")
    per_stratum: int | None = Field(None, description="Items a day from each stratum, at most.", gt=0)
    per_day: int | None = Field(None, description="Items a day from all strata together.", gt=0)
    per_product: dict[str, PositiveInt] = Field(
        {},
        description="Items a day of products that have a budget of their own; `per_day` or `per_stratum` is for the "
        "others. What a product does not use goes to no other.",
    )
    allocation: Literal["equal", "proportional", "neyman"] = Field(
        "equal",
        description="How `per_day` is split: alike, by calls, or by calls and how far labels of the last weeks differ.",
    )
    score: SampleScore | None = Field(None, description="poisson: what makes a call likelier to be drawn.")
    overlap: Overlap | None = Field(None, description="Without it, one person is asked about each item.")
    same_text_once: bool = Field(
        False,
        description="Calls that read the same, but for case, spaces and punctuation, share one label for four weeks.",
    )
    seed: int = Field(0, description="Another seed gives another draw; a draw once made stays.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.per_day is None) == (self.per_stratum is None):
            raise ValueError("give one of `per_day` and `per_stratum`")
        for field in self.where:
            if field not in _CALL_FIELDS:
                raise ValueError(f"where.{field}: expected one of {', '.join(_CALL_FIELDS)}")
        if self.design == "stratified" and not self.strata:
            raise ValueError("strata: the design `stratified` needs at least one field")
        if self.design in ("simple", "negative_feedback_first") and (self.strata or self.per_day is None):
            raise ValueError(f"the design `{self.design}` takes `per_day` and no strata")
        if self.per_product and "product" not in self.strata:
            raise ValueError("per_product: needs `product` among the strata")
        strangers = sorted(self.per_product.keys() - set(self.products)) if self.products else []
        if strangers:
            raise ValueError(f"per_product.{strangers[0]}: is not among `products`")
        if self.score is not None and self.design != "poisson":
            raise ValueError("score: belongs to the design `poisson`")
        return self

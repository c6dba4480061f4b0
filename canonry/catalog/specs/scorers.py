"""Scorers: what judges every answer, trained from labels."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from canonry.catalog.specs.base import Name, Spec


class ScorerSpec(Spec):
    """A groundedness scorer: which gold set it learns from, what it may know, and what its gate asks."""

    folder: ClassVar[str] = "scorers"

    metric: Name = Field(description="Name of the figure in lake/scores: a calibrated chance, 0 to 1.")
    scheme: Name = Field(description="Labeling scheme whose gold set it is trained on.")
    field: Name = Field(description="Choice of the scheme that is read.")
    positive: str = Field(description="The answer whose chance it gives.")
    facts: tuple[Literal["product", "team", "feature", "response_model"], ...] = Field(
        (), description="Governance features it may use beside the texts; without them it judges the text alone."
    )
    encoder: Name | None = Field(
        None,
        description="Encoder for similarities of sentences, of assets/models; without one, words alone are compared.",
    )
    mark: str = Field("unsupported", description="Label of the sentences it marks.", min_length=1)
    margin: float = Field(
        0.05, description="Accuracy on the test split that a new version may surely not lose.", gt=0, lt=1
    )

"""Scorers: what judges every answer. Each kind of scorer has fields of its own."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from canonry.catalog.specs.base import Name, Spec, Strict
from canonry.catalog.specs.rules import Rule

_ANCHORS = "Labeled items, scored every day anew: they tell a scorer that changed from products that did."


class Anchors(Strict):
    """Items that people labeled, scored again and again: where they change, the scorer did, and not the products."""

    scheme: Name = Field(description="Labeling scheme whose gold set they come from.")
    field: Name = Field(description="Choice of the scheme that is read.")
    positive: str = Field(description="The answer that the scorer's 1 means.")
    version: str | None = Field(
        None,
        description="Version of the gold set, 16 hex digits; without it, the one in production when the scorer's "
        "version first read its anchors, which then keeps it.",
        pattern=r"^[0-9a-f]{16}$",
    )
    split: Literal["train", "calibration", "test"] = Field("test", description="Split they are taken from.")
    most: int = Field(60, description="Items at most, chosen by their digests.", ge=10)


class ScorerSpec(Spec):
    """What every kind of scorer says."""

    folder: ClassVar[str] = "scorers"

    kind: Literal["groundedness", "rules", "similarity", "retrieval", "judge"] = Field(description="What it is.")
    products: tuple[Name, ...] = Field((), description="Products whose answers it scores; none named means all.")

    @classmethod
    def class_of(cls, document: Mapping[str, Any]) -> type[Spec]:
        """The class of the document's kind, or this one, which refuses a kind that there is not."""
        return _KINDS.get(str(document.get("kind", "groundedness")), cls)

    @classmethod
    def schema_of_all(cls) -> dict[str, Any]:
        """One of the kinds."""
        return TypeAdapter(AnyScorer).json_schema()


class GroundednessSpec(ScorerSpec):
    """A groundedness scorer: which gold set it learns from, what it may know, and what its gate asks."""

    kind: Literal["groundedness"] = Field("groundedness", description="Trained from labels; marks sentences.")
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
    anchors: Anchors | None = Field(None, description=_ANCHORS)
    margin: float = Field(
        0.05, description="Accuracy on the test split that a new version may surely not lose.", gt=0, lt=1
    )


class RulesSpec(ScorerSpec):
    """Checks of the answer's text that need no model; each gives a figure of its own."""

    kind: Literal["rules"] = Field("rules", description="Regular expressions, lengths, refusals, languages, words.")
    rules: tuple[Rule, ...] = Field(description="Each a figure.", min_length=1)

    @model_validator(mode="after")
    def _one_figure_each(self) -> Self:
        names = [rule.metric for rule in self.rules]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise ValueError(f"rules.{number}.metric: {name!r} is another rule's figure already")
        return self


class SimilaritySpec(ScorerSpec):
    """How near in meaning an answer comes to what it should have been."""

    kind: Literal["similarity"] = Field("similarity", description="Cosine of an answer's vector and its reference's.")
    metric: Name = Field(description="Name of the figure in lake/scores: cosine, below 0 counts as 0.")
    encoder: Name = Field(description="Encoder of assets/models.")
    reference: Literal["correction", "answers"] = Field(
        description="correction: what a person sent instead of the answer. answers: the right answer of a known "
        "question."
    )
    answers: str | None = Field(None, description="Location of JSON Lines of known questions: question, answer.")

    @model_validator(mode="after")
    def _answers_given(self) -> Self:
        if (self.reference == "answers") != (self.answers is not None):
            raise ValueError("answers: belongs to `reference: answers`, and only there")
        return self


class RetrievalSpec(ScorerSpec):
    """How well what was retrieved answers a question whose right documents are known."""

    kind: Literal["retrieval"] = Field("retrieval", description="Measures of the ranking of retrieved chunks.")
    index: Name = Field(description="Index of assets/indexes whose golden queries say which documents are right.")
    metrics: tuple[Literal["ndcg", "recall", "precision", "reciprocal_rank"], ...] = Field(
        ("ndcg", "recall"), description="Each a figure, named retrieval_METRIC.", min_length=1
    )
    depth: int = Field(10, description="Documents that are looked at.", gt=0)


class JudgeBudget(Strict):
    """What may be spent in a day, by UTC; what is over it stays unscored, is counted, and is asked another day."""

    calls_a_day: int | None = Field(None, description="Calls to the model.", gt=0)
    dollars_a_day: Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=6)] | None = Field(
        None, description="US dollars; the model needs a price."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.calls_a_day is None and self.dollars_a_day is None:
            raise ValueError("give calls_a_day, dollars_a_day, or both")
        return self


class JudgeSpec(ScorerSpec):
    """A language model that reads a canonical prompt and the answer, and gives a verdict."""

    kind: Literal["judge"] = Field("judge", description="A language model's verdict.")
    metric: Name = Field(description="Name of the figure in lake/scores.")
    prompt: Name = Field(description="Canonical prompt of assets/prompts.")
    prompt_version: int = Field(description="Which of its versions, from 1: pinned.", gt=0)
    model: str = Field(description="Model that is asked, as the endpoint names it.", min_length=1)
    provider: str = Field(description="Who serves it, as in gen_ai.provider.name: finds its price.", min_length=1)
    verdicts: dict[str, float] = Field(description="What it may answer, each with its value, 0 to 1.", min_length=2)
    parameters: dict[str, str | int | float | bool] = Field(
        {"temperature": 0, "max_tokens": 200}, description="Of the request, as the endpoint takes them."
    )
    response_format: Literal["json_schema", "json_object", "none"] = Field(
        "json_schema", description="How the endpoint is asked for JSON; what it takes differs between servers."
    )
    reference: Literal["correction"] | None = Field(
        None, description="correction: only calls that somebody corrected are judged, beside the correction."
    )
    share: float = Field(1.0, description="Share of the calls that it judges, chosen by their ids.", gt=0, le=1)
    at_once: int = Field(4, description="Requests under way at one time.", gt=0, le=64)
    budget: JudgeBudget = Field(description="What it may spend in a day.")
    anchors: Anchors | None = Field(None, description=_ANCHORS)

    @model_validator(mode="after")
    def _values_between(self) -> Self:
        for name, value in self.verdicts.items():
            if not 0 <= value <= 1:
                raise ValueError(f"verdicts.{name}: {value:g} is not between 0 and 1")
        if self.anchors and self.reference:
            raise ValueError("anchors: labeled items have no correction to be judged beside")
        return self


JUDGED = ("question", "passages", "answer", "reference")
"""Variables of a judge's prompt."""


def named_by(scorer: ScorerSpec) -> list[tuple[str, str, str]]:
    """What else of the catalog a scorer names: its field, the kind, the name."""
    found = [
        (field, kind, str(getattr(scorer, field)))
        for field, kind in (("scheme", "schemes"), ("encoder", "models"), ("index", "indexes"), ("prompt", "prompts"))
        if getattr(scorer, field, None) is not None
    ]
    anchors: Anchors | None = getattr(scorer, "anchors", None)
    return found + ([("anchors.scheme", "schemes", anchors.scheme)] if anchors else [])


AnyScorer = Annotated[
    GroundednessSpec | RulesSpec | SimilaritySpec | RetrievalSpec | JudgeSpec, Field(discriminator="kind")
]

_KINDS: dict[str, type[ScorerSpec]] = {
    "groundedness": GroundednessSpec,
    "rules": RulesSpec,
    "similarity": SimilaritySpec,
    "retrieval": RetrievalSpec,
    "judge": JudgeSpec,
}

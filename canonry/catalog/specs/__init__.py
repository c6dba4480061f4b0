"""The specs: one class a kind of file in `assets/`. Values with a history are lists of dated entries."""

from canonry.catalog.specs.base import NAME_PATTERN, Name, Spec
from canonry.catalog.specs.comparisons import ComparisonSpec, GoodWhere, Outcome
from canonry.catalog.specs.documents import Files, GoldAnswers, JsonLines, Query, Source, Vectors
from canonry.catalog.specs.drifts import DriftSpec, Reference
from canonry.catalog.specs.evals import EvalScorer, EvalSpec
from canonry.catalog.specs.indexes import (
    Chunking,
    Duplicates,
    Gate,
    GoldenFeedback,
    GoldenLabels,
    GoldenQuery,
    IndexSpec,
    Lexical,
)
from canonry.catalog.specs.models import Encoder, ModelPrice, ModelSpec, Price, StageMove
from canonry.catalog.specs.monitors import MEASURES, Arms, Budget, Change, Limit, Measured, MonitorSpec
from canonry.catalog.specs.prompts import PromptSpec, PromptVersion
from canonry.catalog.specs.rules import IsJson, Language, Length, Matches, Refusal, Rule, Words
from canonry.catalog.specs.sampling import Overlap, SampleScore, Sampling
from canonry.catalog.specs.schemes import Agreement, Choice, Consensus, Gold, KnownAnswers, SchemeSpec, Splits
from canonry.catalog.specs.scorers import (
    JUDGED,
    Anchors,
    AnyScorer,
    GroundednessSpec,
    JudgeBudget,
    JudgeSpec,
    RetrievalSpec,
    RulesSpec,
    ScorerSpec,
    SimilaritySpec,
    named_by,
)
from canonry.catalog.specs.sources import Emit, Lookup, SourceSpec

__all__ = [
    "JUDGED",
    "KINDS",
    "MEASURES",
    "NAME_PATTERN",
    "Agreement",
    "Anchors",
    "AnyScorer",
    "Arms",
    "Budget",
    "Change",
    "Choice",
    "Chunking",
    "ComparisonSpec",
    "Consensus",
    "DriftSpec",
    "Duplicates",
    "Emit",
    "Encoder",
    "EvalScorer",
    "EvalSpec",
    "Files",
    "Gate",
    "Gold",
    "GoldAnswers",
    "GoldenFeedback",
    "GoldenLabels",
    "GoldenQuery",
    "GoodWhere",
    "GroundednessSpec",
    "IndexSpec",
    "IsJson",
    "JsonLines",
    "JudgeBudget",
    "JudgeSpec",
    "KnownAnswers",
    "Language",
    "Length",
    "Lexical",
    "Limit",
    "Lookup",
    "Matches",
    "Measured",
    "ModelPrice",
    "ModelSpec",
    "MonitorSpec",
    "Name",
    "Outcome",
    "Overlap",
    "Price",
    "PromptSpec",
    "PromptVersion",
    "Query",
    "Reference",
    "Refusal",
    "RetrievalSpec",
    "Rule",
    "RulesSpec",
    "SampleScore",
    "Sampling",
    "SchemeSpec",
    "ScorerSpec",
    "SimilaritySpec",
    "Source",
    "SourceSpec",
    "Spec",
    "Splits",
    "StageMove",
    "Vectors",
    "Words",
    "named_by",
]

KINDS: dict[str, type[Spec]] = {
    kind.folder: kind
    for kind in (SourceSpec, ModelSpec, PromptSpec, SchemeSpec, IndexSpec, ScorerSpec, EvalSpec, MonitorSpec, DriftSpec)
}
"""Spec class by folder of `assets/`."""

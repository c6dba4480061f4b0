"""What is governed: the YAML files of `assets/`, read into frozen specs, with every problem reported at once."""

from canonry.catalog.load import Catalog, CatalogError, Problem, load
from canonry.catalog.redaction import Redaction
from canonry.catalog.specs import (
    KINDS,
    MEASURES,
    Choice,
    ComparisonSpec,
    Consensus,
    EvalSpec,
    GoldenQuery,
    GroundednessSpec,
    IndexSpec,
    JudgeSpec,
    ModelSpec,
    MonitorSpec,
    PromptSpec,
    SchemeSpec,
    ScorerSpec,
    SourceSpec,
    Spec,
)

__all__ = [
    "KINDS",
    "MEASURES",
    "Catalog",
    "CatalogError",
    "Choice",
    "ComparisonSpec",
    "Consensus",
    "EvalSpec",
    "GoldenQuery",
    "GroundednessSpec",
    "IndexSpec",
    "JudgeSpec",
    "ModelSpec",
    "MonitorSpec",
    "Problem",
    "PromptSpec",
    "Redaction",
    "SchemeSpec",
    "ScorerSpec",
    "SourceSpec",
    "Spec",
    "load",
]

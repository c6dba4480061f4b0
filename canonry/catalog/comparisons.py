"""What must hold between a comparison and what it names: beyond one file, so beyond one spec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from canonry.catalog.specs import (
    ComparisonSpec,
    GroundednessSpec,
    JudgeSpec,
    Outcome,
    RetrievalSpec,
    RulesSpec,
    ScorerSpec,
    SimilaritySpec,
)

if TYPE_CHECKING:
    from canonry.catalog.load import Catalog

GIVEN = ("question", "passages")
"""What a gold item gives the variables of a prompt."""


def comparison_problems(catalog: Catalog, spec: ComparisonSpec) -> Iterator[tuple[str, str]]:
    """Field and message of everything that does not hold; what is not governed at all is said elsewhere."""
    kind, name = spec.candidate.kind, spec.candidate.name
    if kind == "prompts" or spec.answered_with is None:
        prompt, where, prompt_name = catalog.prompts.get(name) if kind == "prompts" else None, "candidate.name", name
    else:
        prompt, where, prompt_name = catalog.prompts.get(spec.answered_with), "answered_with", spec.answered_with
    if prompt and (unknown := set(prompt.variables) - set(GIVEN)):
        path = catalog.path("prompts", prompt_name)
        yield where, f"{path} has the variables {', '.join(sorted(unknown))}; a gold item gives {', '.join(GIVEN)}"
    model_name = name if kind == "models" else spec.answered_with
    model = catalog.models.get(model_name or "") if spec.answers else None
    if model and model.role != "chat":
        where = "candidate.name" if kind == "models" else "answered_with"
        yield where, f"{catalog.path('models', model_name or '')} has role {model.role}; only a chat model answers"
    if model and kind == "models" and not any(move.version for move in model.stages):
        yield (
            "candidate.name",
            f"{catalog.path('models', name)}: no stage names a version, so none waits to be compared",
        )
    if kind == "scorers" and not isinstance(catalog.scorers.get(name), GroundednessSpec | None):
        path = catalog.path("scorers", name)
        yield "candidate.name", f"{path} is defined and not trained, so no candidate waits to be compared"
    if spec.gold and spec.outcome:
        yield from _outcome_problems(catalog, spec.gold.scheme, spec.outcome)


def _outcome_problems(catalog: Catalog, scheme_name: str, outcome: Outcome) -> Iterator[tuple[str, str]]:
    scheme = catalog.schemes.get(scheme_name)
    scheme_path = catalog.path("schemes", scheme_name)
    choices = {choice.name: choice.choices for choice in scheme.choices} if scheme else {}
    if scheme and outcome.field and outcome.field not in choices:
        yield "outcome.field", f"{scheme_path} has no choice {outcome.field!r} (it has {', '.join(choices)})"
    elif scheme and outcome.field and outcome.good not in choices[outcome.field]:
        yield "outcome.good", f"{outcome.good!r} is not an answer of {outcome.field!r} in {scheme_path}"
    scorer = catalog.scorers.get(outcome.scorer or "")
    if scorer is None or outcome.scorer is None:
        return
    path = catalog.path("scorers", outcome.scorer)
    if not isinstance(scorer, GroundednessSpec):
        yield from _figure_problems(scorer, path, outcome)
        return
    if outcome.good_where:
        yield "outcome.good_where", f"{path} is trained, and says itself which answers are {scorer.positive!r}"
    if (scorer.scheme, scorer.field) != (scheme_name, outcome.field):
        yield "outcome.scorer", f"{path} is not trained for {outcome.field!r} of {scheme_path}"
    elif len(choices.get(scorer.field, ())) > 2 and scorer.positive != outcome.good:
        yield "outcome.good", f"{path} tells {scorer.positive!r} from all others, and not {outcome.good!r}"


def _figure_problems(scorer: ScorerSpec, path: Path, outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Of a scorer that nobody trained: whether it can judge an answer to a gold item, and from which value on."""
    if isinstance(scorer, RetrievalSpec):
        yield (
            "outcome.scorer",
            f"{path} judges what was retrieved, which is the same on both sides here; compare the index itself "
            "(`candidate: {kind: indexes, …}`)",
        )
        return
    if getattr(scorer, "reference", None) == "correction":
        yield (
            "outcome.scorer",
            f"{path} needs what a person sent instead of an answer, and nobody has corrected the answers of a "
            "comparison; use one without `reference: correction`",
        )
        return
    figures = [rule.metric for rule in scorer.rules] if isinstance(scorer, RulesSpec) else []
    if isinstance(scorer, SimilaritySpec | JudgeSpec):
        figures = [scorer.metric]
    good = outcome.good_where
    if good is None:
        yield "outcome.good_where", f"is needed: say which values of {', '.join(figures)} are good, by {path}"
    elif good.metric not in figures:
        yield "outcome.good_where.metric", f"{path} gives no {good.metric!r} (it gives {', '.join(figures)})"
    elif isinstance(scorer, JudgeSpec) and len({good.holds(value) for value in scorer.verdicts.values()}) < 2:
        yield "outcome.good_where", f"calls every verdict of {path} good, or none; it can say nothing"

"""What must hold between a comparison and what it names: beyond one file, so beyond one spec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from canonry.catalog.specs import ComparisonSpec, GroundednessSpec

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
    if spec.gold is None or spec.outcome is None:
        return
    scheme = catalog.schemes.get(spec.gold.scheme)
    choices = {choice.name: choice.choices for choice in scheme.choices} if scheme else {}
    scheme_path = catalog.path("schemes", spec.gold.scheme)
    if scheme and spec.outcome.field not in choices:
        yield "outcome.field", f"{scheme_path} has no choice {spec.outcome.field!r} (it has {', '.join(choices)})"
    elif scheme and spec.outcome.good not in choices[spec.outcome.field]:
        yield "outcome.good", f"{spec.outcome.good!r} is not an answer of {spec.outcome.field!r} in {scheme_path}"
    scorer = catalog.scorers.get(spec.outcome.scorer or "")
    if scorer is None or spec.outcome.scorer is None:
        return
    scorer_path = catalog.path("scorers", spec.outcome.scorer)
    asked = (spec.gold.scheme, spec.outcome.field)
    if not isinstance(scorer, GroundednessSpec) or (scorer.scheme, scorer.field) != asked:
        yield "outcome.scorer", f"{scorer_path} is not trained for {spec.outcome.field!r} of {scheme_path}"
    elif len(choices.get(spec.outcome.field, ())) > 2 and scorer.positive != spec.outcome.good:
        yield (
            "outcome.good",
            f"{scorer_path} tells {scorer.positive!r} from all others, and not {spec.outcome.good!r}",
        )

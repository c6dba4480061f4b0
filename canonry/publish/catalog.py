"""Prompts and models of the catalog, released as of a day: what will hold later is not published yet.

Where a comparison governs one, a new version is promoted when its verdict lets it pass; until then the one before
stands, and the first there ever was needs none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from canonry.publish.moves import Outcome, release_and_promote
from canonry.publish.waiting import (
    ALL_MODELS,
    MODELS_FILE,
    PROMPT_FILE,
    model_sides,
    model_verdict,
    moves_until,
    prompt_payload,
    prompt_sides,
    prompt_verdict,
    to_bytes,
    version_of,
)
from canonry.release import NotReleased, last_move, resolve
from canonry.stats.verdicts import Verdict, first
from canonry.storage import Zones

if TYPE_CHECKING:
    from canonry.catalog import Catalog, ModelSpec

__all__ = ["ALL_MODELS", "publish_models", "publish_prompts", "unpublished"]


def unpublished(zones: Zones, catalog: Catalog, day: dt.date) -> list[str]:
    """Prompts, and `models`, whose state on a day was never released; what is held back was."""
    missing = []
    for name, spec in catalog.prompts.items():
        sides = prompt_sides(zones, name, spec, day)
        if sides and not _is_released(zones, "prompts", name, sides.candidate):
            missing.append(name)
    models, _ = _models(zones, catalog, day)
    if models and not _is_released(zones, "models", ALL_MODELS, version_of(MODELS_FILE, models)):
        missing.append("models")
    return missing


def publish_prompts(
    zones: Zones, catalog: Catalog, *, day: dt.date, now: dt.datetime, lineage: Mapping[str, Any] | None = None
) -> dict[str, Outcome]:
    """Release of each prompt the version in force on `day`, by name; a prompt without one yet is left out."""
    outcomes = {}
    for name, spec in catalog.prompts.items():
        sides = prompt_sides(zones, name, spec, day)
        if sides is None:
            continue
        verdict = prompt_verdict(zones, catalog, name, sides)
        number = sum(version.since <= day for version in spec.versions)
        released = [(number, verdict)]
        if verdict is not None and last_move(zones.published, "prompts", name) is None:
            released.insert(0, (1, first("the first version there is")))
        for each, its_verdict in released:
            version = spec.versions[each - 1]
            outcomes[name] = release_and_promote(
                zones,
                "prompts",
                name,
                {PROMPT_FILE: to_bytes(prompt_payload(spec, version))},
                metadata={"description": spec.description, "owner": spec.owner, "number": each},
                lineage={"spec": catalog.path("prompts", name).as_posix(), **(lineage or {})},
                reason=version.change,
                now=now,
                verdict=its_verdict,
            )
    return outcomes


def publish_models(
    zones: Zones, catalog: Catalog, *, day: dt.date, now: dt.datetime, lineage: Mapping[str, Any] | None = None
) -> Outcome | None:
    """Release every model with the stage in force on `day`, in one payload; None where there is none yet.

    A model whose new version is held back is in it as it was before that version; the metadata say why.
    """
    models, held_back = _models(zones, catalog, day)
    if not models:
        return None
    return release_and_promote(
        zones,
        "models",
        ALL_MODELS,
        {MODELS_FILE: to_bytes(models)},
        metadata={
            "stages": {name: model["stage"] for name, model in models.items()},
            "held_back": {name: {"word": each.word, "message": each.message} for name, each in held_back.items()},
        },
        lineage={"specs": [catalog.path("models", name).as_posix() for name in models], **(lineage or {})},
        reason="models changed",
        now=now,
    )


def _models(zones: Zones, catalog: Catalog, day: dt.date) -> tuple[dict[str, dict[str, Any]], dict[str, Verdict]]:
    """Every model that is in force, and of those whose version is held back, the verdict."""
    found, held_back = {}, {}
    for name, spec in sorted(catalog.models.items()):
        sides = model_sides(zones, name, spec, day)
        verdict = model_verdict(zones, catalog, name, sides) if sides else None
        holds = sides.released if sides and verdict and not verdict.passed else None
        if holds and verdict:
            held_back[name] = verdict
        model = _model(spec, day, holds)
        if model is not None:
            found[name] = model
    return found, held_back


def _model(spec: ModelSpec, day: dt.date, version: str | None) -> dict[str, Any] | None:
    moves = moves_until(spec, day, version)
    if not moves:
        return None
    meant = [move.version for move in moves if move.version]
    return {
        "description": spec.description,
        "owner": spec.owner,
        "role": spec.role,
        "provider": spec.provider,
        "versions": list(spec.versions),
        "version": version or (meant[-1] if meant else None),
        "stage": moves[-1].stage,
        "since": moves[-1].since.isoformat(),
        "reason": moves[-1].reason,
        "prices": [price.model_dump(mode="json") for price in spec.prices],
    }


def _is_released(zones: Zones, kind: str, name: str, version: str) -> bool:
    try:
        resolve(zones.published, kind, name, version)
    except NotReleased:
        return False
    return True

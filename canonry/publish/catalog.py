"""Prompts and models of the catalog, released as of a day: what will hold later is not published yet."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from canonry.publish.moves import Outcome, release_and_promote
from canonry.storage import Zones

if TYPE_CHECKING:
    from canonry.catalog import Catalog, ModelSpec

ALL_MODELS = "all"
"""Name of the one release that holds every model."""


def publish_prompts(
    zones: Zones, catalog: Catalog, *, day: dt.date, now: dt.datetime, lineage: Mapping[str, Any] | None = None
) -> dict[str, Outcome]:
    """Release of each prompt the version in force on `day`, by name; a prompt without one yet is left out."""
    outcomes = {}
    for name, spec in catalog.prompts.items():
        number = sum(version.since <= day for version in spec.versions)
        if number == 0:
            continue
        version = spec.versions[number - 1]
        payload = {
            "template": version.template,
            "variables": list(spec.variables),
            "since": version.since.isoformat(),
            "change": version.change,
        }
        outcomes[name] = release_and_promote(
            zones,
            "prompts",
            name,
            {"prompt.json": _json(payload)},
            metadata={"description": spec.description, "owner": spec.owner, "number": number},
            lineage={"spec": catalog.path("prompts", name).as_posix(), **(lineage or {})},
            reason=version.change,
            now=now,
        )
    return outcomes


def publish_models(
    zones: Zones, catalog: Catalog, *, day: dt.date, now: dt.datetime, lineage: Mapping[str, Any] | None = None
) -> Outcome | None:
    """Release every model with the stage in force on `day`, in one payload; None where there is none yet."""
    models = {
        name: payload for name, spec in sorted(catalog.models.items()) if (payload := _model(spec, day)) is not None
    }
    if not models:
        return None
    return release_and_promote(
        zones,
        "models",
        ALL_MODELS,
        {"models.json": _json(models)},
        metadata={"stages": {name: model["stage"] for name, model in models.items()}},
        lineage={"specs": [catalog.path("models", name).as_posix() for name in models], **(lineage or {})},
        reason="models changed",
        now=now,
    )


def _model(spec: ModelSpec, day: dt.date) -> dict[str, Any] | None:
    moves = [move for move in spec.stages if move.since <= day]
    if not moves:
        return None
    return {
        "description": spec.description,
        "owner": spec.owner,
        "role": spec.role,
        "provider": spec.provider,
        "versions": list(spec.versions),
        "stage": moves[-1].stage,
        "since": moves[-1].since.isoformat(),
        "reason": moves[-1].reason,
        "prices": [price.model_dump(mode="json") for price in spec.prices],
    }


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"

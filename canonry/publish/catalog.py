"""Prompts and models of the catalog, released as of a day: what will hold later is not published yet."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from canonry.publish.moves import Outcome, release_and_promote
from canonry.release import File, NotReleased, payload_version, resolve
from canonry.storage import Zones

if TYPE_CHECKING:
    from canonry.catalog import Catalog, ModelSpec

ALL_MODELS = "all"
"""Name of the one release that holds every model."""


def unpublished(zones: Zones, catalog: Catalog, day: dt.date) -> list[str]:
    """Prompts, and `models`, whose state on a day was never released."""
    missing = [
        name for name, (_, files) in _prompts(catalog, day).items() if not _is_released(zones, "prompts", name, files)
    ]
    models = _models(catalog, day)
    if models and not _is_released(zones, "models", ALL_MODELS, {"models.json": _json(models)}):
        missing.append("models")
    return missing


def publish_prompts(
    zones: Zones, catalog: Catalog, *, day: dt.date, now: dt.datetime, lineage: Mapping[str, Any] | None = None
) -> dict[str, Outcome]:
    """Release of each prompt the version in force on `day`, by name; a prompt without one yet is left out."""
    outcomes = {}
    for name, (number, files) in _prompts(catalog, day).items():
        spec = catalog.prompts[name]
        outcomes[name] = release_and_promote(
            zones,
            "prompts",
            name,
            files,
            metadata={"description": spec.description, "owner": spec.owner, "number": number},
            lineage={"spec": catalog.path("prompts", name).as_posix(), **(lineage or {})},
            reason=spec.versions[number - 1].change,
            now=now,
        )
    return outcomes


def publish_models(
    zones: Zones, catalog: Catalog, *, day: dt.date, now: dt.datetime, lineage: Mapping[str, Any] | None = None
) -> Outcome | None:
    """Release every model with the stage in force on `day`, in one payload; None where there is none yet."""
    models = _models(catalog, day)
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


def _prompts(catalog: Catalog, day: dt.date) -> dict[str, tuple[int, dict[str, bytes]]]:
    """Number and payload of the version in force on a day, by prompt."""
    found = {}
    for name, spec in catalog.prompts.items():
        number = sum(version.since <= day for version in spec.versions)
        if number:
            version = spec.versions[number - 1]
            payload = {
                "template": version.template,
                "variables": list(spec.variables),
                "since": version.since.isoformat(),
                "change": version.change,
            }
            found[name] = number, {"prompt.json": _json(payload)}
    return found


def _models(catalog: Catalog, day: dt.date) -> dict[str, dict[str, Any]]:
    found = {name: _model(spec, day) for name, spec in sorted(catalog.models.items())}
    return {name: model for name, model in found.items() if model is not None}


def _is_released(zones: Zones, kind: str, name: str, files: Mapping[str, bytes]) -> bool:
    version = payload_version({path: File.of(content) for path, content in files.items()})
    try:
        resolve(zones.published, kind, name, version)
    except NotReleased:
        return False
    return True


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

"""Prompts and model versions that wait for their promotion, beside what is released in their place."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canonry.comparisons import read_all, spec_digest, standing
from canonry.release import PRODUCTION, File, NotReleased, payload_version, resolve
from canonry.stats.verdicts import Verdict
from canonry.storage import Storage, Zones

if TYPE_CHECKING:
    from canonry.catalog import Catalog, ModelSpec, PromptSpec
    from canonry.catalog.specs import PromptVersion, StageMove

ALL_MODELS = "all"
"""Name of the one release that holds every model."""

PROMPT_FILE, MODELS_FILE = "prompt.json", "models.json"


@dataclass(frozen=True)
class Sides:
    """Two versions of a prompt or model. Of a prompt a version is its release's, with its text; of a model its name."""

    candidate: str
    released: str
    candidate_text: Mapping[str, Any] | None = None
    released_text: Mapping[str, Any] | None = None

    @property
    def waits(self) -> bool:
        """There is something to compare."""
        return self.candidate != self.released


def prompt_sides(zones: Zones, name: str, spec: PromptSpec, day: dt.date) -> Sides | None:
    """The text in force on a day, beside the one that is released or, where none is, the first there was."""
    numbers = [number for number, version in enumerate(spec.versions, start=1) if version.since <= day]
    if not numbers:
        return None
    candidate = prompt_payload(spec, spec.versions[numbers[-1] - 1])
    version = version_of(PROMPT_FILE, candidate)
    try:
        found = resolve(zones.published, "prompts", name)
        released, released_version = json.loads(found.read(PROMPT_FILE)), found.version
    except NotReleased:
        released = prompt_payload(spec, spec.versions[0])
        released_version = version_of(PROMPT_FILE, released)
    return Sides(version, released_version, candidate, released)


def model_sides(zones: Zones, name: str, spec: ModelSpec, day: dt.date) -> Sides | None:
    """The version that the last stage on a day means, beside the one released or, where none is, the first."""
    meant = [move.version for move in spec.stages if move.since <= day and move.version]
    if not meant:
        return None
    return Sides(meant[-1], (released_models(zones.published).get(name) or {}).get("version") or meant[0])


def released_models(published: Storage) -> dict[str, dict[str, Any]]:
    """Every model as it is released; none where nothing is."""
    try:
        return json.loads(resolve(published, "models", ALL_MODELS).read(MODELS_FILE))
    except NotReleased:
        return {}


def waiting_sides(zones: Zones, catalog: Catalog, kind: str, name: str, day: dt.date) -> Sides | None:
    """Both sides of a prompt or a model."""
    if kind == "prompts":
        return prompt_sides(zones, name, catalog.prompts[name], day)
    return model_sides(zones, name, catalog.models[name], day)


def uncompared(zones: Zones, catalog: Catalog, day: dt.date) -> list[str]:
    """Comparisons of prompts and models that wait, which have no verdict yet on a gold set that is there."""
    found = []
    for each, spec in catalog.comparisons.items():
        kind, name = spec.candidate.kind, spec.candidate.name
        if not spec.answers or spec.gold is None:
            continue
        sides = waiting_sides(zones, catalog, kind, name, day)
        try:
            gold = resolve(zones.published, "gold", spec.gold.scheme, spec.gold.version or PRODUCTION).version
        except NotReleased:
            continue
        wanted = (spec_digest(spec), f"{spec.gold.scheme} {gold}")
        made = [
            (one.made_from.get("spec"), one.made_from.get("gold"))
            for one in read_all(zones.journal, each)
            if sides and (one.candidate, one.released) == (sides.candidate, sides.released)
        ]
        if sides and sides.waits and wanted not in made:
            found.append(each)
    return found


def prompt_verdict(zones: Zones, catalog: Catalog, name: str, sides: Sides) -> Verdict | None:
    """What the comparisons of a prompt say of its promotion; None where none governs it, or nothing waits."""
    return _verdict(zones, catalog, "prompts", name, sides)


def model_verdict(zones: Zones, catalog: Catalog, name: str, sides: Sides) -> Verdict | None:
    """The same of a model's version."""
    return _verdict(zones, catalog, "models", name, sides)


def moves_until(spec: ModelSpec, day: dt.date, version: str | None) -> list[StageMove]:
    """Stages on a day; with a `version`, without those from the first on that means another one after it."""
    moves = [move for move in spec.stages if move.since <= day]
    if version is None:
        return moves
    last = max((number for number, move in enumerate(moves) if move.version == version), default=len(moves) - 1)
    after = [number for number, move in enumerate(moves) if number > last and move.version not in (None, version)]
    return moves[: after[0]] if after else moves


def prompt_payload(spec: PromptSpec, version: PromptVersion) -> dict[str, Any]:
    """What a release of a prompt says."""
    return {
        "template": version.template,
        "variables": list(spec.variables),
        "since": version.since.isoformat(),
        "change": version.change,
    }


def version_of(path: str, document: Any) -> str:
    """Version of the release with this one document."""
    return payload_version({path: File.of(to_bytes(document))})


def to_bytes(document: Any) -> bytes:
    """A document as it is released."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _verdict(zones: Zones, catalog: Catalog, kind: str, name: str, sides: Sides) -> Verdict | None:
    if not sides.waits:
        return None
    return standing(zones.journal, catalog.comparisons, kind, name, sides.candidate, sides.released)

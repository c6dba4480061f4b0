"""Writes a day's drift: reads the calls of its windows, has their texts embedded, and keeps what came of it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from canonry import lake
from canonry.catalog import Catalog, DriftSpec
from canonry.evaluate.drift import Row, measure_drift, window_of
from canonry.evaluate.drift_calls import DriftCall, sampled_calls
from canonry.storage import Storage

Embed = Callable[[Sequence[str]], np.ndarray]
"""Vectors of texts, float32 (n, d), row i for text i; every text is given once."""

CODE = 1
"""Raised where the same inputs give other rows."""

_READ = ("inferences", "contents", "steps", "step_contents")


@dataclass(frozen=True)
class Measured:
    """Days that were computed, and those that were as their inputs say already."""

    computed: tuple[dt.date, ...]
    kept: int


def write_drift(
    lake_zone: Storage, catalog: Catalog, days: Iterable[dt.date], embedders: Mapping[str, Embed]
) -> Measured:
    """Write `lake/drift` and `lake/drift_topics` of days, where what they are made of has changed.

    Each encoder of the specs has its function in `embedders`, called once with all texts of all days.
    """
    made_from = {day: _made_from(lake_zone, catalog, day) for day in days}
    stale = [day for day, document in made_from.items() if not _holds(lake_zone, day, document)]
    rows: dict[dt.date, list[Row]] = {day: [] for day in stale}
    topics: dict[dt.date, list[Row]] = {day: [] for day in stale}
    for name, spec in sorted(catalog.drifts.items()):
        wanted = sorted({each for day in stale for part in window_of(spec, day) or () for each in part})
        calls = {day: sampled_calls(lake_zone, day, spec.products, spec.sample_a_day) for day in wanted}
        vectors = _vectors(spec, calls, embedders[spec.encoder])
        # By one thread: sums of several depend on which is done first, and beside other work the threads of a small
        # matrix wait for each other at every step.
        with threadpool_limits(limits=1):
            for day in stale:
                tests, of_topics = measure_drift(name, spec, day, calls, vectors)
                rows[day] += tests
                topics[day] += of_topics
    for day in stale:
        for kind, found in (("drift_topics", topics[day]), ("drift", rows[day])):
            lake.write(lake_zone, kind, day, pa.Table.from_pylist(found, lake.SCHEMAS[kind]), made_from[day])
    return Measured(tuple(stale), len(made_from) - len(stale))


def days_with_drift(lake_zone: Storage, first: dt.date) -> list[dt.date]:
    """Days from `first` on that have calls or had drift: what a change of the first day may concern."""
    return sorted({day for kind in ("inferences", "drift") for day in lake.days(lake_zone, kind) if day >= first})


def _vectors(
    spec: DriftSpec, calls: Mapping[dt.date, Mapping[str, Sequence[DriftCall]]], embed: Embed
) -> dict[str, np.ndarray]:
    texts = sorted(
        {
            text
            for of_day in calls.values()
            for some in of_day.values()
            for call in some
            for part in spec.parts
            for text in call.texts(part)
        }
    )
    return dict(zip(texts, embed(texts), strict=True)) if texts else {}


def _made_from(lake_zone: Storage, catalog: Catalog, day: dt.date) -> dict[str, Any]:
    """Digests of the specs and of every partition that a day's windows read."""
    specs = {name: spec.model_dump(mode="json") for name, spec in sorted(catalog.drifts.items())}
    encoders = {spec.encoder: _sha256(catalog, spec.encoder) for spec in catalog.drifts.values()}
    days = {each for spec in catalog.drifts.values() for part in window_of(spec, day) or () for each in part}
    inputs = {}
    for kind in _READ:
        for each in sorted(days):
            path = f"{lake.folder(kind, each)}/{lake.MANIFEST}"
            if lake_zone.head(path):
                inputs[f"lake/{path}"] = hashlib.sha256(lake_zone.read(path)).hexdigest()
    said = hashlib.sha256(json.dumps(specs, sort_keys=True).encode()).hexdigest()
    return {"drifts": said, "encoders": encoders, "inputs": inputs, "measured_by": CODE}


def _sha256(catalog: Catalog, encoder: str) -> str | None:
    model = catalog.models[encoder].encoder
    return model.sha256 if model else None


def _holds(lake_zone: Storage, day: dt.date, document: Mapping[str, Any]) -> bool:
    """Whether both kinds were made from this already."""
    before = (lake.manifest(lake_zone, kind, day) or {} for kind in ("drift", "drift_topics"))
    return all(all(made.get(key) == value for key, value in document.items()) for made in before)

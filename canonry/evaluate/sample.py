"""What an estimate is made from: the draws of a window, and what reviewers made of their items, as arrays."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc

from canonry import lake
from canonry.catalog import EvalSpec, SchemeSpec
from canonry.consensus import consensus
from canonry.labels import SLICE_FIELDS, Draw, draw_path, list_draws
from canonry.storage import Zones

UNLABELED, NEGATIVE, POSITIVE = -1, 0, 1


@dataclass(frozen=True)
class Sample:
    """The drawn items of a window and their strata. Strata of two days are two strata."""

    scheme_version: int | None
    days: tuple[dt.date, ...]
    """Days with a draw, in order."""
    products: tuple[str, ...]
    """What the population is restricted to; empty means all products."""
    strata: tuple[Mapping[str, str | None], ...]
    population: np.ndarray
    """(strata,) calls in each."""
    day: np.ndarray
    """(strata,) number of the day in `days`."""
    poisson: np.ndarray
    """(strata,) whether each call of it was chosen for itself."""
    stratum: np.ndarray
    """(items,) position of each item's stratum."""
    probability: np.ndarray
    """(items,) inclusion probability of items that a Poisson design chose; NaN of those of simple random samples."""
    outcome: np.ndarray
    """(items,) POSITIVE, NEGATIVE or UNLABELED."""
    simulated: np.ndarray
    """(items,) whether a program played a reviewer of it."""
    tied: np.ndarray
    """(items,) whether its reviewers are tied."""
    skipped: np.ndarray
    """(items,) whether it has no label because who was asked passed it over."""
    fields: tuple[Mapping[str, str | None], ...]
    """(items,) facts of each item."""
    undrawn: int
    """Annotations of the window that were imported, not drawn: they have no inclusion probability."""
    for_training_only: int = 0
    """Items of draws whose design gives no probability: they are left out of everything above."""
    designs: tuple[str, ...] = ()
    """Designs of the draws, in order of name."""
    where: tuple[str, ...] = ()
    """What else the population is restricted to, in words."""
    made_from: Mapping[str, str] = field(default_factory=dict)
    """Digest by path of every draw and partition read."""


def read_sample(zones: Zones, spec: EvalSpec, scheme: SchemeSpec, window: list[dt.date]) -> Sample:
    """Items drawn in the window under the newest version of the scheme that was drawn there, with their labels.

    Labels of later days play no part, and of earlier ones those of the scheme's `history_days` say how far annotators
    are to be believed.
    """
    drawn = [(version, day) for version, day in list_draws(zones.journal, spec.scheme) if day in window]
    newest = max((version for version, _ in drawn), default=None)
    made_from: dict[str, str] = {}
    draws = []
    for version, day in drawn:
        if version == newest:
            path = draw_path(spec.scheme, version, day)
            data = zones.journal.read(path)
            made_from[f"journal/{path}"] = hashlib.sha256(data).hexdigest()
            draws.append(Draw.from_json(data))
    training = sum(len(draw.items) for draw in draws if draw.for_training_only)
    draws = [draw for draw in draws if not draw.for_training_only]
    shared = {item.same_as.day for draw in draws for item in draw.items if item.same_as}
    heard = sorted({*_history(window, scheme), *shared})
    outcomes = _outcomes(zones, spec, scheme, newest, heard) if draws else {}
    for kind, days in (("annotations", window), ("labels", heard)):
        for day in days:
            path = f"{lake.folder(kind, day)}/{lake.MANIFEST}"
            if zones.lake.head(path):
                made_from[f"lake/{path}"] = hashlib.sha256(zones.lake.read(path)).hexdigest()

    offsets = np.cumsum([0, *(len(draw.strata) for draw in draws)])
    items = [(offset + item.stratum, item) for offset, draw in zip(offsets, draws, strict=False) for item in draw.items]
    asked = [item.same_as.item_id if item.same_as else item.item_id for _, item in items]
    found = [outcomes.get(each, (UNLABELED, False, False)) for each in asked]
    poisson = [draw.design == "poisson" for draw in draws for _ in draw.items]
    passed_over = _passed_over(zones, heard) if draws else set()
    return Sample(
        scheme_version=newest,
        days=tuple(draw.day for draw in draws),
        products=tuple(sorted({product for draw in draws for product in draw.products})),
        strata=tuple(stratum.values for draw in draws for stratum in draw.strata),
        population=np.array([stratum.population for draw in draws for stratum in draw.strata], dtype=np.int64),
        day=np.array([number for number, draw in enumerate(draws) for _ in draw.strata], dtype=np.int64),
        poisson=np.array([draw.design == "poisson" for draw in draws for _ in draw.strata], dtype=bool),
        stratum=np.array([position for position, _ in items], dtype=np.int64),
        probability=np.array(
            [item.inclusion_probability if each else np.nan for each, (_, item) in zip(poisson, items, strict=True)],
            dtype=float,
        ),
        outcome=np.array([outcome for outcome, _, _ in found], dtype=np.int64),
        simulated=np.array([simulated for _, simulated, _ in found], dtype=bool),
        tied=np.array([tied for _, _, tied in found], dtype=bool),
        skipped=np.array([each in passed_over and each not in outcomes for each in asked], dtype=bool),
        fields=tuple(fields for draw in draws for fields in _fields(zones, draw)),
        undrawn=_undrawn(zones, spec.scheme, window),
        for_training_only=training,
        designs=tuple(sorted({draw.design for draw in draws})),
        where=tuple(sorted({f"{name} {' or '.join(values)}" for draw in draws for name, values in draw.where.items()})),
        made_from=made_from,
    )


def _fields(zones: Zones, draw: Draw) -> list[dict[str, str | None]]:
    """Facts of each item; those that draws of an earlier version of the platform did not keep, from the lake."""
    unsaid = [name for name in SLICE_FIELDS if any(name not in item.fields for item in draw.items)]
    known: dict[str, dict[str, str | None]] = {}
    if unsaid:
        rows = lake.read(zones.lake, "inferences", [draw.day], ["inference_id", *unsaid]).to_pylist()
        known = {row["inference_id"]: row for row in rows}
    return [
        {name: item.fields.get(name, known.get(item.inference_id, {}).get(name)) for name in SLICE_FIELDS}
        for item in draw.items
    ]


def _history(window: list[dt.date], scheme: SchemeSpec) -> list[dt.date]:
    days = {window[-1] - dt.timedelta(days=back) for back in range(scheme.consensus.history_days)}
    return sorted(days | set(window))


def _outcomes(
    zones: Zones, spec: EvalSpec, scheme: SchemeSpec, version: int | None, days: list[dt.date]
) -> dict[str, tuple[int, bool, bool]]:
    labels = lake.read(zones.lake, "labels", days)
    labels = labels.filter(
        pc.and_(pc.equal(labels["scheme"], spec.scheme), pc.equal(labels["scheme_version"], str(version)))
    )
    choices = next((choice.choices for choice in scheme.choices if choice.name == spec.field), ())
    return {
        label.item_id: (
            UNLABELED if label.value is None else POSITIVE if label.value == spec.positive else NEGATIVE,
            label.simulated,
            label.value is None,
        )
        for label in consensus(labels, spec.field, scheme.consensus, choices)
    }


def _passed_over(zones: Zones, days: list[dt.date]) -> set[str]:
    labels = lake.read(zones.lake, "labels", days, ["item_id", "cancelled", "deleted_at"])
    standing = pc.and_(labels["deleted_at"].is_null(), pc.fill_null(labels["cancelled"], False))
    return set(labels.filter(standing)["item_id"].to_pylist())


def _undrawn(zones: Zones, scheme: str, window: list[dt.date]) -> int:
    imported = lake.read(zones.lake, "annotations", window, ["scheme", "draw_id", "deleted_at"])
    standing = pc.and_(pc.equal(imported["scheme"], scheme), imported["deleted_at"].is_null())
    return imported.filter(pc.and_(standing, imported["draw_id"].is_null())).num_rows

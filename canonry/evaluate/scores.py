"""What a scorer says of every call that a window's draws were made from, beside the sample of those with labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.catalog import EvalSpec
from canonry.catalog.specs import EvalScorer
from canonry.evaluate.sample import Sample
from canonry.labels import Draw, read_draw, stratum_name
from canonry.population import answered_calls, population_digest
from canonry.storage import Zones

LEAST_SCORED = 0.95
"""Least share of a slice's calls, and of its labeled ones, that must have a score; the others count as the mean."""


@dataclass(frozen=True)
class Scores:
    """Scores of a window's calls by one version of a scorer, or why they cannot be used."""

    scorer: str
    version: str | None
    refused: str | None = None
    calls: pa.Table = field(default_factory=lambda: pa.table({}))
    """SLICE_FIELDS of all calls (N,)."""
    stratum: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(N,) position of each call's stratum in the sample."""
    values: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """(N,) 0 to 1; NaN of calls without a score."""
    of_items: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """(items,) the same of the drawn items."""
    made_from: Mapping[str, str] = field(default_factory=dict)
    """Digest by path of every partition read."""

    def inside(self, strata: np.ndarray, fields: Mapping[str, str | None]) -> np.ndarray:
        """(N,) which calls lie in these strata (H,) and have these values."""
        keep = strata[self.stratum]
        for name, value in fields.items():
            column = self.calls[name]
            keep &= (column.is_null() if value is None else pc.fill_null(pc.equal(column, value), False)).to_numpy()
        return keep

    def refusal(self, inside: np.ndarray, items: np.ndarray) -> str | None:
        """Why scores of these calls (N,) and labeled items (items,) cannot be used, or None."""
        if self.refused:
            return self.refused
        for of, values in (("calls", self.values[inside]), ("labeled calls", self.of_items[items])):
            missing = float(np.isnan(values).mean()) if len(values) else 1.0
            if missing > 1 - LEAST_SCORED:
                return f"{self.scorer} {self.version}: usable scores are missing for {missing:.0%} of the {of}"
        return None


def read_scores(zones: Zones, spec: EvalSpec, sample: Sample) -> Scores | None:
    """Scores by the scorer that the eval names, of one version; None for an eval that names none.

    A score whose version learnt from a label of the call, or of its group, would make the labels look better predicted
    than other calls are; it is left out, as is one of which that is not known (`seen_in_training` of `lake/scores`).
    """
    wanted = spec.scorer
    if wanted is None or not sample.days:
        return None
    made_from: dict[str, str] = {}
    for kind in ("inferences", "contents", "scores"):
        for day in sample.days:
            path = f"{lake.folder(kind, day)}/{lake.MANIFEST}"
            if zones.lake.head(path):
                made_from[f"lake/{path}"] = hashlib.sha256(zones.lake.read(path)).hexdigest()
    draws = [read_draw(zones.journal, spec.scheme, sample.scheme_version or 0, day) for day in sample.days]
    frames, strata, offset = [], [], 0
    for draw in draws:
        assert draw is not None
        frame = _frame(zones, draw)
        within = None if frame is None else _strata(draw, frame)
        if frame is None or within is None:
            reason = (
                f"the {draw.population:,} calls that {draw.day} was drawn from are not all in the lake as they were"
            )
            return Scores(wanted.name, wanted.version, reason, made_from=made_from)
        frames.append(frame)
        strata.append(offset + within)
        offset += len(draw.strata)
    calls = pa.concat_tables(frames)
    rows = lake.read(zones.lake, "scores", sample.days)
    rows = rows.filter(pc.and_(pc.equal(rows["scorer"], wanted.name), pc.equal(rows["metric"], wanted.metric)))
    version = wanted.version or _newest(rows)
    found, problem = _by_call(rows.filter(pc.equal(rows["scorer_version"], version)) if version else rows, wanted)
    if problem:
        return Scores(wanted.name, version, problem, made_from=made_from)
    drawn = (item.inference_id for draw in draws if draw is not None for item in draw.items)
    return Scores(
        wanted.name,
        version,
        None if len(rows) else f"lake/scores has no {wanted.metric} by {wanted.name} for these days",
        calls,
        np.concatenate(strata),
        _values(found, calls["inference_id"].to_pylist()),
        _values(found, drawn),
        made_from,
    )


def _frame(zones: Zones, draw: Draw) -> pa.Table | None:
    """The calls that were drawn from: those of the day now or, where calls came later, those received until then."""
    for until in (None, draw.drawn_at):
        frame = answered_calls(zones.lake, draw.day, draw.products, draw.where, until=until)
        if population_digest(frame["inference_id"].to_pylist()) == draw.population_digest:
            return frame
    return None


def _strata(draw: Draw, frame: pa.Table) -> np.ndarray | None:
    """(N,) position of each call's stratum; None where one lies in a stratum that the draw had not."""
    place = {stratum_name(stratum.values): position for position, stratum in enumerate(draw.strata)}
    found = np.full(frame.num_rows, -1, dtype=np.int64)
    # Products with budgets of their own may be cut by fewer fields than others.
    for fields in sorted({tuple(stratum.values) for stratum in draw.strata}, key=len, reverse=True):
        values = frame.select(list(fields)).to_pylist() if fields else [{}] * frame.num_rows
        here = np.array([place.get(stratum_name(each), -1) for each in values], dtype=np.int64)
        found = np.where(found < 0, here, found)
    return None if np.any(found < 0) else found


def _newest(rows: pa.Table) -> str | None:
    """The version whose scores were made last."""
    made = zip(rows["scored_at"].to_pylist(), rows["scorer_version"].to_pylist(), strict=True)
    return max(((at, version) for at, version in made if at is not None), default=(None, None))[1]


def _by_call(rows: pa.Table, wanted: EvalScorer) -> tuple[dict[str, float], str | None]:
    """The last score of each call that may be used, and what is wrong with them all."""
    columns = ["inference_id", "value", "seen_in_training", "scored_at"]
    found: dict[str, float] = {}
    outside = 0
    for row in rows.select(columns).sort_by([("scored_at", "ascending"), ("value", "ascending")]).to_pylist():
        if row["seen_in_training"] is False and row["value"] is not None:
            outside += not 0 <= row["value"] <= 1
            found[row["inference_id"]] = row["value"]
    problem = f"{outside:,} values of {wanted.metric} by {wanted.name} lie outside 0 to 1" if outside else None
    return found, problem


def _values(found: Mapping[str, float], identifiers: Iterable[str]) -> np.ndarray:
    return np.array([found.get(each, np.nan) for each in identifiers], dtype=float)

"""The calls that a window's draws were made from, one by one: what estimates with scores, and of rates, need."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.catalog import EvalSpec
from canonry.evaluate.sample import Sample
from canonry.labels import Draw, read_draw, stratum_name
from canonry.population import answered_calls, population_digest
from canonry.storage import Zones


@dataclass(frozen=True)
class Frame:
    """Every call of the window's draws, or why they cannot be told."""

    refused: str | None = None
    calls: pa.Table = field(default_factory=lambda: pa.table({}))
    """inference_id and SLICE_FIELDS of all calls (N,)."""
    stratum: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(N,) position of each call's stratum in the sample."""
    place: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(items,) position of each drawn item among the calls."""
    cluster: np.ndarray | None = None
    """(N,) number of each call's cluster; None for an eval without one."""
    made_from: Mapping[str, str] = field(default_factory=dict)
    """Digest by path of every partition read."""

    def inside(self, fields: Mapping[str, str | None]) -> np.ndarray:
        """(N,) which calls have these values."""
        keep = np.ones(self.calls.num_rows, dtype=bool)
        for name, value in fields.items():
            column = self.calls[name]
            keep &= (column.is_null() if value is None else pc.fill_null(pc.equal(column, value), False)).to_numpy()
        return keep


def read_frame(zones: Zones, spec: EvalSpec, sample: Sample) -> Frame | None:
    """The calls of the sample's draws, as they were when it was drawn; None for an eval that needs the sample alone."""
    if (spec.scorer is None and spec.estimand == "calls") or not sample.days:
        return None
    made_from = manifest_digests(zones, ("inferences", "contents"), sample.days)
    draws = [read_draw(zones.journal, spec.scheme, sample.scheme_version or 0, day) for day in sample.days]
    frames, strata, offset = [], [], 0
    for draw in draws:
        assert draw is not None
        frame = _drawn_from(zones, draw)
        within = None if frame is None else _strata(draw, frame)
        if frame is None or within is None:
            return Frame(
                f"the {draw.population:,} calls that {draw.day} was drawn from are not all in the lake as they were",
                made_from=made_from,
            )
        frames.append(frame)
        strata.append(offset + within)
        offset += len(draw.strata)
    calls = pa.concat_tables(frames)
    position = {each: number for number, each in enumerate(calls["inference_id"].to_pylist())}
    drawn = [position[item.inference_id] for draw in draws if draw is not None for item in draw.items]
    cluster = None if spec.cluster is None else _clusters(zones, spec.cluster, sample, calls)
    return Frame(None, calls, np.concatenate(strata), np.array(drawn, dtype=np.int64), cluster, made_from)


def manifest_digests(zones: Zones, kinds: tuple[str, ...], days: tuple[object, ...]) -> dict[str, str]:
    """SHA-256 by path of the manifests of these partitions, those that are there."""
    paths = [f"{kind}/day={day}/{lake.MANIFEST}" for kind in kinds for day in days]
    return {
        f"lake/{path}": hashlib.sha256(zones.lake.read(path)).hexdigest() for path in paths if zones.lake.head(path)
    }


def _drawn_from(zones: Zones, draw: Draw) -> pa.Table | None:
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


def _clusters(zones: Zones, name: str, sample: Sample, calls: pa.Table) -> np.ndarray:
    """(N,) number of each call's cluster; a call that does not say its own is one by itself."""
    if name == "document_id":
        rows = lake.read(zones.lake, "contents", sample.days, ["inference_id", "retrieved"]).to_pylist()
        said: dict[str, Hashable | None] = {row["inference_id"]: _document(row["retrieved"]) for row in rows}
    else:
        columns = ["inference_id", "product", name]
        rows = lake.read(zones.lake, "inferences", sample.days, columns).to_pylist()
        said = {row["inference_id"]: (row["product"], row[name]) if row[name] else None for row in rows}
    keys = [said.get(each) or each for each in calls["inference_id"].to_pylist()]
    number = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    return np.array([number[key] for key in keys], dtype=np.int64)


def _document(retrieved: list[dict[str, object]] | None) -> tuple[str] | None:
    """The document of the first passage, whose chunk is named `document#ordinal`."""
    chunk = str(retrieved[0]["chunk_id"]) if retrieved and retrieved[0]["chunk_id"] else None
    return (chunk.rpartition("#")[0] or chunk,) if chunk else None

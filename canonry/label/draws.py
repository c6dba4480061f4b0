"""Draws: which of a day's answered calls people are asked about, and with which probability each was chosen."""

from __future__ import annotations

import datetime as dt
import hashlib
import heapq
import json
from collections import defaultdict

import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.catalog import SchemeSpec
from canonry.catalog.specs import Overlap
from canonry.labels import SLICE_FIELDS, Draw, DrawnItem, DrawnStratum, draw_name, read_draw, stratum_name
from canonry.messages import NO_MESSAGES
from canonry.storage import Storage, Zones


def draw_day(zones: Zones, name: str, scheme: SchemeSpec, day: dt.date, now: dt.datetime) -> Draw | None:
    """The draw of a day: made and journalled at the first call, the same ever after.

    A simple random sample without replacement of `per_stratum` calls from each stratum (all of a smaller one), so the
    probability of being chosen is n_h / N_h. It makes sense for a day that is over, which is the caller's to know:
    calls that arrive after the draw are never in its frame (`never_in_frame` counts them). A day without answered
    calls has nothing to draw from: None, and nothing is journalled.
    """
    earlier = read_draw(zones.journal, name, scheme.version, day)
    if earlier is not None:
        return earlier
    frame = answered_calls(zones.lake, day, scheme.sampling.products)
    if not frame.num_rows:
        return None
    draw = make_draw(name, scheme, day, frame, now)
    if zones.journal.put_if_absent(draw.path, draw.to_json()):
        return draw
    return read_draw(zones.journal, name, scheme.version, day)


def answered_calls(lake_zone: Storage, day: dt.date, products: tuple[str, ...] = ()) -> pa.Table:
    """The population of a day: calls without an error whose answer is kept. Columns inference_id and SLICE_FIELDS."""
    calls = lake.read(lake_zone, "inferences", [day], ["inference_id", "error_type", *SLICE_FIELDS])
    contents = lake.read(lake_zone, "contents", [day], ["inference_id", "output_messages"])
    said = pc.and_(
        contents["output_messages"].is_valid(), pc.invert(pc.is_in(contents["output_messages"], pa.array(NO_MESSAGES)))
    )
    keep = pc.and_(
        calls["error_type"].is_null(), pc.is_in(calls["inference_id"], contents.filter(said)["inference_id"])
    )
    if products:
        keep = pc.and_(keep, pc.is_in(calls["product"], pa.array(products)))
    return calls.filter(keep).drop_columns(["error_type"])


def never_in_frame(lake_zone: Storage, draw: Draw) -> int:
    """Answered calls of the draw's day that arrived after it: no one could be asked about them."""
    return max(answered_calls(lake_zone, draw.day, draw.products).num_rows - draw.population, 0)


def make_draw(name: str, scheme: SchemeSpec, day: dt.date, frame: pa.Table, now: dt.datetime) -> Draw:
    """The draw that a scheme makes from a frame (columns as of `answered_calls`, in any order). A pure function."""
    draw_id = draw_name(name, scheme.version, day)
    key = hashlib.blake2b(json.dumps([scheme.sampling.seed, draw_id]).encode(), digest_size=32).digest()
    names: tuple[str, ...] = scheme.sampling.strata
    columns = [frame[field].to_pylist() for field in names]
    identifiers = frame["inference_id"].to_pylist()
    rows_by_stratum: dict[tuple[str | None, ...], list[tuple[bytes, int]]] = defaultdict(list)
    for row, (inference_id, *values) in enumerate(zip(identifiers, *columns, strict=True)):
        # The order of a keyed hash is a random permutation that everyone can repeat.
        place = hashlib.blake2b(inference_id.encode(), digest_size=16, key=key).digest()
        rows_by_stratum[tuple(values)].append((place, row))

    strata, items = [], []
    named = [(dict(zip(names, values, strict=True)), rows) for values, rows in rows_by_stratum.items()]
    for position, (fields, rows) in enumerate(sorted(named, key=lambda stratum: stratum_name(stratum[0]))):
        chosen = heapq.nsmallest(scheme.sampling.per_stratum, rows)
        strata.append(DrawnStratum(fields, population=len(rows), drawn=len(chosen)))
        for _, row in chosen:
            items.append(
                DrawnItem(
                    item_id=item_id(name, scheme.version, identifiers[row]),
                    inference_id=identifiers[row],
                    stratum=position,
                    inclusion_probability=len(chosen) / len(rows),
                    fields={field: frame[field][row].as_py() for field in SLICE_FIELDS},
                    annotators=_annotators(scheme.sampling.overlap, identifiers[row], key),
                )
            )
    return Draw(
        draw_id=draw_id,
        scheme=name,
        scheme_version=scheme.version,
        day=day,
        design="stratified",
        products=scheme.sampling.products,
        population_digest=hashlib.sha256("\n".join(sorted(identifiers)).encode()).hexdigest(),
        strata=tuple(strata),
        items=tuple(sorted(items, key=lambda item: item.item_id)),
        drawn_at=now,
    )


def _annotators(overlap: Overlap | None, inference_id: str, key: bytes) -> int:
    """How many are asked about an item: a keyed hash of its own, so that it says nothing of how it was drawn."""
    if overlap is None:
        return 1
    place = hashlib.blake2b(inference_id.encode(), digest_size=8, key=key, person=b"canonry.overlap").digest()
    return overlap.annotators if int.from_bytes(place) < overlap.share * 2**64 else 1


def item_id(scheme: str, version: int, inference_id: str) -> str:
    """What identifies a call as something to be labeled under one version of a scheme."""
    return hashlib.blake2b(json.dumps([scheme, version, inference_id]).encode(), digest_size=16).hexdigest()

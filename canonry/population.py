"""The calls that a day's draw is made from, and an estimate is about."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.labels import SLICE_FIELDS
from canonry.messages import NO_MESSAGES
from canonry.storage import Storage


def answered_calls(
    lake_zone: Storage,
    day: dt.date,
    products: tuple[str, ...] = (),
    where: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    *,
    until: dt.datetime | None = None,
) -> pa.Table:
    """The population of a day: calls without an error whose answer is kept, received `until` then.

    Columns inference_id and SLICE_FIELDS.
    """
    columns = dict.fromkeys(["inference_id", "error_type", "received_at", *SLICE_FIELDS, *where])
    calls = lake.read(lake_zone, "inferences", [day], list(columns))
    contents = lake.read(lake_zone, "contents", [day], ["inference_id", "output_messages"])
    said = pc.and_(
        contents["output_messages"].is_valid(), pc.invert(pc.is_in(contents["output_messages"], pa.array(NO_MESSAGES)))
    )
    keep = pc.and_(
        calls["error_type"].is_null(), pc.is_in(calls["inference_id"], contents.filter(said)["inference_id"])
    )
    for field, values in {**({"product": products} if products else {}), **where}.items():
        keep = pc.and_(keep, pc.is_in(calls[field], pa.array(values, pa.string())))
    if until is not None:
        keep = pc.and_(keep, pc.less_equal(calls["received_at"], pa.scalar(until, lake.TIME)))
    return calls.filter(keep).select(["inference_id", *SLICE_FIELDS])


def population_digest(identifiers: Iterable[str]) -> str:
    """SHA-256 of the calls' ids, sorted."""
    return hashlib.sha256("\n".join(sorted(identifiers)).encode()).hexdigest()

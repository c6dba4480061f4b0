"""The public price list, taken once a version into the journal: `journal/prices/VERSION.json` and `.parquet`.

The list is the one that `genai-prices` carries; it is never fetched from the network, so a price changes only
when the pinned package does, and then as a new entry beside the old one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import genai_prices
import pyarrow as pa
import pyarrow.parquet as pq
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)
from genai_prices.units import UnitRegistry

from canonry.lake import parquet_bytes
from canonry.storage import Storage, Zones

FOLDER = "prices"

SCHEMA = pa.schema(
    [
        ("price_id", pa.string()),
        ("provider", pa.string()),
        ("model", pa.string()),
        ("position", pa.int32()),
        ("variant", pa.string()),
        ("starts_on", pa.date32()),
        ("from_time", pa.time64("us")),
        ("until_time", pa.time64("us")),
        ("unit", pa.string()),
        ("per", pa.int64()),
        ("tokens_over", pa.int64()),
        ("price", pa.decimal128(38, 18)),
    ]
)
"""One row per entry of the list, unit and tier: US dollars for `per` units.

Of a model's entries that hold at a time the one with the highest `position` counts. A `variant` (JSON of what
the request must say) changes single units of it. A tier holds for calls of more than `tokens_over` input tokens.
"""


class PriceError(Exception):
    """Prices that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class PriceSnapshot:
    """A version of the price list as the journal has it. `table` has SCHEMA; `taken_at` is UTC without a zone."""

    version: str
    taken_at: dt.datetime
    digest: str
    table: pa.Table


def price_snapshot(zones: Zones, now: dt.datetime) -> PriceSnapshot:
    """The installed price list, journalled at `now` unless it was before. Raises PriceError if it differs from then."""
    version = f"genai-prices-{genai_prices.__version__}"
    prices = flatten(get_snapshot())
    digest = _digest(prices)
    entry = {
        "digest": digest,
        "package": "genai-prices",
        "package_version": genai_prices.__version__,
        "rows": prices.num_rows,
        "taken_at": _utc(now).isoformat(),
        "version": version,
    }
    zones.journal.put_if_absent(f"{FOLDER}/{version}.parquet", parquet_bytes(prices))
    zones.journal.put_if_absent(
        f"{FOLDER}/{version}.json", json.dumps(entry, indent=1, sort_keys=True).encode() + b"\n"
    )
    snapshot = read_snapshot(zones.journal, version)
    if snapshot.digest != digest:
        raise PriceError(
            f"{zones.journal.url}/{FOLDER}/{version}.json: prices have digest {snapshot.digest[:12]}, those of the "
            f"installed package {digest[:12]}; turn off whatever updates them, or install the package again"
        )
    return snapshot


def read_snapshot(journal: Storage, version: str) -> PriceSnapshot:
    """A version from the journal. Raises NotFound, or PriceError where its table is not what its entry says."""
    entry = json.loads(journal.read(f"{FOLDER}/{version}.json"))
    table = pq.read_table(io.BytesIO(journal.read(f"{FOLDER}/{version}.parquet"))).cast(SCHEMA)
    if _digest(table) != entry["digest"]:
        raise PriceError(f"{journal.url}/{FOLDER}/{version}.parquet: is damaged; restore it from a backup")
    return PriceSnapshot(version, dt.datetime.fromisoformat(entry["taken_at"]), entry["digest"], table)


def flatten(snapshot: DataSnapshot) -> pa.Table:
    """Every price of a list as rows of SCHEMA, in the list's order."""
    units = _units()
    rows = [
        row
        for provider in snapshot.providers
        for model in provider.models
        for entry in _entries(model)
        for row in _rows(provider.id, model.id, *entry, units)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def _entries(model: ModelInfo) -> Iterator[tuple[int, str | None, Any, ModelPrice]]:
    standard = model.prices if isinstance(model.prices, list) else [ConditionalPrice(prices=model.prices)]
    for position, entry in enumerate(standard):
        yield position, None, entry.constraint, entry.prices
    for position, variant in enumerate(model.price_variants or ()):
        yield position, json.dumps(variant.when, sort_keys=True), variant.constraint, variant.prices


def _rows(
    provider: str,
    model: str,
    position: int,
    variant: str | None,
    constraint: StartDateConstraint | TimeOfDateConstraint | None,
    prices: ModelPrice,
    units: UnitRegistry,
) -> Iterator[dict[str, Any]]:
    times = (constraint.start_time, constraint.end_time) if isinstance(constraint, TimeOfDateConstraint) else None
    row = {
        "price_id": f"{provider}/{model}#{'variant-' if variant else ''}{position}",
        "provider": provider,
        "model": model,
        "position": position,
        "variant": variant,
        "starts_on": constraint.start_date if isinstance(constraint, StartDateConstraint) else None,
        "from_time": _utc_time(times[0]) if times else None,
        "until_time": _utc_time(times[1]) if times else None,
    }
    for unit, price in vars(prices).items():
        if price is None:
            continue
        tiers = [(tier.start, tier.price) for tier in price.tiers] if isinstance(price, TieredPrices) else []
        base = price.base if isinstance(price, TieredPrices) else price
        per = units.unit_for_price_key(unit).per
        for tokens_over, amount in [(-1, base), *tiers]:
            yield {**row, "unit": unit, "per": per, "tokens_over": tokens_over, "price": Decimal(amount)}


def _units() -> UnitRegistry:
    from genai_prices.data_units import unit_data

    return UnitRegistry(unit_data)


def _utc(time: dt.datetime) -> dt.datetime:
    return time.astimezone(dt.UTC).replace(tzinfo=None) if time.tzinfo else time


def _utc_time(time: dt.time) -> dt.time:
    return _utc(dt.datetime.combine(dt.date(2000, 1, 1), time)).time()


def _digest(table: pa.Table) -> str:
    """Of the values, not of the Parquet bytes, which change with the writer's version."""
    lines = (json.dumps(row, default=str, sort_keys=True) for row in table.to_pylist())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

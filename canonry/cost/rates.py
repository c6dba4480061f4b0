"""Which price a call has: each distinct way of naming a model, resolved once, as rates to join tokens with."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import ModelInfo, Provider

from canonry.catalog import Catalog, ModelSpec
from canonry.cost.prices import PriceSnapshot
from canonry.lake import MONEY, TIME

UNITS = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "requests_kcount": "request",
}
"""Token kind by unit of the price list. Other units (audio, images, searches) are in no event and not charged."""

SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("token_kind", pa.string()),
        ("starts_at", TIME),
        ("ends_at", TIME),
        ("tokens_over", pa.int64()),
        ("tokens_up_to", pa.int64()),
        ("price_per_token", MONEY),
        ("price_id", pa.string()),
    ]
)
"""One row per naming (its number), token kind, part of the day and tier of input tokens; US dollars a token."""

_PROVIDERS = {"azure.ai.inference": "azure", "gcp.gen_ai": "google", "x_ai": "x-ai"}
"""Names of OpenTelemetry's that the price list does not know, in the list's own words."""

_PICODOLLAR = Decimal(1).scaleb(-12)
_NO_LIMIT = 2**63 - 1

_Price = tuple[str, list[tuple[int, Decimal]]]
"""A price's id, and its tiers: above how many input tokens, US dollars a token."""


@dataclass(frozen=True)
class Naming:
    """How calls name what they used: all that a price depends on, time and tokens apart."""

    provider: str | None
    request_model: str | None
    response_model: str | None
    service_tier: str | None

    @property
    def model(self) -> str | None:
        """The model that answered, else the one asked for."""
        return self.response_model or self.request_model


def rates(namings: Iterable[Naming], day: dt.date, snapshot: PriceSnapshot, catalog: Catalog) -> pa.Table:
    """Rates of namings on a day, numbered in the order given; SCHEMA. A naming that nothing prices has no row."""
    price_list = _PriceList(snapshot, get_snapshot())
    rows: list[dict[str, Any]] = []
    for number, naming in enumerate(namings):
        own = _own_prices(catalog, naming, day)
        parts = [(*_hours(day, dt.time.min, None), own)] if own else price_list.parts(naming, day)
        for starts_at, ends_at, prices in parts:
            period = {"number": number, "starts_at": starts_at, "ends_at": ends_at}
            rows += [{**period, **row} for row in _tier_rows(prices)]
    return pa.Table.from_pylist(rows, SCHEMA)


def overrides(catalog: Catalog, day: dt.date) -> dict[str, Any]:
    """The catalog's own prices that hold on a day, as plain data: what the day's charges depend on."""
    return {
        name: {
            "provider": model.provider,
            "versions": sorted(model.versions),
            "price": price.model_dump(mode="json", exclude={"reason"}),
        }
        for name, model in sorted(catalog.models.items())
        if (price := _price_on(model, day))
    }


def _price_on(model: ModelSpec, day: dt.date) -> Any:
    holding = [price for price in model.prices if price.valid_from <= day]
    return holding[-1] if holding else None


def _own_prices(catalog: Catalog, naming: Naming, day: dt.date) -> dict[str, _Price]:
    for name, model in catalog.models.items():
        if model.provider == naming.provider and naming.model in model.versions and (price := _price_on(model, day)):
            price_id = f"assets/models/{name}.yaml#{price.valid_from}"
            kinds = ("input", "cache_read", "cache_write", "output")
            amounts = {kind: getattr(price, f"{kind}_mtok") for kind in kinds}
            return {
                kind: (price_id, [(-1, amount / 1_000_000)]) for kind, amount in amounts.items() if amount is not None
            }
    return {}


class _PriceList:
    """The journalled prices, found by the price list's own matching of names."""

    def __init__(self, snapshot: PriceSnapshot, matching: DataSnapshot) -> None:
        self._matching = matching
        self._owners = {id(model): (owner.id, model.id) for owner in matching.providers for model in owner.models}
        self._rows: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for row in snapshot.table.to_pylist():
            self._rows[row["provider"], row["model"]].append(row)

    def parts(self, naming: Naming, day: dt.date) -> Iterator[tuple[dt.datetime, dt.datetime, dict[str, _Price]]]:
        """Parts of a day and their prices by token kind; none where the list has no such provider or model."""
        found = self._find(naming)
        if found is None:
            return
        provider, model = found
        rows = self._rows[self._owners[id(model)]]
        # As in the list, what a request says changes prices of the provider's own models only.
        own = any(model is each for each in provider.models)
        context = {"service_tier": naming.service_tier} if naming.service_tier and own else {}
        edges = sorted({dt.time.min, *(row[name] for row in rows for name in ("from_time", "until_time") if row[name])})
        for start, end in zip(edges, [*edges[1:], None], strict=True):
            starts_at, ends_at = _hours(day, start, end)
            yield starts_at, ends_at, _prices_at(rows, starts_at, context)

    def _find(self, naming: Naming) -> tuple[Provider, ModelInfo] | None:
        name = _PROVIDERS.get((naming.provider or "").lower(), naming.provider)
        for model in (naming.response_model, naming.request_model):
            if not model:
                continue
            try:
                return self._matching.find_provider_model(model, None, name or None, None)
            except LookupError:
                continue
        return None


def _prices_at(rows: list[dict[str, Any]], time: dt.datetime, context: dict[str, str]) -> dict[str, _Price]:
    """The last standard entry that holds, else the first; of variants the first that names a unit replaces it."""
    standard = [row for row in rows if row["variant"] is None]
    positions = sorted({row["position"] for row in standard})
    holding = {row["position"] for row in standard if _holds(row, time)}
    position = max(holding) if holding else positions[0] if positions else None
    prices = _tiers_by_kind([row for row in standard if row["position"] == position])
    variants = [row for row in rows if row["variant"] and _holds(row, time) and _says(context, row["variant"])]
    for number in sorted({row["position"] for row in variants}, reverse=True):
        prices |= _tiers_by_kind([row for row in variants if row["position"] == number])
    return prices


def _holds(row: dict[str, Any], time: dt.datetime) -> bool:
    if row["starts_on"]:
        return bool(time.date() >= row["starts_on"])
    start, end = row["from_time"], row["until_time"]
    if start is None:
        return True
    if end < start:
        return bool(time.time() >= start or time.time() < end)
    return bool(start <= time.time() < end)


def _says(context: dict[str, str], variant: str) -> bool:
    return all(context.get(key) == value for key, value in json.loads(variant).items())


def _tiers_by_kind(rows: list[dict[str, Any]]) -> dict[str, _Price]:
    prices: dict[str, _Price] = {}
    for row in rows:
        if kind := UNITS.get(row["unit"]):
            _, tiers = prices.setdefault(kind, (row["price_id"], []))
            tiers.append((row["tokens_over"], row["price"] / row["per"]))
    return prices


def _tier_rows(prices: dict[str, _Price]) -> Iterator[dict[str, Any]]:
    """Rows of SCHEMA, time apart. Cached tokens without a price of their own are input tokens like others."""
    if "input" in prices:
        prices = {**dict.fromkeys(("cache_read", "cache_write"), prices["input"]), **prices}
    for kind, (price_id, tiers) in prices.items():
        limits = [*(over for over, _ in tiers[1:]), _NO_LIMIT]
        for (over, price), up_to in zip(tiers, limits, strict=True):
            yield {
                "token_kind": kind,
                "tokens_over": over,
                "tokens_up_to": up_to,
                "price_per_token": price.quantize(_PICODOLLAR),
                "price_id": price_id,
            }


def _hours(day: dt.date, start: dt.time, end: dt.time | None) -> tuple[dt.datetime, dt.datetime]:
    last = dt.datetime.combine(day, end) if end else dt.datetime.combine(day + dt.timedelta(days=1), dt.time.min)
    return dt.datetime.combine(day, start), last

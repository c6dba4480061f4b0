"""Charges against genai_prices.calc_price, call by call: an independent way to the same figures."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.csv
import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot

from canonry import lake
from canonry.catalog import Catalog
from canonry.cost import PriceSnapshot, charge_day
from canonry.storage import Zones

TOKENS = [
    {"input_tokens": 812, "output_tokens": 97},
    {"input_tokens": 250_001, "output_tokens": 3, "cache_read_tokens": 150_000, "cache_write_tokens": 100_001},
    {"input_tokens": 128_000, "output_tokens": 7_777, "cache_read_tokens": 64_000, "reasoning_tokens": 777},
    {"input_tokens": 600_000, "output_tokens": 1, "cache_write_tokens": 1},
]
DAYS = [dt.date(2024, 7, 1), dt.date(2025, 9, 1), dt.date(2026, 11, 3)]
COUNTS = {
    "input_tokens": "input_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "output_tokens": "output_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
}
TIERS = [None, "flex", "priority"]


@pytest.mark.parametrize("day", DAYS)
def test_every_model_of_the_list_costs_what_the_list_itself_calculates(
    zones: Zones, write_calls: Callable[..., None], snapshot: PriceSnapshot, day: dt.date
) -> None:
    calls = [
        {
            "inference_id": f"{provider.id} {number} {shape}",
            "provider": provider.id,
            "request_model": model.id,
            "response_model": None,
            "service_tier": TIERS[number % 3],
            "started_at": dt.datetime.combine(day, dt.time((number * 7 + shape) % 24, 30 * (number % 2))),
            **tokens,
        }
        for provider in get_snapshot().providers
        for number, model in enumerate(provider.models)
        for shape, tokens in enumerate(TOKENS)
    ]
    write_calls(*calls, day=day)
    charge_day(zones, Catalog(Path("assets")), day, snapshot)
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for row in lake.read(zones.lake, "charges", [day]).to_pylist():
        amounts[row["inference_id"]] += row["amount"] or 0
    equal = unknown = 0
    for call in calls:
        amount = amounts[call["inference_id"]]
        calculated = from_the_list(call)
        if calculated is None:
            unknown += 1
            assert amount == 0
            continue
        # A few listed prices are quotients with endless digits; a charge's price has twelve.
        assert abs(amount - calculated) <= Decimal(call["input_tokens"]).scaleb(-12), call
        equal += amount == calculated
    assert equal > 0.99 * (len(calls) - unknown)
    assert unknown < 0.05 * len(calls)


def from_the_list(call: dict[str, Any]) -> Decimal | None:
    """US dollars by genai_prices itself, None where it does not know the model."""
    tier = call["service_tier"]
    with suppress(LookupError):
        return calc_price(
            Usage(**{theirs: call[ours] for ours, theirs in COUNTS.items() if ours in call}),
            call["request_model"],
            provider_id=call["provider"],
            genai_request_timestamp=call["started_at"],
            price_context={"service_tier": tier} if tier else None,
        ).total_price
    return None


def test_the_azure_trace_priced_as_gpt_4o_is_a_plain_sum(
    zones: Zones, write_calls: Callable[..., None], snapshot: PriceSnapshot, shared_data: Path
) -> None:
    trace = pyarrow.csv.read_csv(
        shared_data / "azure_llm_trace_2023" / "AzureLLMInferenceTrace_code.csv.gz"
    ).to_pylist()
    day = dt.date(2023, 11, 16)
    calls = [
        {"started_at": row["TIMESTAMP"], "input_tokens": row["ContextTokens"], "output_tokens": row["GeneratedTokens"]}
        for row in trace
    ]
    write_calls(*calls, day=day)
    report = charge_day(zones, Catalog(Path("assets")), day, snapshot)
    inputs, outputs = (sum(row[name] for row in trace) for name in ("ContextTokens", "GeneratedTokens"))
    assert report.inferences == len(trace) == 8819
    assert report.amount == inputs * Decimal("2.5") / 1_000_000 + outputs * Decimal(10) / 1_000_000

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from canonry import catalog as catalogs
from canonry import lake
from canonry.catalog import Catalog, ModelSpec
from canonry.cost import PriceSnapshot, charge_day
from canonry.storage import Zones

DAY = dt.date(2026, 11, 3)
NO_CATALOG = Catalog(Path("assets"))

Write = Callable[..., None]


def charges(zones: Zones, day: dt.date = DAY) -> list[dict[str, Any]]:
    return lake.read(zones.lake, "charges", [day]).to_pylist()


def by_kind(zones: Zones, column: str = "amount") -> dict[str, Any]:
    return {row["token_kind"]: row[column] for row in charges(zones)}


def own_model(*prices: tuple[str, str, str], **cached: str) -> Catalog:
    model = ModelSpec.model_validate(
        {
            "description": "A model of our own, for this test.",
            "owner": "tests",
            "role": "chat",
            "provider": "openai",
            "versions": ["gpt-4o-2024-08-06"],
            "stages": [{"stage": "production", "since": "2026-01-01", "reason": "test"}],
            "prices": [
                {"valid_from": day, "input_mtok": input_, "output_mtok": output, "reason": "contract", **cached}
                for day, input_, output in prices
            ],
        }
    )
    return Catalog(Path("assets"), models={"our-gpt": model})


def test_a_call_has_a_row_a_kind_of_token_and_names_its_price(
    zones: Zones, write_calls: Write, snapshot: PriceSnapshot
) -> None:
    write_calls({"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 100})
    report = charge_day(zones, NO_CATALOG, DAY, snapshot)
    assert by_kind(zones, "quantity") == {"input": 600, "cache_read": 400, "output": 100}
    assert by_kind(zones) == {"input": Decimal("0.0015"), "cache_read": Decimal("0.0005"), "output": Decimal("0.001")}
    row = charges(zones)[0]
    assert row["charge_id"] == "call-000000:cache_read"
    assert row["price_id"] == "openai/gpt-4o#0"
    assert (row["valid_at"], row["known_at"]) == (dt.datetime(2026, 11, 3, 12), snapshot.taken_at)
    assert report.amount == Decimal("0.003") and report.rows == 3


def test_every_priced_amount_is_exactly_quantity_times_price(
    zones: Zones, write_calls: Write, snapshot: PriceSnapshot
) -> None:
    write_calls({"input_tokens": 9_007_199_254_740_993, "output_tokens": 2**63 - 1})
    charge_day(zones, NO_CATALOG, DAY, snapshot)
    assert by_kind(zones) == {
        "input": 9_007_199_254_740_993 * Decimal("0.0000025"),
        "output": (2**63 - 1) * Decimal("0.00001"),
    }


def test_an_unknown_model_is_unpriced_and_counted_never_zero(
    zones: Zones, write_calls: Write, snapshot: PriceSnapshot
) -> None:
    nobody = {"provider": "nobody", "response_model": "m-1"}
    write_calls({}, nobody, nobody, {**nobody, "provider": None, "response_model": None, "request_model": None})
    report = charge_day(zones, NO_CATALOG, DAY, snapshot)
    assert report.unpriced == {"nobody/m-1": 4, "unknown/unknown": 2}
    unpriced = [row for row in charges(zones) if row["status"] == "unpriced"]
    assert {(row["quantity"], row["amount"], row["price_id"]) for row in unpriced} == {
        (1000, None, None),
        (100, None, None),
    }


def test_the_model_asked_for_prices_a_call_whose_answering_model_the_list_does_not_know(
    zones: Zones, write_calls: Write, snapshot: PriceSnapshot
) -> None:
    write_calls({"response_model": "deployment-7"}, {"response_model": None})
    charge_day(zones, NO_CATALOG, DAY, snapshot)
    assert {row["price_id"] for row in charges(zones)} == {"openai/gpt-4o#0"}


def test_an_answer_from_the_gateways_cache_is_free(zones: Zones, write_calls: Write, snapshot: PriceSnapshot) -> None:
    write_calls({"cache_hit": True}, {"cache_hit": True, "provider": "nobody"})
    report = charge_day(zones, NO_CATALOG, DAY, snapshot)
    assert {(row["status"], row["amount"], row["price_per_token"]) for row in charges(zones)} == {("free", 0, None)}
    assert report.amount == 0 and not report.unpriced


def test_counts_that_are_missing_or_contradict_each_other_are_unmeasured(
    zones: Zones, write_calls: Write, snapshot: PriceSnapshot
) -> None:
    write_calls({"input_tokens": 10, "cache_read_tokens": 11, "output_tokens": None})
    report = charge_day(zones, NO_CATALOG, DAY, snapshot)
    assert by_kind(zones, "status") == {"input": "unmeasured", "cache_read": "priced", "output": "unmeasured"}
    assert by_kind(zones, "quantity") == {"input": None, "cache_read": 11, "output": None}
    assert report.unmeasured == {"openai/gpt-4o-2024-08-06": 2}


def test_an_embedding_has_no_output_to_miss(zones: Zones, write_calls: Write, snapshot: PriceSnapshot) -> None:
    embedding = {"operation": "embeddings", "response_model": "text-embedding-3-small", "output_tokens": None}
    write_calls(embedding, {**embedding, "operation": None})
    charge_day(zones, NO_CATALOG, DAY, snapshot)
    assert [(row["token_kind"], row["amount"]) for row in charges(zones)] == [("input", Decimal("0.00002"))] * 2


def test_a_tier_holds_for_all_tokens_of_a_call_above_its_start(
    zones: Zones, write_calls: Write, snapshot: PriceSnapshot
) -> None:
    gemini = {"provider": "google", "response_model": "gemini-2.5-pro", "output_tokens": 0}
    write_calls({**gemini, "input_tokens": 200_000}, {**gemini, "input_tokens": 200_001})
    charge_day(zones, NO_CATALOG, DAY, snapshot)
    below, above = (row["price_per_token"] for row in charges(zones))
    assert above == 2 * below


def test_a_price_by_the_hour_changes_within_the_day(zones: Zones, write_calls: Write, snapshot: PriceSnapshot) -> None:
    deepseek = {"provider": "deepseek", "response_model": "deepseek-chat", "output_tokens": 0}
    write_calls(*({**deepseek, "started_at": dt.datetime(2026, 11, 3, *time)} for time in [(0, 29), (0, 30), (16, 30)]))
    charge_day(zones, NO_CATALOG, DAY, snapshot)
    night, day, evening = (row["price_per_token"] for row in charges(zones))
    assert night == evening == day / 2


def test_an_own_price_holds_from_its_day_on_and_no_earlier(
    zones: Zones, write_calls: Write, snapshot: PriceSnapshot
) -> None:
    ours = own_model(("2026-11-03", "1", "2"), ("2026-11-04", "4", "5"))
    seen = {}
    for day in (dt.date(2026, 11, 2), DAY, dt.date(2026, 11, 4)):
        write_calls({"input_tokens": 1_000_000, "cache_read_tokens": 1, "output_tokens": 0}, day=day)
        charge_day(zones, ours, day, snapshot)
        seen[day.day] = sum(row["amount"] for row in charges(zones, day))
    assert seen == {2: Decimal("2.49999875"), 3: 1, 4: 4}
    assert {row["price_id"] for row in charges(zones)} == {"assets/models/our-gpt.yaml#2026-11-03"}


def test_cached_tokens_have_their_own_price_where_ours_says_one(
    zones: Zones, write_calls: Write, snapshot: PriceSnapshot
) -> None:
    write_calls({"input_tokens": 100, "cache_read_tokens": 40, "cache_write_tokens": 10, "output_tokens": 0})
    charge_day(zones, own_model(("2026-01-01", "1", "2"), cache_read_mtok="0.1"), DAY, snapshot)
    price = {kind: value * 1_000_000 for kind, value in by_kind(zones, "price_per_token").items()}
    assert price == {"input": 1, "cache_read": Decimal("0.1"), "cache_write": 1}


def test_charging_twice_leaves_the_same_bytes_and_says_that_nothing_changed(
    zones: Zones, write_calls: Write, snapshot: PriceSnapshot
) -> None:
    write_calls(*({"input_tokens": number, "cache_read_tokens": number // 2} for number in range(500)))
    first = charge_day(zones, NO_CATALOG, DAY, snapshot)
    files = {entry.path: zones.lake.read(entry.path) for entry in zones.lake.list("charges")}
    again = charge_day(zones, NO_CATALOG, DAY, snapshot)
    assert (first.changed, again.changed) == (True, False)
    assert files == {entry.path: zones.lake.read(entry.path) for entry in zones.lake.list("charges")}


def test_a_price_appended_for_later_leaves_earlier_days_as_they_are(
    zones: Zones, write_calls: Write, snapshot: PriceSnapshot
) -> None:
    write_calls({})
    charge_day(zones, own_model(("2026-01-01", "1", "2")), DAY, snapshot)
    later = own_model(("2026-01-01", "1", "2"), ("2026-12-01", "3", "4"))
    assert not charge_day(zones, later, DAY, snapshot).changed


def test_a_day_without_calls_writes_nothing(zones: Zones, snapshot: PriceSnapshot) -> None:
    report = charge_day(zones, NO_CATALOG, DAY, snapshot)
    assert (report.inferences, report.rows, report.changed) == (0, 0, False)
    assert lake.days(zones.lake, "charges") == []


def test_the_catalogs_own_model_is_priced(zones: Zones, write_calls: Write, snapshot: PriceSnapshot) -> None:
    write_calls({"provider": "canonry-demo", "response_model": "docs-extractive-1.1", "input_tokens": 1_000_000})
    report = charge_day(zones, catalogs.load(Path(__file__).parents[2] / "assets"), DAY, snapshot)
    assert report.amount == Decimal("0.15006")


@pytest.mark.parametrize("provider", ["azure.ai.openai", "azure.ai.inference", "aws.bedrock", "x_ai", "gcp.gen_ai"])
def test_names_of_opentelemetry_are_understood(
    zones: Zones, write_calls: Write, snapshot: PriceSnapshot, provider: str
) -> None:
    models = {"aws.bedrock": "amazon.nova-lite-v1:0", "x_ai": "grok-4", "gcp.gen_ai": "gemini-2.5-pro"}
    write_calls({"provider": provider, "response_model": models.get(provider, "gpt-4o")})
    assert charge_day(zones, NO_CATALOG, DAY, snapshot).unpriced == {}

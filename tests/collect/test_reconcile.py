"""One call that two observers logged is one row, filled from both; its other id still finds it."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import random
from typing import Any

import pytest

from canonry import lake
from canonry.collect.news import days_to_recompute
from canonry.collect.partition import collect_day
from canonry.storage import LocalStorage, Zones, open_zones
from tests.collect.making import AFTER, DAY, NOON, collect_all, contents, feedback, ids, rows, settle_outcomes, writer

HOUR = dt.timedelta(hours=1)
ONE_DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)
MIDNIGHT = dt.datetime(2026, 3, 11)


def span(number: int, at: dt.datetime = NOON, **more: Any) -> dict[str, Any]:
    """A call as an SDK's span tells it: without its answer."""
    return {
        "inference_id": f"span-{number}",
        "trace_id": f"{number:032x}",
        "span_id": f"span-{number}",
        "provider_response_id": f"response-{number}",
        "started_at": at.isoformat(),
        "latency_ms": 500,
        "product": "shop",
        "team": "sales",
        "input_tokens": 7,
        "logged_by": "sdk",
        "attributes": {"from": "the span", "span": True},
        **more,
    }


def log(number: int, at: dt.datetime = NOON, **more: Any) -> dict[str, Any]:
    """The same call as a gateway logs it: without its trace."""
    return {
        "inference_id": f"log-{number}",
        "provider_response_id": f"response-{number}",
        "started_at": (at + dt.timedelta(milliseconds=20)).isoformat(),
        "latency_ms": 470,
        "product": "gateway",
        "team": "platform",
        "output_tokens": 3,
        "cache_hit": False,
        "logged_by": "litellm",
        "output_messages": [{"role": "assistant", "content": f"answer {number}"}],
        "attributes": {"from": "the log", "response_cost": 0.5},
        **more,
    }


def land(zones: Zones, *events: dict[str, Any], at: dt.datetime = NOON, kind: str = "inferences", by="shop") -> None:
    writer(zones.landing, by, at).append(kind, events)


def test_one_call_is_one_row_filled_from_both(zones: Zones):
    land(zones, log(1), at=NOON + HOUR, by="gateway")
    land(zones, span(1), span(2))
    report = collect_day(zones, "inferences", DAY, today=AFTER)
    assert (report.rows, report.reconciled, report.duplicates, report.rejected) == (2, 1, 0, 0)
    assert lake.manifest(zones.lake, "inferences", DAY)["reconciled"] == 1
    row, plain = rows(zones, "inferences", DAY)
    assert (row["inference_id"], row["other_ids"]) == ("span-1", ["log-1"])
    assert (row["product"], row["team"], row["latency_ms"], row["logged_by"]) == ("shop", "sales", 500, "sdk")
    assert (row["trace_id"], row["input_tokens"], row["output_tokens"]) == (f"{1:032x}", 7, 3)
    assert (row["cache_hit"], row["source"]) == (False, "shop")
    assert json.loads(row["attributes"]) == {"from": "the span", "span": True, "response_cost": 0.5}
    text, _ = rows(zones, "contents", DAY)
    assert text["inference_id"] == "span-1" and "answer 1" in text["output_messages"]
    assert (plain["inference_id"], plain["other_ids"]) == ("span-2", None)


def test_the_one_received_first_counts_then_the_smallest_digest(zones: Zones):
    land(zones, span(1), at=NOON + HOUR)
    land(zones, log(1), by="gateway")
    for number in range(2, 6):
        land(zones, span(number))
        land(zones, log(number), by="gateway")
    collect_day(zones, "inferences", DAY, today=AFTER)
    found = {row["inference_id"]: row for row in rows(zones, "inferences", DAY)}
    assert len(found) == 5 and found["log-1"]["trace_id"] == f"{1:032x}" and found["log-1"]["latency_ms"] == 470
    keys = {row["id"]: row for row in _keys(zones, DAY)}
    for number in range(2, 6):
        pair = [keys[f"span-{number}"], keys[f"log-{number}"]]
        winner, loser = sorted(pair, key=lambda row: row["digest"])
        assert found[winner["id"]]["other_ids"] == [loser["id"]]


@pytest.mark.parametrize("first", [span, log])
def test_for_whom_a_call_was_made_its_product_says_and_not_the_gateway_whoever_came_first(zones: Zones, first):
    land(zones, first(1), by="first")
    land(zones, {span: log, log: span}[first](1), at=NOON + HOUR, by="second")
    land(zones, log(2, feature="search", environment="production"), span(2), by="first")
    collect_day(zones, "inferences", DAY, today=AFTER)
    row, other = sorted(rows(zones, "inferences", DAY), key=lambda row: row["provider_response_id"])
    assert (row["product"], row["team"], row["feature"]) == ("shop", "sales", None)
    assert (other["product"], other["feature"], other["environment"]) == ("shop", "search", "production")


@pytest.mark.parametrize("first", [span, log])
def test_of_two_names_of_what_answered_the_one_that_is_no_alias_counts_whoever_came_first(zones: Zones, first):
    said = {"request_model": "fast"}
    sightings = {span: span(1, **said, response_model="fast"), log: log(1, **said, response_model="gpt-4o-mini")}
    land(zones, sightings.pop(first), by="first")
    land(zones, *sightings.values(), at=NOON + HOUR, by="second")
    collect_day(zones, "inferences", DAY, today=AFTER)
    (row,) = rows(zones, "inferences", DAY)
    assert (row["request_model"], row["response_model"]) == ("fast", "gpt-4o-mini")


def test_counts_that_belong_together_are_of_one_observer(zones: Zones):
    land(zones, span(1, input_tokens=20, output_tokens=9))
    land(zones, log(1, input_tokens=2020, cache_read_tokens=2000, output_tokens=8), at=NOON + HOUR, by="gateway")
    collect_day(zones, "inferences", DAY, today=AFTER)
    (row,) = rows(zones, "inferences", DAY)
    assert (row["input_tokens"], row["cache_read_tokens"], row["output_tokens"]) == (2020, 2000, 9)


def _keys(zones: Zones, day: dt.date) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    found = []
    for entry in zones.lake.list(f"keys/inferences/day={day}"):
        with zones.lake.local_copy(entry.path) as file:
            found += pq.read_table(file).to_pylist()
    return found


def test_cached_answers_stay_calls_of_their_own(zones: Zones):
    for number, at in enumerate([NOON, NOON + 20 * SECOND, NOON + HOUR]):
        same = {"provider_response_id": "response", "trace_id": f"{number:032x}"}
        land(zones, span(number, at, **same))
        land(zones, log(number, at, provider_response_id="response", cache_hit=number > 0), by="gateway")
    report = collect_day(zones, "inferences", DAY, today=AFTER)
    assert (report.rows, report.reconciled) == (3, 3)
    assert [row["cache_hit"] for row in rows(zones, "inferences", DAY)] == [False, True, True]


def test_within_the_day_what_comes_later_joins_what_is_there(tmp_path):
    hourly, whole = open_zones(tmp_path / "hourly"), open_zones(tmp_path / "whole")
    pieces = [[span(1), span(2)], [log(2), span(3), log(3)], [span(4), log(9)], [log(1), log(2)]]
    for number, piece in enumerate(pieces):
        writer(hourly.landing, at=NOON + number * HOUR).append("inferences", piece)
        collect_day(hourly, "inferences", DAY, today=DAY)
        parts = len(list(hourly.lake.list(f"inferences/day={DAY}"))) - 1
        assert parts == [1, 1, 2, 1][number], "only what joins an older call makes the day whole again"
    for entry in hourly.landing.list():
        whole.landing.put(entry.path, hourly.landing.read(entry.path))
    report = collect_day(whole, "inferences", DAY, today=AFTER)
    assert (report.rows, report.reconciled, report.duplicates) == (5, 3, 1)
    collect_all(hourly, today=AFTER)
    collect_all(whole, today=AFTER)
    assert contents(hourly.lake) == contents(whole.lake)


@pytest.mark.parametrize("first", ["span", "log"])
@pytest.mark.parametrize("collected", [(DAY, AFTER), (AFTER, DAY)])
def test_two_clocks_around_midnight_see_one_call(tmp_path, first, collected):
    zones = open_zones(tmp_path)
    before, after = MIDNIGHT - dt.timedelta(milliseconds=5), MIDNIGHT + dt.timedelta(milliseconds=5)
    span_at, log_at = (NOON, NOON + HOUR) if first == "span" else (NOON + HOUR, NOON)
    land(zones, span(1, before), span(2, before), at=span_at)
    land(zones, log(1, after), log(3, after), at=log_at, by="gateway")
    today = AFTER + ONE_DAY
    for day in collected:
        collect_day(zones, "inferences", day, today=today)
    collect_all(zones, today=today)
    winner, loser, day, other = ("span-1", "log-1", DAY, AFTER) if first == "span" else ("log-1", "span-1", AFTER, DAY)
    found = {row["inference_id"]: row for row in rows(zones, "inferences", DAY, AFTER)}
    assert sorted(found) == sorted(["span-2", "log-3", winner])
    assert ids(zones, "inferences", day).count(winner) == 1
    row = found[winner]
    assert (row["other_ids"], row["trace_id"], row["output_tokens"]) == ([loser], f"{1:032x}", 3)
    (text,) = [each for each in rows(zones, "contents", day) if each["inference_id"] == winner]
    assert "answer 1" in text["output_messages"]
    assert lake.manifest(zones.lake, "inferences", other)["reconciled"] == 1
    assert lake.manifest(zones.lake, "inferences", day)["reconciled"] == 0


@pytest.mark.parametrize("named", ["log-1", "response-1", "span-1"])
def test_feedback_that_names_another_id_of_the_call_tells_the_day_of_its_row(zones: Zones, named):
    land(zones, span(1, MIDNIGHT - SECOND))
    land(zones, log(1, MIDNIGHT + SECOND), at=NOON + HOUR, by="gateway")
    later = NOON + 5 * ONE_DAY
    collect_all(zones, today=later.date())
    for day in days_to_recompute(zones):
        settle_outcomes(zones, day)
    land(zones, feedback(1, at=later, inference_id=named), at=later, kind="feedback")
    collect_day(zones, "feedback", later.date(), today=later.date())
    assert DAY in days_to_recompute(zones)
    assert AFTER not in days_to_recompute(zones) or named == "response-1"


def test_copies_of_an_id_on_other_days_count_before_sightings_do(tmp_path):
    """The span's copy that counts lies a day earlier; so the log is a call of its own."""
    lakes = []
    for order in itertools.permutations([DAY - ONE_DAY, DAY, AFTER]):
        zones = open_zones(tmp_path / "-".join(day.isoformat() for day in order))
        land(zones, span(1, MIDNIGHT - SECOND), at=NOON + HOUR)
        land(zones, span(1, NOON - ONE_DAY), at=NOON)
        land(zones, log(1, MIDNIGHT + SECOND), at=NOON + 2 * HOUR, by="gateway")
        if lakes:
            _copy_landing(tmp_path, zones)
        for day in order:
            collect_day(zones, "inferences", day, today=AFTER + ONE_DAY)
        collect_all(zones, today=AFTER + ONE_DAY)
        assert ids(zones, "inferences") == ["span-1", "log-1"]
        lakes.append([row["inference_id"] for row in rows(zones, "inferences")])
    assert all(each == lakes[0] for each in lakes)


def _copy_landing(tmp_path, zones: Zones) -> None:
    first = next(iter(sorted(tmp_path.iterdir())))
    for entry in list(zones.landing.list()):
        zones.landing.delete(entry.path)
    for entry in LocalStorage(first / "landing").list():
        zones.landing.put(entry.path, LocalStorage(first / "landing").read(entry.path))


def test_keys_of_an_earlier_version_are_read_beside_new_ones(zones: Zones):
    import pyarrow.parquet as pq

    land(zones, span(1, MIDNIGHT - SECOND))
    collect_day(zones, "inferences", DAY, today=AFTER)
    (entry,) = zones.lake.list(f"keys/inferences/day={DAY}")
    with zones.lake.local_copy(entry.path) as file:
        table = pq.read_table(file)
    zones.lake.put(entry.path, lake.parquet_bytes(table.select(table.column_names[:6])))
    land(zones, log(1, MIDNIGHT + SECOND), at=NOON + HOUR, by="gateway")
    collect_day(zones, "inferences", AFTER, today=AFTER + ONE_DAY)
    land(zones, feedback(1, at=NOON, inference_id="span-1"), kind="feedback")
    collect_day(zones, "feedback", DAY, today=AFTER + ONE_DAY)
    assert DAY in days_to_recompute(zones)


DAYS = 3
END = DAY + (DAYS + 2) * ONE_DAY


def a_few_days(landing: LocalStorage) -> None:
    """Calls seen by a gateway, an SDK and a log, many around midnights, with cached answers, copies and late ones."""
    chance = random.Random(11)
    for number in range(120):
        midnight = MIDNIGHT + chance.randrange(DAYS - 1) * ONE_DAY
        at = midnight + chance.choice([-1, 1]) * dt.timedelta(seconds=chance.choice([0.01, 1, 4, 300, 5000, 20000]))
        response = f"response-{chance.randrange(90)}"
        events = [
            ("shop", span(number, at, provider_response_id=response)),
            ("gateway", log(number, at + chance.uniform(-4, 4) * SECOND, provider_response_id=response)),
            ("shop", {**span(number, at), "inference_id": f"details-{number}", "logged_by": "log", "latency_ms": None}),
        ]
        events[2][1]["provider_response_id"] = response
        for source, event in chance.sample(events, chance.choice([1, 2, 2, 3])):
            late = chance.choice([HOUR, HOUR, 3 * HOUR, 2 * ONE_DAY])
            writer(landing, source, at + late).append("inferences", [event] * chance.choice([1, 1, 2]))
            if chance.random() < 0.1:
                moved = {**event, "started_at": (at - ONE_DAY).isoformat()}
                writer(landing, source, at + chance.choice([HOUR, ONE_DAY])).append("inferences", [moved])


@pytest.fixture(scope="module")
def few_days(tmp_path_factory) -> Zones:
    zones = open_zones(tmp_path_factory.mktemp("days"))
    a_few_days(zones.landing)
    collect_all(zones, today=END)
    return zones


def test_no_call_is_lost_and_none_counts_twice(few_days: Zones):
    found = rows(few_days, "inferences")
    named = [name for row in found for name in [row["inference_id"], *(row["other_ids"] or [])]]
    landed = {
        event["inference_id"]
        for entry in few_days.landing.list("inferences")
        for event in map(json.loads, few_days.landing.read(entry.path).splitlines())
        if "inference_id" in event
    }
    assert sorted(named) == sorted(landed)
    assert len(rows(few_days, "contents")) == len(found) < len(landed)
    manifests = [lake.manifest(few_days.lake, "inferences", day) for day in lake.days(few_days.lake, "inferences")]
    assert sum(each["reconciled"] for each in manifests) == len(landed) - len(found)
    assert any(each["beside"] for each in manifests), "some calls were seen on two days"
    gateway = [name for name in landed if name.startswith("log-")]
    with_log = [
        row for row in found if any(n.startswith("log-") for n in [row["inference_id"], *(row["other_ids"] or [])])
    ]
    assert len(with_log) == len(gateway), "no two calls of one gateway were taken for one"
    assert all(row["output_tokens"] == 3 for row in with_log)


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_arrival_and_collecting_gives_the_same_lake(few_days, tmp_path, seed):
    chance = random.Random(seed)
    zones = open_zones(tmp_path)
    waiting = [entry.path for entry in few_days.landing.list()]
    chance.shuffle(waiting)
    days = [DAY + number * ONE_DAY for number in range(-1, DAYS + 1)]
    while waiting:
        arriving, waiting = waiting[:40], waiting[40:]
        for path in arriving:
            zones.landing.put(path, few_days.landing.read(path))
        chance.shuffle(days)
        for day in days[: chance.randrange(len(days) + 1)]:
            collect_day(zones, "inferences", day, today=chance.choice([END, day]))
    collect_all(zones, today=END)
    assert contents(zones.lake) == contents(few_days.lake)

"""Values: what was sent arrives typed and whole; a wrong one costs its own event, which is kept as it came."""

from __future__ import annotations

import datetime as dt
import decimal
import json

import pytest

from canonry.collect.partition import collect_day
from canonry.collect.rejected import collect_unreadable
from canonry.storage import Zones
from tests.collect.making import AFTER, DAY, NOON, feedback, ids, inference, rows, writer


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("input_tokens", "many", "input_tokens: 'many' is not a whole number"),
        ("input_tokens", 1.5, "input_tokens: '1.5' is not whole"),
        ("input_tokens", -1, "input_tokens: '-1' is below 0"),
        ("input_tokens", [1], "input_tokens: '[1]' is not a whole number"),
        ("input_tokens", 1e20, "input_tokens: '1e+20' is not a whole number"),
        ("latency_ms", "NaN", "latency_ms: 'NaN' is not a number"),
        ("latency_ms", "inf", "latency_ms: 'inf' is not a number"),
        ("latency_ms", {"ms": 5}, """latency_ms: '{"ms":5}' is not a number"""),
        ("cache_hit", "perhaps", "cache_hit: 'perhaps' is not true or false"),
        ("retrieved", "all", "retrieved: is not a list of chunk_id, score, text"),
        ("product", None, "product: missing"),
        ("team", "", "team: missing"),
    ],
)
def test_a_wrong_value_costs_its_own_row_which_is_kept_as_it_came(zones: Zones, field, value, reason):
    writer(zones.landing).append("inferences", [inference(1), inference(2, **{field: value}), inference(3)])
    report = collect_day(zones, "inferences", DAY, today=AFTER)
    assert (report.rows, report.rejected) == (2, 1)
    (row,) = rows(zones, "rejected", DAY)
    assert (row["reason"], row["event_id"], row["kind"]) == (reason, "call-0002", "inferences")
    assert json.loads(row["raw"])[field] == value


def test_a_value_that_its_signal_cannot_have_is_rejected_with_what_it_can(zones: Zones):
    halves = [feedback(number, signal=name, value=0.5) for number, name in enumerate(["thumb", "rating", "Relevance"])]
    writer(zones.landing).append("feedback", halves)
    collect_day(zones, "feedback", DAY, today=AFTER)
    assert ids(zones, "feedback", DAY) == ["thumb-0001", "thumb-0002"]
    (row,) = rows(zones, "rejected", DAY)
    assert row["reason"] == "value: '0.5' is not -1 or 1, as thumb needs"


@pytest.mark.parametrize(
    ("field", "value"), [("origin", "robot"), ("value", 1.5), ("value", -2), ("given_at", None), ("signal", "")]
)
def test_feedback_out_of_bounds_is_rejected(zones: Zones, field, value):
    receipt = writer(zones.landing).append("feedback", [feedback(1), feedback(2, **{field: value})])
    collect_day(zones, "feedback", DAY, today=AFTER)
    collect_unreadable(zones, DAY)
    assert ids(zones, "feedback", DAY) == ["thumb-0001"]
    (row,) = rows(zones, "rejected", DAY)
    assert row["reason"].startswith(f"{field}: ")
    assert len(receipt.unreadable) == (field == "given_at")


def test_unknown_fields_are_kept_in_attributes_and_nothing_of_them_is_lost(zones: Zones):
    writer(zones.landing).append(
        "inferences",
        [
            inference(1, colour="red", digest="mine", batch={"bytes": 1}, attributes={"own": 1}),
            inference(2, colour="red", attributes=["a list"]),
            inference(3, colour="red", attributes={"colour": "blue"}),
            inference(4, attributes={"own": 1}),
            inference(5, attributes=None, reason="why", segment="s", source="elsewhere"),
        ],
    )
    collect_day(zones, "inferences", DAY, today=AFTER)
    assert [json.loads(row["attributes"]) for row in rows(zones, "inferences", DAY)] == [
        {"own": 1, "colour": "red", "digest": "mine", "batch": {"bytes": 1}},
        {"colour": "red", "attributes": ["a list"]},
        {"colour": "red", "attributes": {"colour": "blue"}},
        {"own": 1},
        {"reason": "why", "segment": "s", "source": "elsewhere"},
    ]
    assert {row["source"] for row in rows(zones, "inferences", DAY)} == {"shop"}


def test_values_arrive_as_they_were_sent(zones: Zones):
    sent = inference(
        1,
        started_at="2026-03-10T23:30:00.123456-05:00",
        latency_ms=decimal.Decimal("12.5"),
        input_tokens="7",
        cache_hit=True,
        product='it\'s "quoted"\n\0ünï',
        parameters={"temperature": 0.5, "stop": ["\n"]},
        retrieved=[{"chunk_id": "c1", "score": 0.5, "text": "words", "more": 1}, {"chunk_id": "c2"}],
        input_messages=[],
    )
    writer(zones.landing, at=dt.datetime(2026, 3, 11, 5)).append("inferences", [sent])
    collect_day(zones, "inferences", AFTER, today=dt.date(2026, 3, 12))
    (fact,), (text,) = rows(zones, "inferences"), rows(zones, "contents")
    assert fact["started_at"] == dt.datetime(2026, 3, 11, 4, 30, 0, 123456)
    assert (fact["latency_ms"], fact["input_tokens"], fact["cache_hit"]) == (12.5, 7, True)
    assert fact["product"] == sent["product"]
    assert json.loads(fact["parameters"]) == sent["parameters"]
    assert fact["feature"] is None and fact["attributes"] is None
    assert text["retrieved"] == [
        {"chunk_id": "c1", "score": 0.5, "text": "words"},
        {"chunk_id": "c2", "score": None, "text": None},
    ]
    assert (text["input_messages"], text["inference_id"]) == ("[]", "call-0001")


def test_every_time_is_brought_to_utc(zones: Zones):
    annotation = {"annotation_id": "a", "scheme": "s", "item_id": "i", "created_at": NOON.isoformat()}
    later = {"updated_at": "2026-03-10T15:00:00+02:00", "deleted_at": "2026-03-10T13:00:00Z"}
    wrong = {**annotation, "annotation_id": "b", "updated_at": "infinity"}
    writer(zones.landing).append("annotations", [{**annotation, **later}, wrong])
    collect_day(zones, "annotations", DAY, today=AFTER)
    (row,) = rows(zones, "annotations")
    assert row["updated_at"] == row["deleted_at"] == dt.datetime(2026, 3, 10, 13)
    assert rows(zones, "rejected")[0]["reason"] == "updated_at: 'infinity' is not a time"

"""The door finds in an event what collect would find: held to collect itself, on real DuckDB."""

from __future__ import annotations

import copy

import pytest

from canonry.collect.partition import collect_day
from canonry.service.fields import checker
from tests.collect.making import AFTER, DAY, feedback, ids, inference, writer

INFERENCES = [
    {},
    {"input_tokens": 5},
    {"input_tokens": 5.0},
    {"input_tokens": "5"},
    {"input_tokens": 5.5},
    {"input_tokens": "5.5"},
    {"input_tokens": "five"},
    {"input_tokens": True},
    {"input_tokens": -1},
    {"input_tokens": 10**13},
    {"input_tokens": 10**30},
    {"input_tokens": None},
    {"input_tokens": [5]},
    {"latency_ms": 1},
    {"latency_ms": "1e3"},
    {"latency_ms": "NaN"},
    {"latency_ms": "inf"},
    {"latency_ms": -0.5},
    {"latency_ms": {"ms": 1}},
    {"cache_hit": True},
    {"cache_hit": "false"},
    {"cache_hit": 1},
    {"cache_hit": "maybe"},
    {"cache_hit": []},
    {"product": None},
    {"product": ""},
    {"product": 7},
    {"feature": 7},
    {"feature": {"a": 1}},
    {"parameters": "anything"},
    {"input_messages": 5},
    {"retrieved": []},
    {"retrieved": [{"chunk_id": "a", "score": 0.5, "text": "t"}]},
    {"retrieved": [{"chunk_id": "a"}]},
    {"retrieved": [{"chunk_id": "a", "score": "0.5", "more": 1}]},
    {"retrieved": [{"chunk_id": "a", "score": "high"}]},
    {"retrieved": ["a"]},
    {"retrieved": "a"},
    {"retrieved": {"chunk_id": "a"}},
    {"retrieved": None},
    {"unknown": -5},
]
FEEDBACK = [
    {},
    {"value": -1},
    {"value": 1.5},
    {"value": "-0.5"},
    {"value": "up"},
    {"origin": "somebody"},
    {"origin": ["user"]},
    {"origin": None},
    {"signal": ""},
    {"signal": 3},
    {"signal": ["thumb"], "value": 0.5},
    {"signal": "thumb", "value": 0.5},
    {"signal": "thumb", "value": "0.5"},
    {"signal": "thumb", "value": "1.0"},
    {"signal": "thumb", "value": 0},
    {"signal": "thumb", "value": None},
    {"signal": "rating", "value": 0.5},
    {"signal": "copied", "value": -1},
    {"signal": "copied", "value": 1},
    {"signal": "copied", "value": None},
    {"signal": "retry", "value": 1},
    {"signal": "accepted", "value": 0},
    {"signal": "edit_distance", "value": 0.25},
    {"signal": "Relevance", "value": 0.25},
]


@pytest.mark.parametrize(
    ("kind", "event", "changes"), [("inferences", inference, INFERENCES), ("feedback", feedback, FEEDBACK)]
)
def test_the_door_and_collect_find_the_same_events_wrong(zones, kind, event, changes):
    events = [event(number) | changed for number, changed in enumerate(changes)]
    check = checker(kind, "sales")
    found = {number: check(copy.deepcopy(each)) for number, each in enumerate(events)}
    writer(zones.landing).append(kind, events)
    collect_day(zones, kind, DAY, today=AFTER)
    taken = {int(identifier.rpartition("-")[2]) for identifier in ids(zones, kind)}
    judged = {number for number, reason in found.items() if reason is None}
    assert [changes[number] for number in sorted(taken ^ judged)] == []


def test_a_value_that_a_signal_cannot_have_is_told_with_those_it_can():
    check = checker("feedback", "sales")
    assert check(feedback(1, signal="thumb", value=0.5)) == "value: is not -1 or 1, as thumb needs"
    assert check(feedback(1, signal="copied", value=0)) == "value: is not 1, as copied needs"
    assert check(feedback(1, signal="a signal of one's own", value=0.5)) is None


def test_a_reason_names_the_field_and_never_the_value():
    check = checker("inferences", "sales")
    secret = "4111 1111 1111 1111"
    for field in ("input_tokens", "latency_ms", "cache_hit", "retrieved", "team"):
        reason = check(inference(1) | {field: secret})
        assert reason.startswith(f"{field}: ")
        assert secret not in reason
    assert check(inference(1, team="sales", product="")) == "product: missing"
    assert (
        checker("annotations", "sales")({"scheme": "s", "item_id": "i", "updated_at": "never"})
        == "updated_at: text is not an ISO 8601 time"
    )

"""Asked again: by the same session, soon, and in nearly the same words."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pyarrow as pa
import pytest

from canonry import lake
from canonry.evaluate.retries import retries, write_retries
from canonry.storage import Zones

NOON = dt.datetime(2026, 11, 28, 12)
QUESTION = "How do I reset the device?"


def call(name: str, after_s: float = 0, question: str = QUESTION, **other: Any) -> dict[str, Any]:
    at = NOON + dt.timedelta(seconds=after_s)
    said = json.dumps([{"role": "user", "content": question}])
    common = {"trace_id": f"trace-{name}", "session_id": "s", "user_hash": "u", "product": "p", "latency_ms": 1000.0}
    return {"inference_id": name, "started_at": at, "input_messages": said, **common, **other}


def asked_again(*calls: dict[str, Any]) -> dict[str, str | None]:
    return {row["inference_id"]: row.get("asked_again_by") for row in retries(list(calls))}


@pytest.mark.parametrize("question", [QUESTION, "  how do i RESET\nthe device? ", "How do I reset my device?"])
def test_nearly_the_same_question_soon_after_is_a_retry(question):
    assert asked_again(call("b", 60, question), call("a")) == {"a": "b", "b": None}


@pytest.mark.parametrize(
    "later",
    [
        {"question": "Where is the manual of the printer?"},
        {"question": QUESTION + " I have tried the red button and then the green one."},
        {"after_s": 602},
        {"session_id": "another"},
        {"product": "another"},
        {"trace_id": "trace-a"},
    ],
)
def test_another_question_later_of_somebody_else_or_of_one_trace_is_none(later):
    found = asked_again(call("a"), call("b", **{"after_s": 60, **later}))
    assert set(found.values()) == {None}


def test_ten_minutes_count_from_the_end_of_the_answer():
    assert asked_again(call("a", latency_ms=5000.0), call("b", 604))["a"] == "b"


def test_of_a_trace_its_last_answer_was_asked_again():
    steps = [call("a"), call("tool", 5, trace_id="trace-a"), call("b", 60)]
    assert asked_again(*steps) == {"tool": "b", "b": None}


def test_a_question_between_makes_it_no_retry():
    assert asked_again(call("a"), call("b", 30, "Where is the manual?"), call("c", 60))["a"] is None


def test_without_a_session_the_user_is_the_asker_and_without_both_nothing_is_known():
    alone = {"session_id": None}
    assert asked_again(call("a", **alone), call("b", 60, **alone)) == {"a": "b", "b": None}
    assert asked_again(call("a", **alone, user_hash=None)) == {}
    assert asked_again(call("a", input_messages=None)) == {}


def test_an_answer_before_midnight_can_be_asked_again_after_it(zones: Zones):
    late = dt.datetime(2026, 11, 28, 23, 59)
    calls = [call("a", started_at=late), call("b", started_at=late + dt.timedelta(minutes=3))]
    calls.append(call("failed", started_at=late + dt.timedelta(seconds=20), error_type="timeout"))
    for each in calls:
        each["operation"] = "chat"
    days = sorted({each["started_at"].date() for each in calls})
    for day in days:
        of_day = [each for each in calls if each["started_at"].date() == day]
        for kind in ("inferences", "contents"):
            lake.write(zones.lake, kind, day, pa.Table.from_pylist(of_day, lake.SCHEMAS[kind]), {})
    assert write_retries(zones.lake, days[0])
    assert not write_retries(zones.lake, days[0])
    (row,) = lake.read(zones.lake, "retries", [days[0]]).to_pylist()
    assert (row["inference_id"], row["asked_again_by"], row["waited_s"]) == ("a", "b", 179)

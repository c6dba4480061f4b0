"""Traffic: what products send is valid, broken where it is meant to be, marked as simulated, and sent once."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from canonry import lake
from canonry.collect.partition import collect_day
from canonry.collect.rejected import collect_unreadable
from canonry.demo import traffic
from canonry.demo.assistant import Assistant
from canonry.demo.products import DAYS, PlannedCall, plan_day
from canonry.demo.questions import Question
from canonry.events import EVENT_TYPES
from canonry.storage import Zones, open_zones

TODAY = dt.date(2026, 11, 30)
MISHAPS = DAYS[2:5]
"""Days on which clients were broken in three ways."""


def test_all_that_is_sent_is_taken_or_rejected_for_the_reason_it_was_broken(
    zones: Zones, stand_in: Any, some_questions: list[Question]
) -> None:
    sent = traffic.play(zones, stand_in, some_questions, MISHAPS)
    _collect(zones)
    planned = {call.span_id for call in _planned(some_questions)}
    taken = {row["inference_id"] for row in _rows(zones, "inferences")}
    rejected = lake.read(zones.lake, "rejected", lake.days(zones.lake, "rejected"), ["kind", "reason"]).to_pylist()
    assert taken < planned
    assert len(rejected) == len(planned - taken)
    assert {row["kind"] for row in rejected} == {"inferences"}
    reasons = Counter(row["reason"].split(" ")[0] + " " + row["reason"].split(" ")[-1] for row in rejected)
    assert set(reasons) == {"product: missing", "started_at: time", "started_at: (CANONRY_FIRST_DAY)"}
    assert sum(day.unreadable for day in sent) == len(rejected) - reasons["product: missing"]


def test_events_use_only_fields_of_the_platform(zones: Zones, stand_in: Any, some_questions: list[Question]) -> None:
    traffic.play(zones, stand_in, some_questions, DAYS[6:7])
    for line in _outbox(zones, DAYS[6]):
        assert set(line["event"]) <= EVENT_TYPES[line["kind"]].field_names


def test_some_events_are_sent_twice_and_counted_once(
    zones: Zones, stand_in: Any, some_questions: list[Question]
) -> None:
    traffic.play(zones, stand_in, some_questions, MISHAPS)
    sent = [line["event"] for day in MISHAPS for line in _outbox(zones, day) if line["kind"] == "inferences"]
    reports = [collect_day(zones, "inferences", day, today=TODAY) for day in MISHAPS]
    assert len(sent) > len(_planned(some_questions))
    assert sum(report.duplicates for report in reports) == len(sent) - len(_planned(some_questions))


def test_what_is_simulated_says_so(zones: Zones, stand_in: Any, some_questions: list[Question]) -> None:
    traffic.play(zones, stand_in, some_questions, DAYS[6:7])
    _collect(zones, DAYS[6:7])
    known = {each.document_id for each in some_questions}
    for row in _rows(zones, "inferences"):
        attributes = json.loads(row["attributes"])
        assert {"started_at", "session_id", "user_hash"} <= set(attributes["simulated"])
        assert attributes["simulation"]["asked_about"] in known
    thumbs = _rows(zones, "feedback")
    assert thumbs
    assert all(json.loads(row["attributes"])["simulated"] is True for row in thumbs)


def test_the_platform_receives_on_the_simulated_day_and_some_thumbs_come_late(
    zones: Zones, stand_in: Any, some_questions: list[Question]
) -> None:
    traffic.play(zones, stand_in, some_questions, MISHAPS)
    _collect(zones, DAYS)
    for row in _rows(zones, "inferences"):
        assert dt.timedelta(0) < row["received_at"] - row["started_at"] < dt.timedelta(minutes=16)
    days = {row["inference_id"] or row["trace_id"]: row["given_at"].date() for row in _rows(zones, "feedback")}
    asked = {each: call.asked_at.date() for call in _planned(some_questions) for each in (call.span_id, call.trace_id)}
    late = [identifier for identifier, day in days.items() if day > asked[identifier]]
    assert 0 < len(late) < len(days) / 4


def test_unhappy_thumbs_follow_unsupported_answers(zones: Zones, stand_in: Any, some_questions: list[Question]) -> None:
    traffic.play(zones, stand_in, some_questions, DAYS[9:12])
    _collect(zones, DAYS)
    supported = {
        key: json.loads(row["attributes"])["quoted_document"]
        == json.loads(row["attributes"])["simulation"]["asked_about"]
        for row in _rows(zones, "inferences")
        for key in (row["inference_id"], row["trace_id"])
    }
    thumbs = [(supported.get(row["inference_id"] or row["trace_id"]), row["value"]) for row in _rows(zones, "feedback")]
    agreeing = [value == (1 if good else -1) for good, value in thumbs if good is not None]
    assert 0.7 < sum(agreeing) / len(agreeing) < 0.97


def test_a_second_run_sends_nothing(zones: Zones, stand_in: Any, some_questions: list[Question]) -> None:
    assert len(traffic.play(zones, stand_in, some_questions, DAYS[5:7])) == 2
    before = sorted(zones.landing.list())
    assert traffic.play(zones, stand_in, some_questions, DAYS[5:7]) == []
    assert sorted(zones.landing.list()) == before
    assert traffic.pending_days(zones, DAYS[4:7]) == [DAYS[4]]


def test_a_run_that_was_stopped_while_sending_ends_like_one_that_was_not(
    zones: Zones, stand_in: Any, some_questions: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = open_zones(tmp_path / "stopped")
    lake.ensure_anchors(stopped.lake)
    append, left = traffic.LandingWriter.append, 7

    def fails_soon(self: Any, kind: str, events: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError("stopped")
        return append(self, kind, events)

    with monkeypatch.context() as patch:
        patch.setattr(traffic.LandingWriter, "append", fails_soon)
        with pytest.raises(OSError, match="stopped"):
            traffic.play(stopped, stand_in, some_questions, DAYS[6:7])
    assert traffic.pending_days(stopped, DAYS[6:7]) == [DAYS[6]]
    for each in (stopped, zones):
        traffic.play(each, stand_in, some_questions, DAYS[6:7])
        _collect(each, DAYS[6:7])
    for kind in ("inferences", "contents", "steps", "feedback"):
        assert _rows(stopped, kind) == _rows(zones, kind)


def test_the_real_assistant_logs_what_it_used(product_home: Zones, some_questions: list[Question]) -> None:
    assistant = Assistant(product_home.home)
    traffic.play(product_home, assistant, some_questions, DAYS[13:])
    _collect(product_home, DAYS[13:])
    calls = _rows(product_home, "inferences")
    answered = [row for row in calls if not row["cache_hit"] and not row["error_type"]]
    steps = {row["parent_id"]: row for row in _rows(product_home, "steps")}
    assert len(answered) > 40
    for row in answered:
        assert row["index_version"] == assistant.index.version
        assert row["prompt_version"] == assistant.prompt.version
        assert row["input_tokens"] > row["output_tokens"] > 0
        assert 0 < steps[row["inference_id"]]["latency_ms"] <= row["latency_ms"]
    contents = {row["inference_id"]: row for row in _rows(product_home, "contents")}
    assert all(len(contents[row["inference_id"]]["retrieved"]) == 5 for row in answered)
    assert any(row["cache_hit"] for row in calls if row["product"] == "docs-site")
    assert not any(row["cache_hit"] for row in calls if row["product"] != "docs-site")


def _planned(questions: list[Question]) -> list[PlannedCall]:
    return [call for day in MISHAPS for call in plan_day(day, questions)]


def _outbox(zones: Zones, day: dt.date) -> list[dict[str, Any]]:
    return [json.loads(line) for line in zones.exchange.read(f"{traffic.OUTBOX}/{day}.jsonl").splitlines()]


def _collect(zones: Zones, days: tuple[dt.date, ...] = MISHAPS) -> None:
    for kind in ("inferences", "steps", "feedback"):
        for day in days:
            collect_day(zones, kind, day, today=TODAY)
    for day in days:
        collect_unreadable(zones, day)


def _rows(zones: Zones, kind: str) -> list[dict[str, Any]]:
    rows = lake.read(zones.lake, kind, lake.days(zones.lake, kind)).to_pylist()
    return sorted(rows, key=lambda row: str(next(iter(row.values()))))

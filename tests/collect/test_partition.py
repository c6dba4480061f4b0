"""A day's partition: typed, without copies, a function of what landed and of nothing else."""

from __future__ import annotations

import datetime as dt

import pytest

from canonry import lake
from canonry.collect.news import days_to_collect, days_to_recompute
from canonry.collect.partition import collect_day
from canonry.collect.rejected import collect_unreadable
from canonry.collect.validate import CollectError
from canonry.landing import list_segments
from canonry.storage import Zones, open_zones
from tests.collect.making import (
    AFTER,
    DAY,
    NOON,
    collect_all,
    contents,
    feedback,
    ids,
    inference,
    rows,
    settle_outcomes,
    writer,
)

HOUR = dt.timedelta(hours=1)
ONE_DAY = dt.timedelta(days=1)


def land(zones: Zones, *events: dict, at: dt.datetime = NOON, kind: str = "inferences") -> None:
    writer(zones.landing, at=at).append(kind, events)


def test_the_first_received_counts_then_the_smallest_digest(zones: Zones):
    land(zones, inference(1, feature="late"), at=NOON + HOUR)
    land(zones, inference(1, feature="early"), inference(2))
    land(zones, inference(1, feature="later"), at=NOON + 2 * HOUR)
    land(zones, inference(1, feature="early"), at=NOON + 3 * HOUR)
    for word in ("a", "b", "c", "d"):
        land(zones, inference(3, feature=word))
    report = collect_day(zones, "inferences", DAY, today=AFTER)
    found = {row["inference_id"]: row for row in rows(zones, "inferences", DAY)}
    assert (report.rows, report.duplicates, report.rejected) == (3, 1, 5)
    assert found["call-0001"]["feature"] == "early"
    others = [row["digest"] for row in rows(zones, "rejected", DAY) if row["event_id"] == "call-0003"]
    assert found["call-0003"]["digest"] < min(others)
    assert {row["reason"] for row in rows(zones, "rejected", DAY)} == {
        "inference_id: another event with this id was received first"
    }
    assert all(row["raw"] for row in rows(zones, "rejected", DAY))


def test_feedback_that_came_before_keys_said_its_team_has_none(zones: Zones):
    land(zones, feedback(1), feedback(2, team="sales"), kind="feedback")
    collect_day(zones, "feedback", DAY, today=AFTER)
    found = {row["feedback_id"]: (row["team"], row["attributes"]) for row in rows(zones, "feedback", DAY)}
    assert found == {"thumb-0001": (None, None), "thumb-0002": ("sales", None)}
    assert rows(zones, "rejected", DAY) == []


def test_within_the_day_each_run_adds_what_came_and_the_end_is_as_if_made_whole(tmp_path):
    pieces = [[inference(number), inference(number + 1), inference(20, feature=str(number))] for number in range(4)]
    hourly, whole = open_zones(tmp_path / "hourly"), open_zones(tmp_path / "whole")
    for number, piece in enumerate(pieces):
        writer(hourly.landing, at=NOON + number * HOUR).append("inferences", [*piece, b"bad"])
        report = collect_day(hourly, "inferences", DAY, today=DAY)
        assert report.rows == len(ids(hourly, "inferences", DAY)) == number + 3
        assert len(list(hourly.lake.list(f"inferences/day={DAY}"))) == number + 2
        assert not collect_day(hourly, "inferences", DAY, today=DAY).changed
        assert days_to_collect(hourly, today=DAY).keys() == {DAY}  # the unreadable ones
        collect_unreadable(hourly, DAY)
        assert days_to_collect(hourly, today=DAY) == {}
    for entry in hourly.landing.list():
        whole.landing.put(entry.path, hourly.landing.read(entry.path))
    assert days_to_collect(hourly, today=AFTER) == {DAY: "inferences: the day is over"}
    collect_unreadable(whole, DAY)
    for each in (hourly, whole):
        collect_day(each, "inferences", DAY, today=AFTER)
        assert days_to_collect(each, today=AFTER) == {}
    assert contents(hourly.lake) == contents(whole.lake)
    assert len(list(hourly.lake.list(f"contents/day={DAY}"))) == 2


def test_a_segment_that_grows_is_read_from_where_it_was(zones: Zones):
    writing = writer(zones.landing)
    for number in range(3):
        writing.append("inferences", [inference(number)])
        collect_day(zones, "inferences", DAY, today=DAY)
    assert len(list(list_segments(zones.landing, "inferences"))) == 1
    assert sorted(ids(zones, "inferences", DAY)) == ["call-0000", "call-0001", "call-0002"]
    assert len(list(zones.lake.list(f"keys/inferences/day={DAY}"))) == 3


def test_a_copy_that_counts_more_arriving_later_within_the_day_takes_its_place(zones: Zones):
    land(zones, inference(1, feature="second"), inference(2), at=NOON + HOUR)
    collect_day(zones, "inferences", DAY, today=DAY)
    land(zones, inference(1, feature="first"), inference(3), at=NOON)
    report = collect_day(zones, "inferences", DAY, today=DAY)
    assert (report.rows, report.rejected) == (3, 1)
    assert [row["feature"] for row in rows(zones, "inferences", DAY)] == ["first", None, None]


def test_a_segment_that_was_cut_is_refused_and_what_stands_stands(zones: Zones):
    land(zones, inference(1))
    land(zones, inference(2), at=NOON + HOUR)
    for today in (DAY, AFTER):
        collect_day(zones, "inferences", DAY, today=today)
        before = contents(zones.lake)
        segment = next(iter(list_segments(zones.landing, "inferences")))
        whole = zones.landing.read(segment.path)
        for left in (whole[:-1], whole[: len(whole) // 2], b""):
            zones.landing.put(segment.path, left)
            assert DAY in days_to_collect(zones, today=today)
            with pytest.raises(CollectError, match=f"{segment.path}: {len(whole)} bytes were collected before and "):
                collect_day(zones, "inferences", DAY, today=today)
            assert contents(zones.lake) == before
        zones.landing.delete(segment.path)
        land(zones, inference(3), at=NOON + 2 * HOUR)
        with pytest.raises(CollectError, match="restore the file from a backup"):
            collect_day(zones, "inferences", DAY, today=today)
        assert contents(zones.lake) == before
        zones.landing.put(segment.path, whole)


def test_a_damaged_batch_is_kept_and_costs_no_other(zones: Zones):
    writing = writer(zones.landing)
    for number in range(3):
        writing.append("inferences", [inference(number)])
    (segment,) = list_segments(zones.landing, "inferences")
    data = bytearray(zones.landing.read(segment.path))
    data[data.index(b"answer 1")] = 0xFF
    zones.landing.put(segment.path, bytes(data) + b'{"batch":{"bytes":100,"crc32":1}}\n{"torn":')
    report = collect_day(zones, "inferences", DAY, today=DAY)
    assert (report.rows, report.rejected) == (2, 1)
    report = collect_day(zones, "inferences", DAY, today=AFTER)
    assert ids(zones, "inferences", DAY) == ["call-0000", "call-0002"]
    damaged, *torn = rows(zones, "rejected", DAY)
    assert damaged["reason"].startswith("damaged batch") and b"\xffnswer 1" in damaged["raw"]
    assert {row["reason"].partition(":")[0] for row in torn} == {"torn end"}
    assert b"\n".join(row["raw"] for row in torn) == b'{"batch":{"bytes":100,"crc32":1}}\n{"torn":'


def test_a_foreign_file_is_reported_with_its_bytes_and_harms_nothing(zones: Zones):
    land(zones, inference(1))
    zones.landing.put(f"inferences/received={DAY}/export.csv", b"a,b\n1,2\n")
    zones.landing.put("stray.bin", b"\xff" * 100)
    zones.landing.put("inferences/received=never/x", b"")
    collect_all(zones, today=AFTER)
    assert ids(zones, "inferences") == ["call-0001"]
    (row,) = rows(zones, "rejected", DAY)
    assert (row["reason"].partition(":")[0], row["raw"]) == ("foreign file", b"a,b\n1,2\n")
    first = dt.date(2026, 1, 1)
    assert {(row["kind"], row["raw"]) for row in rows(zones, "rejected", first)} == {
        ("unknown", b"\xff" * 100),
        ("inferences", b""),
    }
    assert days_to_collect(zones, today=AFTER) == {}


def test_feedback_tells_the_day_of_what_it_is_about(zones: Zones):
    for day in range(3):
        land(zones, inference(day, at=NOON + day * ONE_DAY), at=NOON + day * ONE_DAY)
        collect_day(zones, "inferences", DAY + day * ONE_DAY, today=DAY + day * ONE_DAY)
        assert days_to_recompute(zones) == [DAY + day * ONE_DAY]
        settle_outcomes(zones, DAY + day * ONE_DAY)
    later = NOON + 5 * ONE_DAY
    by_trace = feedback(8, at=later, inference_id=None, trace_id="trace-0002")
    about_nothing = feedback(9, at=later, inference_id="never-logged")
    land(zones, feedback(0, at=later), by_trace, about_nothing, at=later, kind="feedback")
    collect_day(zones, "feedback", DAY + 5 * ONE_DAY, today=DAY + 5 * ONE_DAY)
    assert days_to_recompute(zones) == [DAY, DAY + 2 * ONE_DAY]


def test_feedback_on_a_call_nobody_logged_restates_the_days_of_its_trace_and_on_a_known_one_that_calls_alone(
    zones: Zones,
):
    for day in range(2):
        at = NOON + day * ONE_DAY
        land(zones, inference(day, at=at, trace_id="conversation"), at=at)
    later = NOON + 3 * ONE_DAY
    collect_all(zones, today=later.date() + 2 * ONE_DAY)
    found = []
    for number, name in enumerate(("call-0001", "a span that is no call")):
        said = feedback(number, at=later, inference_id=name, trace_id="conversation")
        land(zones, said, at=later, kind="feedback")
        collect_day(zones, "feedback", later.date(), today=later.date())
        found.append(days_to_recompute(zones))
        for day in found[-1]:
            settle_outcomes(zones, day)
    assert found == [[DAY + ONE_DAY], [DAY, DAY + ONE_DAY]]


def test_a_day_without_events_is_nothing(zones: Zones):
    report = collect_day(zones, "inferences", DAY, today=AFTER)
    assert (report.rows, report.changed) == (0, False)
    assert lake.days(zones.lake, "inferences") == []
    assert not collect_unreadable(zones, DAY).changed


def test_a_day_of_wrong_events_alone_is_a_day_without_rows(zones: Zones):
    land(zones, inference(1, product=None))
    report = collect_day(zones, "inferences", DAY, today=AFTER)
    assert (report.rows, report.rejected) == (0, 1)
    assert rows(zones, "inferences", DAY) == rows(zones, "contents", DAY) == []
    assert not collect_day(zones, "inferences", DAY, today=AFTER).changed


def test_a_home_with_wildcards_and_quotes_in_its_name_is_a_plain_folder(tmp_path):
    zones = open_zones(tmp_path / "it's [a]*home? {x}")
    land(zones, inference(1))
    land(zones, inference(1, at=NOON - ONE_DAY))
    land(zones, feedback(1), kind="feedback")
    for day in (DAY - ONE_DAY, DAY):
        collect_day(zones, "inferences", day, today=AFTER)
    collect_day(zones, "feedback", DAY, today=AFTER)
    collect_all(zones, today=AFTER)
    assert ids(zones, "inferences") == ["call-0001"]


def test_what_a_step_retrieved_lies_apart_from_its_facts(zones: Zones):
    retrieved = [{"chunk_id": "c1", "score": 0.5, "text": "a passage"}]
    step = {
        "step_id": "s1",
        "trace_id": "t1",
        "started_at": NOON.isoformat(),
        "product": "shop",
        "operation": "retriever",
    }
    land(
        zones, {**step, "query": "why?", "retrieved": retrieved}, {**step, "step_id": "s2", "query": "?"}, kind="steps"
    )
    land(zones, {**step, "step_id": "s3", "retrieved": "no list"}, kind="steps")
    for today in (DAY, AFTER):
        report = collect_day(zones, "steps", DAY, today=today)
        assert (report.rows, report.rejected) == (2, 1)
        assert ids(zones, "steps", DAY) == ["s1", "s2"]
        assert not {"query", "retrieved", "result"} & rows(zones, "steps", DAY)[0].keys()
        assert rows(zones, "step_contents", DAY) == [
            {"step_id": "s1", "query": "why?", "retrieved": retrieved, "result": None},
            {"step_id": "s2", "query": "?", "retrieved": None, "result": None},
        ]
    assert len(list(zones.lake.list(f"step_contents/day={DAY}"))) == 2

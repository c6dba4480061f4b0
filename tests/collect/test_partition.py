"""A day's partition: typed, without copies, a function of what landed and of nothing else."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pytest

from canonry import lake
from canonry.collect import news
from canonry.collect.news import days_to_collect, days_to_recompute
from canonry.collect.partition import collect_day
from canonry.collect.rejected import collect_unreadable
from canonry.collect.validate import CollectError, engine
from canonry.landing import list_segments
from canonry.storage import LocalStorage, Zones, open_zones
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


@contextmanager
def engine_of(threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    with engine() as connection:
        connection.execute(f"SET threads = {threads}")
        yield connection


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_running_again_gives_the_same_bytes_on_any_number_of_threads(tmp_path, monkeypatch, threads):
    monkeypatch.setattr("canonry.collect.parts.ROWS_PER_GROUP", 100)
    monkeypatch.setattr("canonry.landing._writer.MAX_SEGMENT_BYTES", 20_000)
    home = open_zones(tmp_path / "home")
    writing, order = writer(home.landing), list(range(700))
    random.Random(1).shuffle(order)
    for start in range(0, 700, 50):
        writing.append("inferences", [inference(number) for number in order[start : start + 50]])
    writing.append(
        "inferences", [inference(number, at=NOON, started_at=NOON.isoformat()) for number in range(800, 1050)]
    )
    collect_day(home, "inferences", DAY, today=AFTER)
    before = contents(home.lake)
    times = [(row["started_at"], row["inference_id"]) for row in rows(home, "inferences", DAY)]
    assert times == sorted(times) and len(times) == 950
    assert [row["inference_id"] for row in rows(home, "contents", DAY)] == [identifier for _, identifier in times]
    monkeypatch.setattr("canonry.collect.partition.engine", lambda: engine_of(threads))
    for entry in list(home.lake.list()):
        home.lake.delete(entry.path)
    collect_day(home, "inferences", DAY, today=AFTER)
    assert contents(home.lake) == before


def test_one_id_on_two_days_counts_once_whichever_day_is_collected_first(tmp_path):
    lakes = []
    for order in itertools.permutations([DAY, DAY + ONE_DAY, DAY + 2 * ONE_DAY]):
        zones = open_zones(tmp_path / "-".join(str(day.day) for day in order))
        source = tmp_path / "landing"
        if not source.exists():
            for day in range(3):
                at = NOON + day * ONE_DAY
                land_at = NOON + (5 - day) * ONE_DAY  # the last day's copy was received first
                writer(LocalStorage(source), at=land_at).append(
                    "inferences", [inference(1, at=at), inference(10 + day, at=at)]
                )
        for entry in LocalStorage(source).list():
            zones.landing.put(entry.path, LocalStorage(source).read(entry.path))
        today = DAY + 9 * ONE_DAY
        for day in order:
            collect_day(zones, "inferences", day, today=today)
        collect_all(zones, today=today)
        assert ids(zones, "inferences", DAY) == ["call-0010"]
        assert ids(zones, "inferences", DAY + 2 * ONE_DAY) == ["call-0001", "call-0012"]
        assert sorted(ids(zones, "inferences")) == ["call-0001", "call-0010", "call-0011", "call-0012"]
        lakes.append(contents(zones.lake))
    assert all(each == lakes[0] for each in lakes)


FIRST = dt.date(2026, 3, 1)
DAYS = 30
END = FIRST + dt.timedelta(days=DAYS + 3)


def a_month(landing: LocalStorage) -> None:
    """Thirty days of small batches: copies, copies that differ, late ones, other days' ids, wrong and poison ones."""
    chance = random.Random(7)
    writers = {}
    for number in range(DAYS * 4):
        day = dt.datetime.combine(FIRST, dt.time(9)) + number // 4 * ONE_DAY
        batch = [inference(number * 5 + line, at=day) for line in range(4)]
        if chance.random() < 0.4:
            batch.append(inference(chance.randrange(number * 5 + 1), at=day, feature="other day or copy"))
        if chance.random() < 0.2:
            batch += [batch[0], inference(number * 5 + 1, at=day, feature="differs")]
        if chance.random() < 0.1:
            batch += [inference(9999, at=day, input_tokens="many"), b"poison", inference(1, started_at="1970-01-01")]
        received = day + chance.choice([HOUR, HOUR, 20 * HOUR, 2 * ONE_DAY])
        source = chance.choice(["shop", "desk"])
        writing = writers.setdefault((source, received), writer(landing, source, received))
        writing.append("inferences", batch)
        thumbs = [feedback(chance.randrange(number * 5 + 4), at=received, feedback_id=f"thumb-{number // 2}")]
        writing.append("feedback", thumbs)


@pytest.fixture(scope="module")
def month(tmp_path_factory) -> Zones:
    """The month, collected once, in order, at the end."""
    zones = open_zones(tmp_path_factory.mktemp("month"))
    a_month(zones.landing)
    collect_all(zones, today=END)
    return zones


def test_the_month_holds_what_it_should(month: Zones):
    found = ids(month, "inferences")
    assert len(found) == len(set(found)) >= DAYS * 16
    assert len(rows(month, "contents")) == len(found)
    assert len(set(ids(month, "feedback"))) == len(ids(month, "feedback")) == DAYS * 2
    reasons = {row["reason"].partition(",")[0] for row in rows(month, "rejected")}
    assert reasons >= {
        "inference_id: another event with this id was received first",
        "inference_id: another event with this id",
        "input_tokens: 'many' is not a whole number",
    }


@pytest.mark.parametrize("seed", range(2))
def test_a_month_collected_in_any_order_gives_the_same_lake(month, tmp_path, seed):
    chance = random.Random(seed)
    zones = open_zones(tmp_path)
    waiting = [entry.path for entry in month.landing.list()]
    chance.shuffle(waiting)
    share = len(waiting) // 4 + 1
    while waiting:
        arriving, waiting = waiting[:share], waiting[share:]
        for path in arriving:
            zones.landing.put(path, month.landing.read(path))
        news_now = list(days_to_collect(zones, today=END if chance.random() < 0.5 else FIRST))
        chance.shuffle(news_now)
        for day in news_now[: chance.randrange(len(news_now) + 1)]:
            kinds = ["inferences", "feedback"]
            chance.shuffle(kinds)
            for kind in kinds:
                collect_day(zones, kind, day, today=chance.choice([END, day]))
    collect_all(zones, today=END)
    assert contents(zones.lake) == contents(month.lake)


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


def test_a_note_outlives_work_that_breaks_off_and_one_told_meanwhile_stays(zones: Zones):
    news.tell(zones.lake, "steps", DAY, "why")
    with pytest.raises(ZeroDivisionError), news.taking(zones.lake, "steps", DAY) as asked:
        assert asked
        _ = 1 / 0
    assert news.told(zones.lake, "steps") == [DAY]
    with news.taking(zones.lake, "steps", DAY) as asked:
        assert asked
        news.tell(zones.lake, "steps", DAY, "again")
    assert news.told(zones.lake, "steps") == [DAY]
    with news.taking(zones.lake, "steps", DAY) as asked:
        assert asked
    with news.taking(zones.lake, "steps", DAY) as asked:
        assert not asked
    assert news.told(zones.lake, "steps") == []


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

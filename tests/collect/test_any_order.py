"""The lake is the same in whatever order events arrive, days are collected and threads run."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pytest

from canonry.collect.news import days_to_collect
from canonry.collect.partition import collect_day
from canonry.collect.validate import engine
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
    writer,
)

HOUR = dt.timedelta(hours=1)
ONE_DAY = dt.timedelta(days=1)


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

"""A run that breaks off at any moment, and is run again, leaves what an undisturbed run leaves."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from canonry.collect import news
from canonry.collect.partition import collect_day
from canonry.storage import Storage, Zones, open_zones
from tests.collect.making import AFTER, DAY, NOON, collect_all, contents, feedback, ids, inference, writer

WRITES = {"put", "put_if_absent", "put_if_match", "put_file", "append", "delete"}
BEFORE = DAY - dt.timedelta(days=1)


class Crash(Exception):
    """Where a process would have died."""


class Crashing:
    """A stand-in for storage under a process that dies before its n-th write.

    Dying after a write, or at any read in between, leaves the same as dying before the next write.
    """

    def __init__(self, storage: Storage, calls: int) -> None:
        self._storage, self._left = storage, calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._storage, name)
        if name not in WRITES:
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                raise Crash(name)
            return found(*arguments, **named)

        return call


def first_run(zones: Zones) -> None:
    """A day with three parts, ids that other days have too, rejected events, and feedback."""
    at = NOON - dt.timedelta(days=1)
    writer(zones.landing, at=NOON + dt.timedelta(hours=5)).append(
        "inferences", [inference(1, at=at), inference(90, at=at)]
    )
    writer(zones.landing, at=NOON - dt.timedelta(hours=5)).append("inferences", [inference(3, at=at)])
    collect_day(zones, "inferences", BEFORE, today=DAY)
    for number in range(3):
        batch = [inference(number), inference(number + 1, feature="x"), inference(50 + number, team=None)]
        writer(zones.landing, at=NOON + dt.timedelta(hours=number)).append("inferences", batch)
        writer(zones.landing, at=NOON + dt.timedelta(hours=number)).append("feedback", [feedback(number)])
        if number < 2:
            collect_day(zones, "inferences", DAY, today=DAY)
            collect_day(zones, "feedback", DAY, today=DAY)


def add(zones: Zones) -> None:
    collect_day(zones, "inferences", DAY, today=DAY)
    collect_day(zones, "feedback", DAY, today=DAY)


def compact(zones: Zones) -> None:
    collect_day(zones, "inferences", DAY, today=AFTER)
    collect_day(zones, "feedback", DAY, today=AFTER)


def from_nothing(zones: Zones) -> None:
    for day in (BEFORE, DAY):
        collect_day(zones, "inferences", day, today=AFTER)


def restate(zones: Zones) -> None:
    """The day before is made again, because this day has earlier copies of its ids."""
    collect_day(zones, "inferences", BEFORE, today=AFTER)


def remake(zones: Zones) -> None:
    """The day is made again while it lasts, with nothing new in landing."""
    collect_day(zones, "inferences", DAY, today=DAY)


def prepare(zones: Zones, run: Callable[[Zones], None]) -> None:
    """What has happened before the run that breaks off."""
    first_run(zones)
    if run is from_nothing:
        for entry in list(zones.lake.list()):
            zones.lake.delete(entry.path)
    elif run is restate:
        compact(zones)
        assert news.told(zones.lake, "inferences") == [BEFORE]
    elif run is remake:
        add(zones)
        news.tell(zones.lake, "inferences", DAY, "another day said so")


def copy_of(zones: Zones, home) -> Zones:
    copied = open_zones(home)
    for theirs, ours in ((zones.landing, copied.landing), (zones.lake, copied.lake)):
        for entry in theirs.list():
            ours.put(entry.path, theirs.read(entry.path))
    return copied


@pytest.mark.parametrize("run", [add, compact, from_nothing, restate, remake])
def test_a_crash_at_any_call_leaves_nothing_that_the_next_run_does_not_mend(tmp_path, run: Callable[[Zones], None]):
    start = open_zones(tmp_path / "start")
    prepare(start, run)
    undisturbed = copy_of(start, tmp_path / "undisturbed")
    run(undisturbed)
    today = DAY if run in (add, remake) else AFTER
    collect_all(undisturbed, today=today)
    expected = contents(undisturbed.lake)
    for call in itertools.count(1):
        zones = copy_of(start, tmp_path / f"crash-{call}")
        lake: Any = Crashing(zones.lake, call)
        try:
            run(Zones(zones.home, zones.landing, zones.journal, lake, zones.published, zones.exchange))
            break
        except Crash:
            pass
        for day in (BEFORE, DAY):
            found = ids(zones, "inferences", day)
            assert len(found) == len(set(found)), f"rows are doubled after a crash at write {call}"
        collect_all(zones, today=today)
        assert contents(zones.lake) == expected, f"after a crash at write {call}"
    assert call > 5

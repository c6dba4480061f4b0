"""A note of a day stays until the work it asks for is done; what is told meanwhile asks for another run."""

from __future__ import annotations

import datetime as dt

import pytest

from canonry.collect import news
from canonry.collect.news import days_to_recompute
from canonry.storage import Zones

DAY = dt.date(2026, 11, 2)
NEXT = DAY + dt.timedelta(days=1)


def tell(zones: Zones, day: dt.date = DAY) -> None:
    news.tell(zones.lake, news.OUTCOMES, day, "because")


def test_a_day_is_noted_until_its_tables_are_built_and_published(zones: Zones) -> None:
    tell(zones)
    news.begin(zones.lake, [DAY, NEXT], "run-1")
    assert days_to_recompute(zones) == [DAY, NEXT]
    news.settle(zones.lake, "run-1")
    assert days_to_recompute(zones) == [DAY, NEXT], "published, but not built"
    news.built(zones.lake, [DAY, NEXT], "run-1")
    assert days_to_recompute(zones) == [DAY, NEXT], "built, but not published"
    news.settle(zones.lake, "run-1")
    assert days_to_recompute(zones) == []


def test_what_is_told_after_the_first_step_of_a_run_outlives_it(zones: Zones) -> None:
    news.begin(zones.lake, [DAY], "run-1")
    tell(zones)
    news.begin(zones.lake, [DAY], "run-1")
    news.built(zones.lake, [DAY], "run-1")
    news.settle(zones.lake, "run-1")
    assert days_to_recompute(zones) == [DAY]


def test_what_a_run_at_work_computes_is_left_out_but_for_what_was_told_since_it_began(zones: Zones) -> None:
    tell(zones)
    tell(zones, NEXT)
    news.begin(zones.lake, [DAY, NEXT], "run-1")
    assert days_to_recompute(zones, running={"run-1"}) == []
    tell(zones, NEXT)
    assert days_to_recompute(zones, running={"run-1"}) == [NEXT]
    assert days_to_recompute(zones, running={"run-2"}) == [DAY, NEXT]


def test_a_run_that_broke_off_is_made_good_by_the_next_one(zones: Zones) -> None:
    tell(zones)
    tell(zones, NEXT)
    news.begin(zones.lake, [DAY], "broken")
    news.built(zones.lake, [DAY], "broken")
    news.begin(zones.lake, [DAY], "run-2")
    news.settle(zones.lake, "broken")
    news.built(zones.lake, [DAY], "run-2")
    news.settle(zones.lake, "run-2")
    assert days_to_recompute(zones) == [NEXT]


def test_a_note_outlives_work_that_breaks_off_and_one_told_meanwhile_stays(zones: Zones) -> None:
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

"""Opening hours that a sentence states, against a record's."""

from __future__ import annotations

import json

import pytest

from canonry.score.hours import Stated, hours, signals, stated
from canonry.score.text import record

RECORD = {"hours": {"Tuesday": "9:0-17:0", "Wednesday": "9:0-17:0", "Saturday": "11:30-0:0"}}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Open Monday to Wednesday from 9 AM to 5:30 p.m.", [({0, 1, 2}, ("9:00", "17:30"))]),
        ("Open 9:00 AM - 5:00 PM on weekdays, and noon to midnight on Sundays.", None),
        ("Every day from 17:00.", [(set(range(7)), ("17:00",))]),
        ("Friday through Sunday it is closed.", [({4, 5, 6}, ())]),
        ("The food is good.", []),
    ],
)
def test_days_find_their_times(sentence: str, expected: list[tuple[set[int], tuple[str, ...]]] | None) -> None:
    if expected is None:
        assert {(each.days, frozenset(each.times)) for each in stated(sentence)} == {
            (frozenset({6}), frozenset({"12:00", "0:00"})),
            (frozenset(range(5)), frozenset({"9:00", "17:00"})),
        }
    else:
        assert stated(sentence) == [Stated(frozenset(days), times) for days, times in expected]


@pytest.mark.parametrize(
    ("sentence", "signal", "count"),
    [
        ("Tuesday and Wednesday it is open from 9 AM to 5 PM.", "hours_right", 2),
        ("It is open from 9 AM to 6 PM on Tuesday.", "hours_wrong", 1),
        ("On Saturday it opens at 11:30 AM and closes at midnight.", "hours_right", 1),
        ("It is open daily.", "hours_shut", 4),
        ("It is closed on Tuesdays.", "hours_wrong", 1),
    ],
)
def test_stated_hours_are_held_against_the_records(sentence: str, signal: str, count: int) -> None:
    leaves = record(json.dumps(RECORD))
    assert leaves is not None
    assert {name: found for name, found in signals(sentence, hours(leaves)).items() if found} == {signal: count}


def test_a_record_without_hours_supports_none() -> None:
    assert signals("Open on Monday from 9 AM to 5 PM.", {})["hours_unknown"] == 1

"""Looks in the journal: each is written once, and the last one is found."""

from __future__ import annotations

import datetime as dt

import pytest

from canonry.alerts import Finding, Look, keep_look, last_day, last_look
from canonry.storage import Storage, open_zones

MORNING, NOON = dt.datetime(2026, 11, 2, 8), dt.datetime(2026, 11, 2, 12)


@pytest.fixture
def journal(tmp_path) -> Storage:
    return open_zones(tmp_path).journal


def look(at: dt.datetime, state="holds") -> Look:
    found = Finding({"product": "docs"}, state, "3 of 100 calls", 0.03)
    return Look(at, {"errors": [found.document()]}, {"backlog": "no such scheme"}, {"errors": "0" * 64})


def test_nothing_was_seen_where_nobody_looked(journal):
    assert last_day(journal) is None
    assert last_look(journal) is None


def test_the_same_look_is_written_once_and_the_last_one_is_found(journal):
    assert keep_look(journal, look(NOON), NOON)
    assert not keep_look(journal, look(NOON), NOON + dt.timedelta(hours=1))
    assert keep_look(journal, look(MORNING, "broken"), NOON + dt.timedelta(hours=2))
    assert last_day(journal) == NOON.date()
    assert last_look(journal) == look(NOON)
    assert keep_look(journal, look(NOON, "broken"), NOON + dt.timedelta(hours=3))
    assert last_look(journal) == look(NOON, "broken")


def test_a_row_says_what_held_and_what_could_not_be_measured(journal):
    held, failed = look(NOON).rows
    assert (held["monitor"], held["slice"], held["state"], held["value"]) == (
        "errors",
        {"product": "docs"},
        "holds",
        0.03,
    )
    assert (failed["monitor"], failed["state"], failed["said"]) == ("backlog", "failed", "no such scheme")

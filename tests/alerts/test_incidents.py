"""One slice that is broken, holds, and breaks again: one incident after another, each thing that happened once."""

from __future__ import annotations

import datetime as dt

import pytest

from canonry.alerts import (
    Cause,
    Finding,
    NoSuchIncident,
    Silence,
    acknowledge,
    every,
    find,
    incident_rows,
    note,
    silence,
    silenced,
    silences,
    write_incidents,
)
from canonry.client import read_table
from canonry.publish import publish_tables
from canonry.storage import open_zones

NIGHT = dt.datetime(2026, 11, 16)
HOUR = dt.timedelta(hours=1)
ABOUT = {
    "description": "It stays low.",
    "owner": "a-team",
    "runbook": "docs/runbooks.md#quality",
    "severity": "warn",
    "measure": "quality",
    "of": "rate",
    "objective": {"limit": {"at_most": 0.2}},
}


@pytest.fixture
def zones(tmp_path):
    return open_zones(tmp_path)


def broken(model="m2", value=0.4, cause=None):
    evidence = ({"labels": 40},)
    return Finding({"response_model": model}, "broken", f"{model}: {value:.0%}", value, value - 0.1, value + 0.1, 0.2,
                   cause=cause, evidence=evidence)  # fmt: skip


def holds(model="m2"):
    return Finding({"response_model": model}, "holds", f"{model}: 10%", 0.1, 0.05, 0.15, 0.2)


def look(zones, findings, hours, reopen=48 * HOUR):
    at = NIGHT + hours * HOUR
    return note(zones.journal, "low", ABOUT, findings, reopen=reopen, at=at, now=at + HOUR)


def whats(zones):
    return {each.incident_id: [entry.what for entry in each.entries] for each in every(zones.journal)}


def test_what_is_broken_opens_one_incident_a_slice_however_often_it_is_looked_at(zones):
    for hours in (0, 0, 1, 2):
        look(zones, [broken("m1"), broken("m2"), holds("m3")], hours)
    assert sorted(whats(zones).values()) == [["opened"], ["opened"]]
    assert {each.slice["response_model"] for each in every(zones.journal)} == {"m1", "m2"}
    assert all(each.latest["evidence"] == [{"labels": 40}] for each in every(zones.journal))


def test_a_value_beyond_what_was_told_and_another_cause_update_it(zones):
    look(zones, [broken()], 0)
    look(zones, [broken(value=0.45)], 1)
    look(zones, [broken(value=0.55)], 2)
    look(zones, [broken(value=0.55, cause=Cause("swap", "prompt_version", 1.0, "prompt_version: from 1 to 2"))], 3)
    look(zones, [broken(value=0.55, cause=Cause("swap", "prompt_version", 0.9, "prompt_version: from 1 to 2"))], 4)
    assert list(whats(zones).values()) == [["opened", "updated", "updated"]]
    (row,) = incident_rows(every(zones.journal)).to_pylist()
    assert (row["value"], row["cause"], row["cause_field"]) == (0.55, "swap", "prompt_version")


def test_what_holds_again_resolves_it_and_soon_after_it_reopens_and_later_another_opens(zones):
    look(zones, [broken()], 0)
    look(zones, [Finding({"response_model": "m2"}, "unknown", "too few")], 1)
    assert list(whats(zones).values()) == [["opened"]]
    look(zones, [holds()], 2)
    look(zones, [holds()], 3)
    look(zones, [broken()], 2 + 48)
    look(zones, [holds()], 100)
    look(zones, [broken()], 100 + 49)
    first, second = whats(zones).values()
    assert first == ["opened", "resolved", "reopened", "resolved"]
    assert second == ["opened"]
    assert [each.incident_id.rsplit("-", 1)[1] for each in every(zones.journal)] == ["1", "2"]
    assert [row["opened_times"] for row in incident_rows(every(zones.journal)).to_pylist()] == [1, 2]


def test_a_look_at_what_lay_before_the_last_entry_changes_nothing(zones):
    look(zones, [broken()], 10)
    look(zones, [holds()], 9)
    assert list(whats(zones).values()) == [["opened"]]


def test_of_two_that_look_at_the_same_time_one_writes(zones, tmp_path):
    look(zones, [broken()], 0)
    (before,) = every(zones.journal)
    assert look(zones, [holds()], 1)
    from canonry.alerts import incidents

    entry = incidents.Entry("resolved", NIGHT + HOUR, NIGHT + HOUR, "the other")
    assert incidents._append(zones.journal, "low", before.key, 1, before.slice, ABOUT, before, entry) == []
    assert list(whats(zones).values()) == [["opened", "resolved"]]


def test_an_incident_of_what_nobody_measures_any_more_ends(zones):
    look(zones, [broken("m1")], 0)
    look(zones, [holds("m2")], 13 * 24)
    assert list(whats(zones).values()) == [["opened"]]
    look(zones, [holds("m2")], 14 * 24)
    assert list(whats(zones).values()) == [["opened", "resolved"]]


def test_taking_it_is_kept_until_it_opens_anew_and_needs_an_open_one(zones):
    (incident,) = look(zones, [broken()], 0)
    taken = acknowledge(zones.journal, incident, by="jo", note="rolling back", now=NIGHT + HOUR)
    assert (taken.acknowledged.by, taken.acknowledged.said) == ("jo", "rolling back")
    look(zones, [holds()], 1)
    (over,) = every(zones.journal)
    with pytest.raises(ValueError, match="is over since 2026-11-16 01:00"):
        acknowledge(zones.journal, over, by="jo", note="", now=NIGHT)
    look(zones, [broken()], 2)
    (again,) = every(zones.journal)
    assert (again.state, again.acknowledged) == ("open", None)


def test_a_silence_is_of_a_monitor_or_a_slice_and_ends(zones):
    (incident,) = look(zones, [broken()], 0)
    silence(zones.journal, Silence("low", incident.key, NIGHT, NIGHT + 2 * HOUR, "jo", "load test"))
    found = silences(zones.journal)
    assert silenced(found, "low", incident.key, NIGHT + HOUR)
    assert not silenced(found, "low", "00000000", NIGHT + HOUR)
    assert not silenced(found, "high", incident.key, NIGHT + HOUR)
    assert not silenced(found, "low", incident.key, NIGHT + 2 * HOUR)
    with pytest.raises(ValueError, match="ends after it begins"):
        silence(zones.journal, Silence("low", None, NIGHT, NIGHT, "jo", "never"))


def test_an_incident_is_found_by_its_name(zones):
    (incident,) = look(zones, [broken()], 0)
    assert find(zones.journal, incident.incident_id) == incident
    for name in ("low", "low-00000000-1", f"low-{incident.key}-2", "low-x-y"):
        with pytest.raises(NoSuchIncident, match="canonry incidents list --all"):
            find(zones.journal, name)


def test_the_table_has_a_row_an_incident_on_the_day_it_opened_and_is_published(zones):
    look(zones, [broken("m1")], 0)
    look(zones, [holds("m1"), broken("m2")], 30)
    table = write_incidents(zones)
    assert [(row["slice_said"], row["state"]) for row in table.to_pylist()] == [("m2", "open"), ("m1", "resolved")]
    publish_tables(zones, {"incidents": table}, now=dt.datetime.now(dt.UTC), lineage={})
    rows = read_table("incidents", home=zones.home).to_pylist()
    assert [(row["owner"], row["runbook"]) for row in rows] == [("a-team", "docs/runbooks.md#quality")] * 2
    files = sorted(path.parent.name for path in (zones_path(zones) / "lake/incidents").rglob("part-*.parquet"))
    assert files == ["day=2026-11-16", "day=2026-11-17"]


def zones_path(zones):
    from pathlib import Path

    return Path(zones.home)

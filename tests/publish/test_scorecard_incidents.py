"""The incidents of the page: open first, each with evidence, cause, owner, runbook and what happened."""

from __future__ import annotations

import datetime as dt

import pytest

from canonry.alerts import Cause, Finding, acknowledge, every, note
from canonry.publish.scorecard import publish_scorecard
from canonry.storage import open_zones

NOON = dt.datetime(2026, 11, 6, 12)
ABOUT = {"description": "It does not change.", "owner": "a-team", "runbook": "https://wiki.example.com/runbooks/length",
         "severity": "warn", "measure": "output_length", "of": None, "objective": {}}  # fmt: skip


@pytest.fixture
def zones(tmp_path):
    return open_zones(tmp_path)


def look(zones, product, state, hours):
    cause = Cause("provider", "system_fingerprint", 1.0, "silent provider update: system_fingerprint from a to b")
    finding = Finding({"product": product}, state, f"{product}: output length rose from 20 to 30 tokens (+50%)", 30.0,
                      objective=20.0, since=NOON, cause=cause, simulated=True,
                      evidence=({"before": 20.0, "since": 30.0}, {"hour": "2026-11-06 12:00", "calls": 9}))  # fmt: skip
    at = NOON + dt.timedelta(hours=hours)
    note(zones.journal, "length", ABOUT, [finding], reopen=dt.timedelta(0), at=at, now=at)


def page(zones):
    publish_scorecard(zones, labels=[], candidates=[], now=dt.datetime(2026, 11, 7, tzinfo=dt.UTC))
    return zones.published.read("scorecard/index.html").decode()


def test_open_incidents_come_first_with_all_that_is_known_of_them(zones):
    look(zones, "over", "broken", 0)
    look(zones, "over", "holds", 1)
    look(zones, "search", "broken", 2)
    (incident,) = (each for each in every(zones.journal) if each.state == "open")
    acknowledge(zones.journal, incident, by="jo", note="asking the provider", now=NOON)
    html = page(zones)
    assert html.index("open: length, search (simulated)") < html.index("resolved: length, over (simulated)")
    for words in (
        "1 open",
        "taken by jo",
        "silent provider update: system_fingerprint from a to b",
        '<a href="https://wiki.example.com/runbooks/length" rel="noreferrer">',
        "2026-11-06 12:00",
        "acknowledged by jo",
        "asking the provider",
        f"canonry incidents show {incident.incident_id}",
    ):
        assert words in html
    assert "<script" not in html


def test_what_comes_from_outside_is_text(zones):
    look(zones, "<img src=x>", "broken", 0)
    html = page(zones)
    assert "<img" not in html
    assert "&lt;img src=x&gt;" in html


def test_where_nothing_is_broken_it_is_said(zones):
    assert "No monitor has found its promise broken." in page(zones)

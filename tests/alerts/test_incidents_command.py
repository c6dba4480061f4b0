"""`canonry incidents`: what people see and say of incidents on the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from canonry.alerts import every
from canonry.cli import app
from canonry.storage import open_zones
from tests.alerts.test_incidents import broken, holds, look


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("CANONRY_HOME", str(tmp_path))
    zones = open_zones(tmp_path)
    look(zones, [broken("m1"), broken("m2")], 0)
    look(zones, [holds("m1"), broken("m2")], 1)
    runner = CliRunner()

    def command(*arguments):
        return runner.invoke(app, ["incidents", *arguments])

    return command, zones


def test_open_ones_are_listed_and_all_where_asked(run):
    command, _ = run
    shown = command("list").output
    assert "m2: 40%" in shown
    assert "m1: 40%" not in shown
    assert "1 are over" in shown
    assert "m1: 40%" in command("list", "--all").output
    rows = json.loads(command("list", "--all", "--json").output)
    assert [(row["state"], row["owner"]) for row in rows] == [("open", "a-team"), ("resolved", "a-team")]


def test_one_is_shown_with_its_evidence_owner_runbook_and_all_that_happened(run):
    command, zones = run
    name = next(each.incident_id for each in every(zones.journal) if each.state == "resolved")
    shown = command("show", name).output
    for words in ("evidence", '"labels": 40', "a-team", "docs/runbooks.md#quality", "opened", "resolved"):
        assert words in shown


def test_taking_and_silencing_are_seen_in_the_list(run):
    command, zones = run
    name = next(each.incident_id for each in every(zones.journal) if each.state == "open")
    assert command("acknowledge", name, "-m", "on it", "--by", "jo").exit_code == 0
    assert command("silence", name, "--for", "4h", "-m", "load test").exit_code == 0
    assert "taken by jo, silenced" in " ".join(command("list").output.split())


def test_what_cannot_be_done_says_what_to_do(run):
    command, _ = run
    unknown = command("show", "low-00000000-9")
    assert unknown.exit_code == 1
    assert "canonry incidents list --all" in unknown.output
    wrong = command("silence", "hallucination-by-model", "--for", "soon", "-m", "why")
    assert wrong.exit_code == 1
    assert "expected a number and m, h, d or w" in wrong.output


@pytest.mark.parametrize("name", ["list", "show", "acknowledge", "silence"])
def test_help_teaches_by_an_example(run, name):
    command, _ = run
    assert f"Example: canonry incidents {name}" in " ".join(command(name, "--help").output.split())

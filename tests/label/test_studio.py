"""Label Studio without a server: what is configured, looked at and remembered, and how a deletion counts."""

from __future__ import annotations

import datetime as dt
import json
import socket
from dataclasses import replace

import pytest

from canonry import lake
from canonry.cli.platform import status
from canonry.consensus import consensus
from canonry.label.annotations import Annotation, parse_task
from canonry.label.draws import draw_day
from canonry.label.inbox import import_annotations
from canonry.label.journal import AnnotationJournal, journalled
from canonry.label.partition import write_labels
from canonry.label.pull import look_since
from canonry.label.register import (
    Project,
    Steps,
    batch_steps,
    batches_sent,
    count_sent,
    projects,
    record_batch,
    record_project,
    record_restore,
    record_step,
    steps,
)
from canonry.label.restores import described
from canonry.label.rounds import Pull, Round, Seen, last_pull, record_page
from canonry.label.studio import KEY, URL, LabelStudioError, connect, server_url
from canonry.label.tasks import export_tasks

DAY = dt.date(2026, 11, 9)
NOW = dt.datetime(2026, 11, 10, 1)
MADE = dt.datetime(2026, 11, 10, 7, 30, 0, 123, tzinfo=dt.UTC)
PROJECT = Project("groundedness", 1, 5, MADE)


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch):
    for variable in (URL, KEY):
        monkeypatch.delenv(variable, raising=False)


def test_without_a_server_nothing_is_connected():
    assert server_url() is None
    assert connect() is None


@pytest.mark.parametrize(("given", "lacking"), [(URL, KEY), (KEY, URL)])
def test_half_a_configuration_names_what_is_missing_and_shows_no_key(monkeypatch, given, lacking):
    monkeypatch.setenv(given, "secret")
    with pytest.raises(LabelStudioError, match=f"{lacking} is not set") as refused:
        connect()
    assert "secret" not in str(refused.value)


def test_status_says_which_server_is_configured_and_how_many_tasks_were_sent(
    zones, scheme, write_calls, monkeypatch, capsys
):
    monkeypatch.setenv("CANONRY_HOME", zones.home)
    _tasks(zones, scheme, write_calls, "a")
    status()
    monkeypatch.setenv(URL, "http://127.0.0.1:8080/")
    status()
    record_project(zones.journal, PROJECT, "http://127.0.0.1:8080")
    record_batch(zones.journal, PROJECT, "groundedness-v1-2026-11-09", {"a": 1, "b": 2}, 1)
    monkeypatch.setenv(KEY, "secret")
    status()
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line.startswith("Label Studio: ")] == [
        f"Label Studio: no server is configured: set {URL} and {KEY}; 0 tasks sent",
        f"Label Studio: {KEY} is not set: set both, or neither to work through files; 0 tasks sent",
        "Label Studio: http://127.0.0.1:8080; 2 tasks sent",
    ]
    assert "secret" not in said


def test_a_server_that_is_down_is_an_error_that_says_what_to_do(monkeypatch):
    with socket.socket() as taken:  # bound and not listening: nobody else can answer on it
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv(URL, f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv(KEY, "0" * 40)
        with pytest.raises(LabelStudioError, match="is it running, and is LABEL_STUDIO_URL right"):
            connect()


def test_a_project_made_anew_on_another_server_has_a_record_of_its_own(zones):
    other = Project("groundedness", 1, 5, MADE + dt.timedelta(microseconds=1))
    for project in (PROJECT, other):
        record_project(zones.journal, project, "http://127.0.0.1:8080")
    record_batch(zones.journal, PROJECT, "groundedness-v1-2026-11-09", {"a": 1, "b": 2}, 1)
    record_batch(zones.journal, other, "groundedness-v1-2026-11-09", {"a": 1}, 1)
    assert projects(zones.journal, "groundedness", 1) == [other, PROJECT]
    assert projects(zones.journal, "groundedness", 2) == []
    assert batches_sent(zones.journal, PROJECT) == {"groundedness-v1-2026-11-09": {"a": 1, "b": 2}}
    assert count_sent(zones.journal, "groundedness") == 1


def test_pulls_come_to_what_is_there(zones):
    first = Round(None, "2026-11-10T08:00:00.000000Z", "2026-11-10", 1, cursor=500)
    seen = {name: Seen(number, "2026-11-10T08:00:00Z", 1) for number, name in enumerate(["a.1", "b.2", "c.3"])}
    assert last_pull(zones.journal, PROJECT) is None
    before = record_page(zones.journal, PROJECT, None, first, seen, set(), set())
    over = replace(first, cursor=None)
    after = record_page(zones.journal, PROJECT, before, over, {"d.4": seen["a.1"]}, {"a.1", "b.2"}, {"b.2"})
    assert last_pull(zones.journal, PROJECT) == after
    assert (before.swept_on, after.swept_on, sorted(after.present)) == (None, "2026-11-10", ["c.3", "d.4"])
    with pytest.raises(RuntimeError, match=r"pulls/000000002\.json: somebody else pulls groundedness v1"):
        record_page(zones.journal, PROJECT, before, over, {}, set(), set())


def test_of_many_pulls_the_last_hundred_are_read(zones):
    pull = None
    for number in range(205):
        looked = Round("2026-11-10T08:00:00.000000Z", str(number), "2026-11-10", 1, cursor=None)
        vanished = {f"a.{number - 3}"} & (pull.present.keys() if pull else set())
        appeared = {f"a.{number}": Seen(number, "2026-11-10T08:00:00Z", 1)}
        pull = record_page(zones.journal, PROJECT, pull, looked, appeared, vanished, set())
    for entry in list(zones.journal.list("label_studio"))[:199]:
        zones.journal.delete(entry.path)
    assert last_pull(zones.journal, PROJECT) == pull
    assert sorted(pull.present) == ["a.202", "a.203", "a.204"]


def test_a_pull_looks_a_minute_back_and_once_a_day_and_after_a_restore_at_everything():
    looked = Round(None, "2026-11-10T08:00:30.000001Z", "2026-11-10", 3, cursor=None)
    before = Pull(looked, "2026-11-10", 3, {}, 1)
    assert look_since(before, dt.date(2026, 11, 10), Steps(3)) == "2026-11-10T07:59:30.000001Z"
    assert look_since(before, dt.date(2026, 11, 10), Steps(2, ((1, 2),))) == "2026-11-10T07:59:30.000001Z"
    assert look_since(before, dt.date(2026, 11, 10), Steps(5, ((1, 5),))) is None
    assert look_since(before, dt.date(2026, 11, 11), Steps(3)) is None
    assert look_since(None, dt.date(2026, 11, 10), Steps(0)) is None
    assert look_since(replace(before, last=replace(looked, newest=None)), dt.date(2026, 11, 10), Steps(3)) is None


def test_what_a_restore_lost_is_what_was_done_after_the_backup_and_before_it_was_noticed(zones):
    for step in (1, 2, 3):
        record_step(zones.journal, PROJECT, step)
    assert steps(zones.journal, PROJECT) == Steps(3)
    record_restore(zones.journal, PROJECT, back_to=1, noticed=5)
    found = steps(zones.journal, PROJECT)
    assert (found.confirmed, found.restored_at) == (5, 5)
    # A step that was not confirmed yet is one after the last that was: 4 was under way.
    assert [step for step in range(8) if found.lost(step)] == [2, 3, 4]
    record_batch(zones.journal, PROJECT, "b", {"a": 1}, 2)
    record_batch(zones.journal, PROJECT, "b", {"a": 7}, 6)
    assert batches_sent(zones.journal, PROJECT) == {"b": {"a": 7}}
    assert batch_steps(zones.journal, PROJECT) == {"b": 6}


def test_the_step_is_told_beside_what_people_wrote():
    first = described("Ours.", 0)
    assert described(first + " Ask Ann.", 12) == "Ours. (Canonry's step: 12; leave it as it is) Ask Ann."
    assert described("", 3) == "(Canonry's step: 3; leave it as it is)"


def test_a_region_may_say_that_its_annotation_is_simulated(zones, scheme, write_calls, annotate):
    raw = annotate(1, "grounded")
    raw["result"][0]["meta"] = {"simulated": True}
    skipped = {**annotate(2, None), "result": [raw["result"][0]]}
    (task,) = _tasks(zones, scheme, write_calls, "a")
    made, passed_over, plain = parse_task(
        {**task, "annotations": [raw, skipped, annotate(3, "grounded")]}, "groundedness", scheme
    )
    assert isinstance(made, Annotation) and made.simulated
    assert isinstance(passed_over, Annotation) and passed_over.simulated and passed_over.result is None
    assert isinstance(plain, Annotation) and not plain.simulated


def test_a_deleted_annotation_stays_as_a_row_and_has_no_vote(zones, scheme, write_calls, annotate, put_export):
    (task,) = _tasks(zones, scheme, write_calls, "a")
    answers = [annotate(1, "grounded", 1), annotate(2, "hallucinated", 2), annotate(3, None, 3)]
    put_export([{**task, "annotations": answers}])
    import_annotations(zones, "groundedness", scheme)
    assert write_labels(zones, DAY).skipped == 1
    versions = journalled(zones.journal, "groundedness", DAY)
    gone = {each["annotation_id"] for each in versions if not each["annotation_id"].endswith(".1")}
    assert AnnotationJournal(zones.journal, "groundedness").delete(gone, NOW) == {DAY: 2}
    assert AnnotationJournal(zones.journal, "groundedness").delete(gone, NOW) == {DAY: 0}
    written = write_labels(zones, DAY)
    assert (written.rows, written.skipped) == (3, 0)
    labels = lake.read(zones.lake, "labels", [DAY])
    assert labels["deleted_at"].null_count == 1
    (label,) = consensus(labels, "groundedness")
    assert label.votes == {"grounded": 1}
    assert import_annotations(zones, "groundedness", scheme).new == 0


def _tasks(zones, scheme, write_calls, calls):
    write_calls([{"inference_id": name} for name in calls])
    export = export_tasks(zones, "groundedness", scheme, draw_day(zones, "groundedness", scheme, DAY, NOW))
    return [{"id": number, **task} for number, task in enumerate(json.loads(zones.exchange.read(export.path)), start=1)]

"""A simulated month on a real server, each of our calls failing now and then: nothing is lost, nothing doubled.

    CANONRY_MONTH_DAYS=28 .venv/bin/python -m pytest -s tests/system/test_label_studio_month.py

Without CANONRY_MONTH_DAYS it is the month's first week. CANONRY_MONTH_ITEMS is how many items a day has.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from label_studio_sdk import LabelStudio

from canonry import lake
from canonry.demo.label_studio_server import Server, running
from canonry.label import send, studio
from canonry.label.journal import journalled
from canonry.label.partition import write_labels
from canonry.label.project import find_project
from canonry.label.pull import pull_annotations
from canonry.label.send import send_tasks
from canonry.label.studio import KEY, URL, LabelStudioError, connect, list_tasks
from canonry.storage import Zones
from tests.system.faulty import FAULTS, faulty
from tests.system.labeling import SCHEME
from tests.system.month import DAYS, Annotators, draw, number_of, real_answers

NAME = "month"
ITEMS = int(os.environ.get("CANONRY_MONTH_ITEMS", "3"))
"""Items a day."""

CLIENT_TIMEOUT_S = 10.0

T = TypeVar("T")


def test_a_simulated_month_with_faults_at_every_call_loses_and_doubles_nothing(
    zones: Zones, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio, "_SECONDS", CLIENT_TIMEOUT_S)
    monkeypatch.setattr(send, "SECONDS_BETWEEN_LOOKS", 0.1)
    answers, chance = real_answers(shared_data), random.Random(5)
    people: Annotators | None = None
    failures: Counter[str] = Counter()

    def persist(action: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """As the schedule does: again, until it goes well."""
        for _ in range(30):
            try:
                return action(*arguments, **options)
            except LabelStudioError as error:
                failures[type(error).__name__] += 1
        raise AssertionError("thirty times in vain")

    with faulty("http://127.0.0.1:9", late_s=CLIENT_TIMEOUT_S + 1) as proxy:
        monkeypatch.setenv(URL, proxy.url)
        for half in (DAYS[: len(DAYS) // 2], DAYS[len(DAYS) // 2 :]):
            with running(tmp_path / "data") as server:
                proxy.backend = server.url
                monkeypatch.setenv(KEY, server.api_key)
                people = people or Annotators.signed_up(server, chance)
                people.server = server
                client = persist(connect)
                assert client is not None
                for day in half:
                    today = draw(zones, NAME, day, list(itertools.islice(answers, ITEMS)))
                    persist(send_tasks, zones, client, NAME, SCHEME)
                    # What was answered was pulled: deletions are those of known annotations.
                    people.think_again()
                    for task in _tasks(zones, server):
                        if task["data"]["item_id"] in today:
                            people.answer(task["id"], today[task["data"]["item_id"]])
                    at = dt.datetime.combine(DAYS[DAYS.index(day) // 7 * 7], dt.time(12))  # a sweep a week
                    persist(pull_annotations, zones, client, NAME, SCHEME, at)
            with pytest.raises(LabelStudioError):
                pull_annotations(zones, client, NAME, SCHEME, dt.datetime(2026, 12, 1))
        with running(tmp_path / "data") as server:
            proxy.backend = server.url
            last = dt.datetime(2026, 12, 1)
            persist(pull_annotations, zones, client, NAME, SCHEME, last, sweep=True)
            _assert_same(zones, _tasks(zones, server), people)
    assert {fault for _, fault in proxy.made} == set(FAULTS)
    assert failures.total() > len(DAYS) // 7, "hardly anything failed: nothing was tried"


def _tasks(zones: Zones, server: Server) -> list[dict[str, Any]]:
    """What the server has, asked without detour."""
    client = LabelStudio(base_url=server.url, api_key=server.api_key)
    project = find_project(client, zones.journal, NAME, SCHEME.version)
    return list_tasks(client, project.project_id, [], whole=True) if project else []


def _assert_same(zones: Zones, tasks: list[dict[str, Any]], people: Annotators) -> None:
    items = [task["data"]["item_id"] for task in tasks]
    assert len(items) == len(set(items)), "an item is on the server twice"
    there = {
        (task["data"]["item_id"], each["id"], each["result"][0]["value"]["choices"][0])
        for task in tasks
        for each in task["annotations"]
        if not each["was_cancelled"]
    }
    for day in DAYS:
        write_labels(zones, day)
    rows = lake.read(zones.lake, "labels", DAYS).to_pylist()
    standing = [row for row in rows if row["deleted_at"] is None]
    ours = {
        (row["item_id"], number_of(row["annotation_id"]), json.loads(row["result"])["groundedness"])
        for row in standing
        if not row["cancelled"]
    }
    assert ours == there
    assert len(ours) > len(DAYS) * ITEMS
    assert len(standing) == len({row["annotation_id"] for row in standing}) == len(people.standing)
    versions = [version for day in DAYS for version in journalled(zones.journal, NAME, day)]
    deleted = [number_of(each["annotation_id"]) for each in versions if each.get("deleted_at")]
    assert sorted(deleted) == sorted(people.deleted)
    assert all(row["simulated"] for row in rows)
    assert len({row["annotator_hash"] for row in rows}) == 5

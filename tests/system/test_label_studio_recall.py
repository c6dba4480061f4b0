"""Items that nobody labels for long leave a real server, and no answer is lost by it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from canonry.demo.label_studio_server import Server
from canonry.label import recall, register
from canonry.label.progress import label_progress
from canonry.label.recall import Recalled, recall_stale
from tests.system.labeling import DAY, Labeling, region


@pytest.fixture
def stale(labeling: Callable[[int], Labeling]) -> Labeling:
    """Six items, sent; a day later is too late for them."""
    it = labeling(6)
    it = replace(it, scheme=it.scheme.model_copy(update={"recall_after_days": 1}))
    it.send()
    return it


def _recall(it: Labeling, days: float = 2) -> Recalled:
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(days=days)
    return recall_stale(it.zones, it.client, it.name, it.scheme, now)


def _progress(it: Labeling) -> tuple[int, int, int]:
    it.labels()
    (found,) = label_progress(it.zones, it.name, [DAY])
    return found.labeled, found.skipped, found.recalled


def test_only_what_nobody_touched_is_recalled_once_and_not_sent_again(stale: Labeling, server: Server) -> None:
    it = stale
    labeled, skipped, begun, *untouched = it.task_ids
    it.client.annotations.create(labeled, result=[region("grounded")])
    it.client.annotations.create(skipped, result=[], was_cancelled=True)
    headers = {"Authorization": f"Token {server.api_key}"}
    draft = {"result": [region("grounded")]}
    httpx.post(f"{server.url}/api/tasks/{begun}/drafts", json=draft, headers=headers).raise_for_status()
    assert _recall(it, days=0.5) == Recalled(0, 0)
    assert _recall(it) == Recalled(3, 0)
    assert sorted(it.task_ids) == sorted([labeled, skipped, begun])
    assert _recall(it) == Recalled(0, 0)
    again = it.send()
    assert (again.sent, again.already_there, again.problems) == (0, 3, ())
    it.pull()
    assert _progress(it) == (1, 1, 3)
    assert len(register.recalled_items(it.zones.journal, it.project)) == len(untouched)


def test_an_answer_that_comes_while_items_are_recalled_wins(stale: Labeling, monkeypatch: pytest.MonkeyPatch) -> None:
    it = stale
    first, *_ = it.task_ids
    create = it.client.actions.create

    def answered_meanwhile(**action: Any) -> None:
        it.client.annotations.create(first, result=[region("grounded")])
        create(**action)

    monkeypatch.setattr(it.client.actions, "create", answered_meanwhile)
    assert _recall(it) == Recalled(5, 1)
    assert it.pull().new == 1
    assert _progress(it) == (1, 0, 5)
    assert it.send().problems == ()


def test_a_recall_that_was_cut_off_is_completed(stale: Labeling, monkeypatch: pytest.MonkeyPatch) -> None:
    it = stale

    def cut_off(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(recall.register, "record_recalled", cut_off)
        _recall(it)
    assert it.task_ids == []
    it.pull()
    assert _progress(it) == (0, 0, 0)
    assert _recall(it, days=0) == Recalled(6, 0)
    assert _progress(it) == (0, 0, 6)
    assert it.send().sent == 0

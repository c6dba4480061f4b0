"""Keeping up with a channel never fails a search, and does not press what fails."""

from __future__ import annotations

import itertools
import logging
import threading
from typing import Any

import pytest

from canonry import client
from canonry.client import _follow
from canonry.client._follow import LONGEST_SECONDS, Follower
from canonry.storage import Zones


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still, and threads that run at once."""
    now = [1000.0]
    monkeypatch.setattr(_follow.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(threading.Thread, "start", lambda thread: thread.run())
    return now


def looks_within(follower: Follower, clock: list[float], seconds: int) -> None:
    for _ in range(seconds):
        clock[0] += 1
        follower.used()


def test_what_fails_is_tried_less_and_less_often_until_it_succeeds(clock: list[float]) -> None:
    looked: list[float] = []
    failing = [True]

    def refresh() -> bool:
        looked.append(clock[0])
        if failing[0]:
            raise client.ReleaseError("damaged")
        return True

    follower = Follower(refresh, 1, "docs")
    looks_within(follower, clock, 1000)
    waits = [after - before for before, after in itertools.pairwise(looked)]
    assert waits[:8] == [2, 4, 8, 16, 32, 64, LONGEST_SECONDS, LONGEST_SECONDS]
    failing[0] = False
    looks_within(follower, clock, 200)
    assert looked[-1] - looked[-2] == 1


def test_a_thread_that_cannot_be_had_fails_no_search(
    home: Zones, made_vectors: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index = client.open_index("docs", home=home.home, follow=0.001)
    started: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        started.append(thread)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with caplog.at_level(logging.WARNING, "canonry.client"):
        while len(started) < 2:
            assert index.search(made_vectors()[7], k=1)[0].chunk_id == "c7"
    assert "indexes/docs production cannot be refreshed" in caplog.text


def test_a_version_that_comes_has_ready_what_the_one_before_had(
    home: Zones, released_index: Any, made_vectors: Any, made_chunks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = client.open_index("docs", home=home.home)
    index.search("red")
    released_index(home.published, made_vectors(20, seed=5), made_chunks(20), sha256="1" * 64)
    assert index.refresh()
    monkeypatch.setattr("canonry.client._opened.load_onnx", lambda *_: pytest.fail("loaded by a search"))
    assert len(index.search("red", k=20)) == 20

"""Progress says how far the work is, how fast, and how long it will last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from canonry import progress


@pytest.fixture
def ten_seconds_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    def clock() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += 10

    ticks = clock()
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(ticks))


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_what_is_left_is_told_by_the_size_of_items(ten_seconds_an_item: None, capsys) -> None:
    assert list(progress.track([30, 10, 10, 10], "embedding", size=lambda item: item)) == [30, 10, 10, 10]
    assert said(capsys) == [
        "embedding: 40 of 60, 2.0 a second, 10 s left",
        "embedding: 60 of 60, 1.5 a second, 0 s left",
    ]


def test_items_without_a_size_are_counted(ten_seconds_an_item: None, capsys) -> None:
    assert list(progress.track(["a", "b"], "cutting")) == ["a", "b"]
    assert said(capsys) == ["cutting: 2 of 2, 0.1 a second, 0 s left"]


def test_items_without_an_end_have_a_rate_alone(ten_seconds_an_item: None, capsys) -> None:
    assert list(progress.track(iter(["a", "b"]), "waiting")) == ["a", "b"]
    assert said(capsys) == ["waiting: 2, 0.1 a second"]

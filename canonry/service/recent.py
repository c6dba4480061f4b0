"""What was seen lately, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable


class Recent:
    """A set that remembers at least the last half of `limit` marks, and never more than `limit` and one addition."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._now: set[str] = set()
        self._before: set[str] = set()

    def __contains__(self, mark: str) -> bool:
        return mark in self._now or mark in self._before

    def __len__(self) -> int:
        return len(self._now) + len(self._before)

    def add(self, marks: Iterable[str]) -> None:
        """Remember these; the oldest half is forgotten where it grows too large."""
        self._now.update(marks)
        if len(self._now) > self._half:
            self._before, self._now = self._now, set()

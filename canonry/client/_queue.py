"""Events on their way to the spool: a bounded queue in memory."""

from __future__ import annotations

import threading
import time
from collections import deque

QUEUE_BYTES = 16 << 20
"""Bytes of events that may wait in memory before the oldest are dropped: a disk that hangs lets it come to that."""


class Queue:
    """First in, first out, of kinds and lines of JSON. Any thread may put, one takes; nothing here does I/O.

    `lock` is shared with whoever waits for what happens to events; it is reentrant, since a finaliser that the garbage
    collector runs in here may log an event.
    """

    def __init__(self, lock: threading.RLock, batch: int, interval_s: float) -> None:
        self.logged = 0
        """Events that were ever put."""
        self.dropped = 0
        """Of them, those given up because too many waited, because they came too late, or could not be spooled."""
        self._lock = lock
        self._arrived = threading.Condition(lock)
        self.batch = batch
        self._interval_s = interval_s
        self._lines: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._in_hand = 0
        self._hurry = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """Events that are in memory: queued, or in the hand of whoever takes them to the spool."""
        return len(self._lines) + self._in_hand

    def put(self, kind: str, line: bytes) -> None:
        """Queue an event; the oldest are dropped where there are too many bytes."""
        with self._lock:
            self.logged += 1
            if self._closed:
                self.dropped += 1
                return
            self._lines.append((kind, line))
            self._bytes += len(line)
            while self._bytes > QUEUE_BYTES and len(self._lines) > 1:
                self._bytes -= len(self._lines.popleft()[1])
                self.dropped += 1
            if len(self._lines) in (1, self.batch):
                self._arrived.notify()

    def take(self) -> list[tuple[str, bytes]]:
        """What is queued, once it is a batch, or old enough, or in a hurry; empty when there will be no more."""
        with self._lock:
            while not self._lines and not self._closed:
                self._arrived.wait()
            deadline = time.monotonic() + self._interval_s
            while len(self._lines) < self.batch and not self._hurry and not self._closed:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._arrived.wait(min(left, threading.TIMEOUT_MAX))
            lines = list(self._lines)
            self._lines.clear()
            self._bytes, self._in_hand, self._hurry = 0, len(lines), False
            return lines

    def taken(self, dropped: int = 0) -> None:
        """What was taken has reached the spool, but for so many."""
        with self._lock:
            self.dropped += dropped
            self._in_hand = 0

    def hurry(self) -> None:
        """What is queued now is to be taken at once."""
        with self._lock:
            self._hurry = bool(self._lines)
            self._arrived.notify_all()

    def close(self) -> None:
        """Events that come later are dropped."""
        with self._lock:
            self._closed = True
            self._arrived.notify_all()

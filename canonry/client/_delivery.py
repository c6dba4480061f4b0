"""Two daemon threads behind a product's back: one brings what is queued into the spool, one sends what is spooled.

They are two so that a service that hangs holds up sending alone: events go on reaching the disk, and the queue stays
short. A caller takes a lock for a moment, appends to a queue, and does no I/O.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from canonry.client import _ends
from canonry.client._logger import Once, note
from canonry.client._queue import Queue
from canonry.client._segment import batch_of, batches_of
from canonry.client._send import THREAD_NAME, Destination
from canonry.client._sender import Sender
from canonry.client._spool import Spool


@dataclass(frozen=True)
class Stats:
    """What became of the events of this process: each counts events."""

    queued: int = 0
    """In memory, on the way to the spool."""
    spooled: int = 0
    """In the spool, waiting to be sent; those that a dead process left are among them."""
    sent: int = 0
    """Taken by the service, or on disk in landing."""
    rejected: int = 0
    """Refused for good; one warning said why."""
    dropped: int = 0
    """Given up: the queue or the spool was full, nothing was configured, or they could not be written as JSON."""


class Delivery:
    """One process's queue, spool and threads for one destination. Nothing is opened before the first event."""

    def __init__(
        self, destination: Destination, open_spool: Callable[[], Spool], batch: int, interval_s: float
    ) -> None:
        self._open_spool = open_spool
        self._lock = threading.RLock()
        self._moved = threading.Condition(self._lock)
        self._once = Once()
        self._queue = Queue(self._lock, batch, interval_s)
        self._sender = Sender(destination, self._moved, self._once)
        self._spool: Spool | None = None
        self._threads: dict[str, threading.Thread] = {}
        self._starting = False
        self._closing = False
        self._ended = False
        self._leaving = False
        self._late = 0

    def put(self, kind: str, line: bytes) -> None:
        """Queue an event. Does no I/O, but for events of a process that is ending."""
        with self._lock:
            if _ends.left and (self._leaving or not self._closing):
                self._put_late(kind, line)
                return
            self._queue.put(kind, line)
            if len(self._threads) < 2 and not self._closing:
                self._start()

    def flush(self, timeout: float, *, leaving: bool = False) -> bool:
        """Wait until nothing logged before waits any more; `leaving` does not wait for a destination that is away."""
        deadline = time.monotonic() + timeout
        with self._lock:
            target = self._queue.logged
            self.hurry()
            while self._finished() < target:
                left = deadline - time.monotonic()
                if left <= 0 or self._ended or len(self._threads) < 2 or (leaving and self._sender.away and self._safe):
                    return False
                self._moved.wait(min(left, threading.TIMEOUT_MAX))
        return True

    def hurry(self) -> None:
        """Spool and send at once what there is; a destination that is away is tried once."""
        with self._lock:
            if self._queue.waiting and len(self._threads) < 2 and not self._closing:
                self._start()
            self._sender.try_now = True
            self._queue.hurry()
            self._moved.notify_all()

    def wait_for_spool(self, deadline: float) -> None:
        """Wait until what was logged before is on disk, where it can be; `deadline` is one of the monotonic clock."""
        with self._lock:
            target = self._queue.logged
            self._queue.hurry()
            while self._queue.logged - self._queue.waiting < target and "spool" in self._threads:
                left = deadline - time.monotonic()
                if left <= 0 or (self._spool is not None and self._spool.folder is None):
                    return
                self._moved.wait(left)

    def stats(self) -> Stats:
        """Counts of this moment."""
        spool = self._spool
        dropped = self._queue.dropped + (spool.dropped if spool else 0)
        spooled = self._late + (spool.events if spool else 0)
        return Stats(self._queue.waiting, spooled, self._sender.sent, self._sender.rejected, dropped)

    def close(self, timeout: float) -> bool:
        """Flush, then stop; what is not sent stays on disk for the next process."""
        return _ends.close_all([self], timeout)

    def leaving(self) -> None:
        """The process ends: events that come after `stop` are kept for the next one."""
        with self._lock:
            self._leaving = not self._closing

    def stop(self) -> None:
        """Take no more events. The threads end when they have sent what there is; does not wait for them."""
        with self._lock:
            self._closing = True
            self._queue.close()
            self._moved.notify_all()

    def stop_by(self, deadline: float) -> None:
        """Take no more events, and stop sending by then, or as soon as the destination is away."""
        with self._lock:
            self._sender.stop_at = min(self._sender.stop_at, deadline)
            self.stop()

    def join(self, deadline: float) -> None:
        """Wait for the threads, and do what is left where none could be started."""
        for thread in list(self._threads.values()):
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        if self._queue.waiting and "spool" not in self._threads:
            self._write_all()
        if self._spool is not None and "send" not in self._threads:
            self._end(self._spool.close)
        if lost := self._spool.volatile_events if self._spool else 0:
            note(logging.WARNING, "%d events were in memory alone when the process ended, and are lost", lost)

    def let_go(self) -> None:
        """After a fork, in the child: leave everything to the parent."""
        if self._spool is not None:
            self._spool.let_go()

    def _put_late(self, kind: str, line: bytes) -> None:
        # Threads end with the interpreter. What is logged while it ends goes to the disk at once, for the next process.
        spool = self._open_spool()
        spool.append(batch_of(kind, [line]))
        self._queue.logged += 1
        if spool.volatile_events or spool.dropped:
            self._queue.dropped += 1
        else:
            self._late += 1
        spool.close()

    @property
    def _safe(self) -> bool:
        return not self._queue.waiting and self._spool is not None

    def _finished(self) -> int:
        return self._queue.dropped + (self._spool.finished if self._spool else 0)

    def _start(self) -> None:
        """Start the threads that do not run yet. Where none can be had now, the next event tries again."""
        if self._starting:  # by a finaliser, in the midst of this
            return
        self._starting = True
        _ends.ACTIVE.add(self)
        try:
            for name, work in (("spool", self._write_all), ("send", self._send_all)):
                if name not in self._threads:
                    thread = threading.Thread(target=work, name=f"{THREAD_NAME}-{name}", daemon=True)
                    thread.start()
                    self._threads[name] = thread
        except RuntimeError as error:
            self._once.warn("threads", "events are kept in memory until a thread can be started: %s", error)
        finally:
            self._starting = False
        _ends.end_with_multiprocessing()

    def _write_all(self) -> None:
        spool = self._open_spool()
        with self._lock:
            self._spool = spool
            self._moved.notify_all()
        while lines := self._queue.take():
            dropped = 0
            try:
                for batch in batches_of(lines, self._queue.batch):
                    spool.append(batch, durable=self._sender.away)
            except Exception as error:
                dropped = len(lines)
                self._once.warn("spool", "events could not be spooled and are dropped: %s", type(error).__name__)
            if spool.problem:
                self._once.warn("disk", "events are kept in memory, their folder cannot be written: %s", spool.problem)
            if spool.dropped or self._queue.dropped:
                self._once.warn("full", "events were dropped, the oldest first: too many wait; stats() counts them")
            with self._lock:
                self._queue.taken(dropped)
                self._moved.notify_all()
        with self._lock:
            self._sender.no_more = True
            self._moved.notify_all()

    def _send_all(self) -> None:
        with self._lock:
            while self._spool is None:
                self._moved.wait()
            spool = self._spool
        self._end(lambda: self._sender.run(spool))

    def _end(self, last: Callable[[], None]) -> None:
        try:
            last()
        finally:
            _ends.ACTIVE.discard(self)
            with self._lock:
                self._ended = True
                self._moved.notify_all()

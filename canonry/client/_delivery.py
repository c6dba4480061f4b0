"""Two daemon threads behind a product's back: one brings what is queued into the spool, one sends what is spooled.

They are two so that a service that hangs holds up sending alone: events go on reaching the disk, and the queue stays
short. A caller takes a lock for a moment, appends to a queue, and does no I/O.
"""

from __future__ import annotations

import contextlib
import gzip
import logging
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from canonry.client._segment import Batch, batch_of, batches_of
from canonry.client._send import THREAD_NAME, Away, Destination, Refused, Taken
from canonry.client._spool import Spool

QUEUE_BYTES = 16 << 20
"""Bytes of events that may wait in memory before the oldest are dropped: a disk that hangs lets it come to that."""

ADOPT_SECONDS = 30.0
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 60.0
EXIT_SECONDS = 2.0
JOIN_SECONDS = 1.0

logger = logging.getLogger("canonry.client")


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
        self._destination = destination
        self._open_spool = open_spool
        self._batch = batch
        self._interval_s = interval_s
        # Reentrant, since a finaliser that the garbage collector runs in here may log an event.
        self._lock = threading.RLock()
        self._arrived = threading.Condition(self._lock)
        self._moved = threading.Condition(self._lock)
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queued_bytes = 0
        self._in_hand = 0
        self._logged = 0
        self._overflowed = 0
        self._sent = 0
        self._rejected = 0
        self._spool: Spool | None = None
        self._threads: list[threading.Thread] = []
        self._hurry = False
        self._try_now = False
        self._away = False
        self._closing = False
        self._stop_at = 0.0
        self._written = False
        self._warned: set[str] = set()

    def put(self, kind: str, line: bytes) -> None:
        """Queue an event. Does no I/O."""
        with self._lock:
            self._logged += 1
            if self._closing or not (self._threads or self._start()):
                self._overflowed += 1
                return
            self._queue.append((kind, line))
            self._queued_bytes += len(line)
            while self._queued_bytes > QUEUE_BYTES and len(self._queue) > 1:
                self._queued_bytes -= len(self._queue.popleft()[1])
                self._overflowed += 1
            if len(self._queue) in (1, self._batch):
                self._arrived.notify()

    def flush(self, timeout: float, *, leaving: bool = False) -> bool:
        """Wait until nothing logged before waits any more; `leaving` does not wait for a destination that is away."""
        deadline = time.monotonic() + timeout
        with self._lock:
            target = self._logged
            self._hurry, self._try_now = bool(self._queue), True
            self._arrived.notify_all()
            self._moved.notify_all()
            while self._finished() < target:
                left = deadline - time.monotonic()
                safe = not self._queue and not self._in_hand and self._spool is not None
                if left <= 0 or (leaving and self._away and safe):
                    return False
                self._moved.wait(left)
        return True

    def stats(self) -> Stats:
        """Counts of this moment."""
        spool = self._spool
        dropped = self._overflowed + (spool.dropped if spool else 0)
        queued = len(self._queue) + self._in_hand
        return Stats(queued, spool.events if spool else 0, self._sent, self._rejected, dropped)

    def close(self, timeout: float) -> bool:
        """Flush, then stop; what is not sent stays on disk for the next process."""
        if self._closing:
            return self._finished() >= self._logged
        done = self.flush(timeout, leaving=True)
        with self._lock:
            self._closing, self._stop_at = True, time.monotonic() + JOIN_SECONDS
            self._arrived.notify_all()
            self._moved.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(JOIN_SECONDS)
        if lost := self._spool.volatile_events if self._spool else 0:
            logger.warning("%d events were in memory alone when the process ended, and are lost", lost)
        return done

    def let_go(self) -> None:
        """After a fork, in the child: leave everything to the parent."""
        if self._spool is not None:
            self._spool.let_go()

    def _finished(self) -> int:
        return self._overflowed + (self._spool.finished if self._spool else 0)

    def _start(self) -> bool:
        """Start the threads; False where the interpreter is past starting any."""
        threads = [
            threading.Thread(target=work, name=f"{THREAD_NAME}-{name}", daemon=True)
            for name, work in (("spool", self._write_all), ("send", self._send_all))
        ]
        try:
            for thread in threads:
                thread.start()
                self._threads.append(thread)
        except RuntimeError:
            return False
        # The children that multiprocessing forks end without the handlers of `atexit`.
        if util := sys.modules.get("multiprocessing.util"):
            util.Finalize(None, self.close, args=(EXIT_SECONDS,), exitpriority=10)
        return True

    def _write_all(self) -> None:
        with self._lock:
            self._spool = self._open_spool()
            self._moved.notify_all()
        while lines := self._take():
            try:
                for batch in batches_of(lines, self._batch):
                    self._spool.append(batch, durable=self._away)
            except Exception as error:
                self._overflowed += len(lines)
                self._warn("spool", "events could not be spooled and are dropped: %s", type(error).__name__)
            if self._spool.problem:
                self._warn("disk", "events are kept in memory, their folder cannot be written: %s", self._spool.problem)
            if self._spool.dropped or self._overflowed:
                self._warn("full", "events were dropped, the oldest first: too many wait; stats() counts them")
            with self._lock:
                self._in_hand = 0
                self._moved.notify_all()
        with self._lock:
            self._written = True
            self._moved.notify_all()

    def _take(self) -> list[tuple[str, bytes]]:
        """What is queued, once it is a batch, or old enough, or in a hurry; empty when there will be no more."""
        with self._lock:
            while not self._queue and not self._closing:
                self._arrived.wait()
            deadline = time.monotonic() + self._interval_s
            while len(self._queue) < self._batch and not self._hurry and not self._closing:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._arrived.wait(left)
            lines = list(self._queue)
            self._queue.clear()
            self._queued_bytes, self._in_hand, self._hurry = 0, len(lines), False
            return lines

    def _send_all(self) -> None:
        _suppress_tracing()
        with self._lock:
            while self._spool is None:
                self._moved.wait(self._interval_s)
        spool = self._spool
        spool.adopt()
        failures = 0
        while not self._must_stop():
            first = spool.first()
            if first is None:
                if not self._wait_for_work(spool):
                    break
                continue
            try:
                taken = self._deliver(first.batch)
            except Exception as error:
                failures += 1
                self._note_away(error)
                self._wait_to_retry(failures, error.retry_after if isinstance(error, Away) else None)
                continue
            if failures:
                failures = 0
                logger.info("events are being sent again")
            with self._lock:
                self._away = False
                self._warned.discard("away")
                self._sent += taken.accepted
                self._rejected += taken.rejected
            # Not under the lock, which whoever logs takes: a spool that is writing to a slow disk holds its own.
            spool.done(first)
            with self._lock:
                self._moved.notify_all()
            if taken.rejected:
                self._warn("rejected", "events were rejected: %s; stats() counts them", taken.reason)
        spool.close()

    def _must_stop(self) -> bool:
        return self._closing and self._written and (self._away or time.monotonic() > self._stop_at)

    def _deliver(self, batch: Batch) -> Taken:
        """Send a batch, in halves where it is too large. Raises Away."""
        try:
            return self._destination.send(batch)
        except Refused as error:
            if error.too_large and batch.events > 1:
                lines = gzip.decompress(batch.body).split(b"\n")
                middle = len(lines) // 2
                halves = [self._deliver(batch_of(batch.kind, half)) for half in (lines[:middle], lines[middle:])]
                reason = next((half.reason for half in halves if half.rejected), "")
                return Taken(sum(half.accepted for half in halves), sum(half.rejected for half in halves), reason)
            if self._spool is not None:
                self._spool.keep_aside(batch)
            return Taken(0, batch.events, str(error))

    def _wait_for_work(self, spool: Spool) -> bool:
        """Wait for a batch, looking after the dead now and then; False when no more will come."""
        with self._lock:
            self._try_now = False
            self._moved.notify_all()
            if spool.events:
                return True
            if self._written:
                return False
            woken = self._moved.wait(ADOPT_SECONDS)
        if not woken:
            spool.adopt()
        return True

    def _wait_to_retry(self, failures: int, retry_after: float | None) -> None:
        longest = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(failures - 1, 20))
        wait = longest * random.uniform(0.5, 1.0) if retry_after is None else retry_after * random.uniform(1.0, 1.1)
        deadline = time.monotonic() + wait
        with self._lock:
            self._away = True
            self._moved.notify_all()
            while (left := deadline - time.monotonic()) > 0 and not self._must_stop():
                # A flush tries at once, unless the service itself said when to come back.
                if self._try_now and retry_after is None:
                    break
                self._moved.wait(left)
            self._try_now = False

    def _note_away(self, error: Exception) -> None:
        said = str(error) if isinstance(error, Away) else type(error).__name__
        self._warn("away", "events are kept and will be sent when they can be: %s", said)

    def _warn(self, about: str, message: str, *values: object) -> None:
        if about not in self._warned:
            self._warned.add(about)
            with contextlib.suppress(Exception):
                logger.warning(message, *values)


def _suppress_tracing() -> None:
    """Where the product traces its HTTP requests with OpenTelemetry, ours are not among them."""
    context = sys.modules.get("opentelemetry.context")
    if context is not None:
        with contextlib.suppress(Exception):
            context.attach(context.set_value("suppress_instrumentation", True))

"""From the spool to the destination: in order, again and again while it is away, and not for ever what it refuses."""

from __future__ import annotations

import contextlib
import gzip
import logging
import math
import random
import sys
import threading
import time

from canonry.client._logger import Once, note
from canonry.client._segment import Batch, batch_of
from canonry.client._send import Away, Destination, Refused, Taken
from canonry.client._spool import Spool

ADOPT_SECONDS = 30.0
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 60.0


class Sender:
    """Sends what is spooled, in a thread of its own. `moved` is told whenever something has become of an event."""

    def __init__(self, destination: Destination, moved: threading.Condition, once: Once) -> None:
        self.sent = 0
        self.rejected = 0
        self.away = False
        """The last attempt failed, and nothing has been taken since."""
        self.try_now = False
        """Somebody waits: a destination that is away is to be tried at once."""
        self.no_more = False
        """Nothing will be spooled any more."""
        self.stop_at = math.inf
        """When to stop in the midst of sending, once there is no more."""
        self._destination = destination
        self._moved = moved
        self._once = once
        self._adopt_at = 0.0

    def run(self, spool: Spool) -> None:
        """Send until there will be no more, or it is time to stop; then close the destination and the spool."""
        _suppress_tracing()
        failures = 0
        try:
            while not self._must_stop(spool):
                try:
                    if not self._send_one(spool):
                        break
                except Exception as error:
                    failures += 1
                    said = str(error) if isinstance(error, Away) else type(error).__name__
                    self._once.warn("away", "events are kept and will be sent when they can be: %s", said)
                    self._wait_to_retry(spool, failures, error.retry_after if isinstance(error, Away) else None)
                    continue
                if failures and not self.away:
                    failures = 0
                    note(logging.INFO, "events are being sent again")
        finally:
            spool.close()
            with contextlib.suppress(Exception):
                self._destination.close()

    def _send_one(self, spool: Spool) -> bool:
        """Send the oldest batch, or wait for one; False when no more will come. Raises Away.

        Looks after the dead at first, and then now and then, however much there is to send.
        """
        if time.monotonic() >= self._adopt_at:
            self._adopt_at = time.monotonic() + ADOPT_SECONDS
            spool.adopt()
        first = spool.first()
        if first is None:
            return self._wait_for_work(spool)
        taken = self._deliver(first.batch, spool)
        with self._moved:
            self.away = False
            self.sent += taken.accepted
            self.rejected += taken.rejected
        self._once.over("away")
        # Not under the lock, which whoever logs takes: a spool that is writing to a slow disk holds its own.
        spool.done(first)
        with self._moved:
            self._moved.notify_all()
        if taken.rejected:
            self._once.warn("rejected", "events were rejected: %s; stats() counts them", taken.reason)
        return True

    def _deliver(self, batch: Batch, spool: Spool) -> Taken:
        """Send a batch, in halves where it is too large. Raises Away."""
        try:
            return self._destination.send(batch)
        except Refused as error:
            if error.too_large and batch.events > 1:
                lines = gzip.decompress(batch.body).split(b"\n")
                middle = len(lines) // 2
                halves = (batch_of(batch.kind, half) for half in (lines[:middle], lines[middle:]))
                taken = [self._deliver(half, spool) for half in halves]
                reason = next((half.reason for half in taken if half.rejected), "")
                return Taken(sum(half.accepted for half in taken), sum(half.rejected for half in taken), reason)
            spool.keep_aside(batch)
            return Taken(0, batch.events, str(error))

    def _must_stop(self, spool: Spool) -> bool:
        if not self.no_more:
            return False
        # What is on disk alone is left to the next process as soon as it cannot be sent.
        return time.monotonic() > self.stop_at or (self.away and (self.stop_at < math.inf or not spool.volatile_events))

    def _wait_for_work(self, spool: Spool) -> bool:
        """Wait for a batch, or until the dead are to be looked after; False when no more will come."""
        with self._moved:
            self.try_now = False
            self._moved.notify_all()
            if spool.events:
                return True
            if self.no_more:
                return False
            self._moved.wait(max(0.0, self._adopt_at - time.monotonic()))
        return True

    def _wait_to_retry(self, spool: Spool, failures: int, retry_after: float | None) -> None:
        deadline = time.monotonic() + pause(failures, retry_after)
        with self._moved:
            self.away = True
            self._moved.notify_all()
            while (left := deadline - time.monotonic()) > 0 and not self._must_stop(spool):
                # A flush tries at once, unless the service itself said when to come back.
                if self.try_now and retry_after is None:
                    break
                self._moved.wait(left)
            self.try_now = False


def pause(failures: int, retry_after: float | None) -> float:
    """Seconds until the next attempt after so many that failed: twice as long each time, and never sooner than asked.

    Spread at random, so that many products do not come back at one moment.
    """
    longest = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(failures - 1, 20))
    own = longest * random.uniform(0.5, 1.0)
    # A service that says 0 is not to be asked in a loop.
    return own if retry_after is None else max(own, retry_after * random.uniform(1.0, 1.1))


def _suppress_tracing() -> None:
    """Where the product traces its HTTP requests with OpenTelemetry, ours are not among them."""
    context = sys.modules.get("opentelemetry.context")
    if context is not None:
        with contextlib.suppress(Exception):
            context.attach(context.set_value("suppress_instrumentation", True))

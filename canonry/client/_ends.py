"""The end of this process, and its forks: what is to become of events that are on their way."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canonry.client._delivery import Delivery

EXIT_SECONDS = 2.0
"""How long the end of a process waits for events to be sent, whatever number of logs it has."""

JOIN_SECONDS = 1.0
"""How long after that it waits for the threads: what is not on disk then is lost."""

FORK_SECONDS = 1.0
"""How long a fork waits at most for what is queued to reach the spool."""

ACTIVE: set[Delivery] = set()
"""Those that have events, or threads: from their first event until they have ended."""

left = False
"""The end of this process has begun."""

_finalizer: Any = None


def close_all(deliveries: Sequence[Delivery], timeout: float) -> bool:
    """Close all of them at one time, and not one after the other; True where nothing waits any more."""
    deadline = time.monotonic() + timeout
    for delivery in deliveries:
        delivery.hurry()
    done = [delivery.flush(deadline - time.monotonic(), leaving=True) for delivery in deliveries]
    deadline = time.monotonic() + JOIN_SECONDS
    for delivery in deliveries:
        delivery.stop_by(deadline)
    for delivery in deliveries:
        delivery.join(deadline)
    return all(done)


def leave() -> None:
    """At the end of a process: send what can be sent, and leave the rest on disk."""
    global left
    left, deliveries = True, list(ACTIVE)
    for delivery in deliveries:
        delivery.leaving()
    close_all(deliveries, EXIT_SECONDS)


def before_fork() -> None:
    """Bring what is queued to the disk: whoever forks may end at once, and without a word."""
    deadline = time.monotonic() + FORK_SECONDS
    for delivery in list(ACTIVE):
        delivery.wait_for_spool(deadline)


def after_fork() -> None:
    """In the child: what was at work is the parent's."""
    global left
    left, deliveries = False, list(ACTIVE)
    ACTIVE.clear()
    for delivery in deliveries:
        delivery.let_go()


def end_with_multiprocessing() -> None:
    """The children that multiprocessing forks end without the handlers of `atexit`."""
    global _finalizer
    util = sys.modules.get("multiprocessing.util")
    if util and not (_finalizer and _finalizer.still_active()):
        _finalizer = util.Finalize(None, leave, exitpriority=10)

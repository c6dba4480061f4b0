"""What forks need: locks that are free in the child, and work that is not cut in two.

A thread of the parent is not in the child: neither to release a lock that it held, nor to end an import it had begun.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Iterator
from types import TracebackType

FORK_SECONDS = 5.0
"""How long a fork waits at most for what is `unforked`."""


class OwnLock:
    """A reentrant lock of this process alone. Take it with `with`, around nothing that forks."""

    def __init__(self) -> None:
        self.renew()
        _ALL.add(self)

    def renew(self) -> None:
        """Forget who holds it: in a child, before anything else runs there."""
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


@contextlib.contextmanager
def unforked() -> Iterator[None]:
    """What is in here is over before another thread forks: an import that a fork cuts off never ends in the child.

    Threads may be in here at one time, so that none waits for another that waits for an import of its.
    """
    gate = _gate
    with gate.changed:
        gate.inside.append(threading.get_ident())
    try:
        yield
    finally:
        with gate.changed:
            gate.inside.remove(threading.get_ident())
            gate.changed.notify_all()


class _Gate:
    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.inside: list[int] = []
        self.held = threading.local()

    def shut(self) -> None:
        """Wait until no other thread is inside, and keep all out; both for a while only."""
        deadline = time.monotonic() + FORK_SECONDS
        own = threading.get_ident()
        self.held.by_us = self.changed.acquire(timeout=FORK_SECONDS)
        while self.held.by_us and any(each != own for each in self.inside):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self.changed.wait(left)

    def open(self) -> None:
        if getattr(self.held, "by_us", False):
            self.held.by_us = False
            self.changed.release()


_gate = _Gate()

_ALL: weakref.WeakSet[OwnLock] = weakref.WeakSet()


def _begin_again() -> None:
    global _gate
    _gate = _Gate()
    for lock in list(_ALL):
        lock.renew()


os.register_at_fork(before=lambda: _gate.shut(), after_in_parent=lambda: _gate.open(), after_in_child=_begin_again)

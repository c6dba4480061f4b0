"""Locks that a fork leaves free: a thread of the parent that held one is not there in the child to release it."""

from __future__ import annotations

import os
import threading
import weakref
from types import TracebackType


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


_ALL: weakref.WeakSet[OwnLock] = weakref.WeakSet()


def _renew_all() -> None:
    for lock in list(_ALL):
        lock.renew()


os.register_at_fork(after_in_child=_renew_all)

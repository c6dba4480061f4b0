"""One worker at a time, on whichever machine: a lease in a storage that must be renewed to be kept.

No two clocks are compared. Who waits takes a lease over only after watching it stay the same for SECONDS by its own
clock; who holds one renews it three times as often, and knows by its own clock when it may have been taken for dead.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from canonry.storage._seam import Conflict, NotFound, Storage, StorageError

SECONDS = 60.0
"""A holder that did not renew for so long is taken for dead."""

_FREE = b"{}\n"


class LeaseError(StorageError):
    """A lease is another's; the message says whose."""


@dataclass
class Lease:
    """A lease that is held. `check` before anything that must not be done twice."""

    storage: Storage
    path: str
    holder: str
    seconds: float
    clock: Callable[[], float]
    _etag: str | None = None
    _renewed: float = 0.0
    _lost: bool = False
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Raises LeaseError where another may have taken the lease over."""
        if self._lost or self.clock() - self._renewed >= self.seconds:
            raise LeaseError(
                f"{self.storage.url}/{self.path}: {self.holder} held it, did not renew it in time, and must stop"
            )

    def renew(self) -> None:
        """Say that the holder lives. Raises Conflict where another took the lease over, and StorageError."""
        with self._mutex:
            began = self.clock()
            beat = {"holder": self.holder, "beat": secrets.token_hex(8)}
            self.storage.put_if_match(self.path, _bytes(beat), self._etag)
            self._etag = _etag_of(self.storage, self.path, _bytes(beat))
            self._renewed = began

    def give_back(self) -> None:
        """Let the next one have it at once, where it is still ours."""
        with self._mutex:
            try:
                self.storage.put_if_match(self.path, _FREE, self._etag)
            except StorageError:
                return  # taken over, or out of reach: it is left to be found dead


@contextmanager
def leased(
    storage: Storage,
    path: str,
    holder: str,
    *,
    patience: float,
    waiting: Callable[[str], None] = lambda said: None,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Lease]:
    """Hold the lease at a path while the work inside lasts, renewed by a thread.

    Waits at most `patience` seconds for a living holder, and tells `waiting` once. Raises LeaseError, StorageError.
    """
    lease = Lease(storage, path, holder, seconds, clock)
    _acquire(lease, patience, waiting, sleep)
    over = threading.Event()
    renewing = threading.Thread(target=_keep_renewing, args=(lease, over), daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        over.set()
        renewing.join()
        lease.give_back()


def _acquire(lease: Lease, patience: float, waiting: Callable[[str], None], sleep: Callable[[float], None]) -> None:
    since = seen_at = lease.clock()
    seen: str | None = None
    told = False
    while True:
        there = lease.storage.head(lease.path)
        now = lease.clock()
        if there is None or there.etag != seen:
            seen, seen_at = (there.etag if there else None), now
        other = _holder(lease.storage, lease.path) if there else None
        if other is None or now - seen_at >= lease.seconds:
            try:
                lease._etag = seen
                return lease.renew()
            except Conflict:
                continue
        if now - since >= patience:
            raise LeaseError(f"{lease.storage.url}/{lease.path}: {other} works on it; run again later")
        if not told:
            waiting(other)
            told = True
        sleep(lease.seconds / 12)


def _keep_renewing(lease: Lease, over: threading.Event) -> None:
    while not over.wait(lease.seconds / 3):
        try:
            lease.renew()
        except Conflict:
            lease._lost = True
            return
        except (OSError, StorageError):
            continue  # tried again; `check` says when it has been too long


def _holder(storage: Storage, path: str) -> str | None:
    try:
        found = json.loads(storage.read(path))
    except NotFound:
        return None
    return found.get("holder")


def _etag_of(storage: Storage, path: str, data: bytes) -> str | None:
    there = storage.head(path)
    if there is None or storage.read(path) != data:
        raise Conflict(f"{storage.url}/{path}: taken over by another")
    return there.etag


def _bytes(document: dict[str, str]) -> bytes:
    return json.dumps(document, sort_keys=True).encode() + b"\n"

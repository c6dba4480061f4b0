"""Keeping up with a channel: looked at now and then, beside whatever uses it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from canonry.client._logger import note
from canonry.forked import OwnLock

if TYPE_CHECKING:
    from canonry.release import Release
    from canonry.storage import Storage

LONGEST_SECONDS = 120.0
"""Between two looks that fail."""

T = TypeVar("T")


class Followed(Generic[T]):
    """What `read` makes of the release at a channel, or with a version: opened when first asked for.

    `refresh` opens what a move of the channel brings, and puts it in the place of what was there, which stays valid for
    whoever has it. It is called beside `value` every `seconds`, unless these are 0. `read` is also given what its
    result will replace, so that it can make ready what that had ready.
    """

    def __init__(
        self,
        published: Storage,
        kind: str,
        name: str,
        which: str,
        read: Callable[[Release, T | None], T],
        seconds: float = 0.0,
    ) -> None:
        from canonry.release import is_version

        self._published = published
        self._thing = (kind, name)
        self._which = which
        self._read = read
        self._moves = not is_version(which)
        self._opening = OwnLock()
        self._open: tuple[str, T] | None = None
        follows = seconds and self._moves
        self._follower = Follower(self.refresh, seconds, f"{kind}/{name} {which}") if follows else None

    @property
    def is_open(self) -> bool:
        return self._open is not None

    def value(self) -> T:
        """What is open. Raises NotReleased, or as `read`, where it must be opened first."""
        found = self._open
        if found is None:
            with self._opening:
                found = self._open
                if found is None:
                    found = self._open = self._opened(self._which, None)
        elif self._follower:
            self._follower.used()
        return found[1]

    def refresh(self) -> bool:
        """Look where the channel points, and open that; True where it has moved. Raises as `value`, and changes nothing
        then.
        """
        from canonry.release import last_move

        with self._opening:
            before = self._open
            move = last_move(self._published, *self._thing, self._which) if before and self._moves else None
            if before is None or move is None or move.version == before[0]:
                return False
            # One assignment: whoever asks has either, and has it whole.
            self._open = self._opened(move.version, before[1])
        return True

    def _opened(self, which: str, before: T | None) -> tuple[str, T]:
        from canonry.release import resolve

        release = resolve(self._published, *self._thing, which)
        return release.version, self._read(release, before)


class Follower:
    """Calls `refresh` in a thread of its own when it is used and `seconds` have passed since it last did.

    No thread waits in between, so that nothing is left behind by a fork. A refresh that fails is logged and tried
    again after `seconds`, then after twice as long, and so on up to LONGEST_SECONDS.
    """

    def __init__(self, refresh: Callable[[], bool], seconds: float, what: str) -> None:
        self._refresh = refresh
        self._seconds = seconds
        self._what = what
        self._failures = 0
        self._due = time.monotonic() + seconds
        self._busy = threading.Lock()
        self._process = os.getpid()

    def used(self) -> None:
        """Say that it is used: costs a look at the clock."""
        if time.monotonic() < self._due:
            return
        if self._process != os.getpid():
            # A lock that another thread of the parent held is never released here.
            self._process, self._busy = os.getpid(), threading.Lock()
        if self._busy.acquire(blocking=False):
            try:
                threading.Thread(target=self._look, name="canonry-follow", daemon=True).start()
            except RuntimeError as error:
                # No thread can be had now, as at the end of a process; that is no reason to fail a search.
                self._done(error)

    def _look(self) -> None:
        failure: Exception | None = None
        try:
            self._refresh()
        except Exception as error:  # whatever it is, the version that is open goes on answering
            failure = error
        self._done(failure)

    def _done(self, failure: Exception | None) -> None:
        if failure is None:
            self._failures = 0
        else:
            self._failures += 1
            note(logging.WARNING, "%s cannot be refreshed and stays as it is: %s", self._what, failure)
        wait = self._seconds * 2 ** min(self._failures, 20)
        self._due = time.monotonic() + min(wait, max(self._seconds, LONGEST_SECONDS))
        self._busy.release()

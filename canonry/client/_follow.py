"""Keeping up with a channel: looked at now and then, beside whatever uses it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from canonry.client._logger import note
from canonry.forked import OwnLock

if TYPE_CHECKING:
    from canonry.release import Arm, Move, Release
    from canonry.storage import Storage

LONGEST_SECONDS = 120.0
"""Between two looks that fail."""

T = TypeVar("T")


@dataclass(frozen=True)
class _Open(Generic[T]):
    """What is open at one moment: by version, and the pointer that says who gets which; None of a version."""

    move: Move | None
    things: dict[str, T]


class Followed(Generic[T]):
    """What `read` makes of the release at a channel, or with a version: opened when first asked for.

    `refresh` opens what a move of the channel brings, and puts it in the place of what was there, which stays valid for
    whoever has it; what was yanked is given to nobody any more. It is called beside `value` every `seconds`, unless
    these are 0. `read` is also given what its result will replace, so that it can make ready what that had ready.

    `caller`: for whom it is, where a channel has a canary. Where `served` is told the caller each time, both arms are
    kept open.
    """

    def __init__(
        self,
        published: Storage,
        kind: str,
        name: str,
        which: str,
        read: Callable[[Release, T | None], T],
        seconds: float = 0.0,
        caller: str | None = None,
    ) -> None:
        from canonry.release import is_version

        self._published = published
        self._thing = (kind, name)
        self._which = which
        self._read = read
        self._caller = caller
        self._many = False
        self._moves = not is_version(which)
        self._opening = OwnLock()
        self._open: _Open[T] | None = None
        self._follower = Follower(self.refresh, seconds, f"{kind}/{name} {which}") if seconds else None

    @property
    def is_open(self) -> bool:
        return self._open is not None

    def value(self) -> T:
        """What is open. Raises NotReleased, Withdrawn, or as `read`, where it must be opened first."""
        return self.served()[0]

    def served(self, caller: str | None = None) -> tuple[T, Arm | None]:
        """What this caller gets, and their arm, None where there is no canary. Raises as `value`."""
        self._many |= caller is not None
        caller = caller or self._caller
        if self._open is not None and self._follower:
            self._follower.used()
        while True:
            found = self._open
            if found is not None:
                version = found.move.version_for(caller) if found.move else self._which
                if version in found.things:
                    return found.things[version], found.move.arm_of(caller) if found.move else None
            with self._opening:
                if self._open is found:
                    move = found.move if found else self._pointer()
                    version = move.version_for(caller) if move else self._which
                    self._open = _Open(move, self._with(version, found.things if found else {}))

    def refresh(self) -> bool:
        """Look where the channel points, and open that; True where it has moved. Raises as `value`, and changes nothing
        then, unless what is open was yanked: whoever asks next is told so.
        """
        with self._opening:
            before = self._open
            if before is None:
                return False
            move = self._pointer()
            wanted = self._wanted(move)
            self._leave_yanked(wanted & before.things.keys())
            things = dict(before.things)
            for version in wanted:
                things = self._with(version, things)
            # One assignment: whoever asks has either, and has it whole.
            self._open = _Open(move, {version: things[version] for version in wanted})
            return wanted != before.things.keys()

    def _wanted(self, move: Move | None) -> set[str]:
        if move is None:
            return {self._which}
        both = {move.version, move.canary.version} if self._many and move.canary else set()
        return both or {move.version_for(self._caller)}

    def _pointer(self) -> Move | None:
        from canonry.release import in_force, resolve

        if not self._moves:
            return None
        move = in_force(self._published, *self._thing, self._which)
        if move is None:
            resolve(self._published, *self._thing, self._which)
        return move

    def _with(self, version: str, things: dict[str, T]) -> dict[str, T]:
        from canonry.release import resolve

        if version in things:
            return things
        release = resolve(self._published, *self._thing, version)
        return {**things, version: self._read(release, next(iter(things.values()), None))}

    def _leave_yanked(self, versions: Collection[str]) -> None:
        from canonry.release import is_yanked, resolve

        for version in versions:
            if is_yanked(self._published, *self._thing, version):
                self._open = None
                resolve(self._published, *self._thing, version)


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

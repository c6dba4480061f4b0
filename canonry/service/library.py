"""Releases that are open to be handed out: the newest of each channel, exchanged without anybody waiting."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from canonry import release
from canonry.client._follow import Followed
from canonry.client._opened import Opened
from canonry.release import Arm, NotReleased, Release
from canonry.storage import Storage

FOLLOW_SECONDS = 1.0
AUDIENCES_SECONDS = 10.0
_KEPT = 64
"""Things kept open by name; the longest unused is closed first."""

T = TypeVar("T")


class Library:
    """Indexes, and whatever else is read from releases, open by name and channel or version. Used by many threads."""

    def __init__(self, published: Storage, *, encoder_threads: int = 1, follow_seconds: float = FOLLOW_SECONDS) -> None:
        self.published = published
        self.encoder_threads = encoder_threads
        self._follow_seconds = follow_seconds
        self._shelf: OrderedDict[tuple[str, str, str], Followed[Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._audiences: dict[str, tuple[float, tuple[str, ...]]] = {}

    def index(self, name: str, which: str, caller: str | None = None) -> tuple[Opened, Arm | None]:
        """The index that a caller gets at a channel, or with a version, and the caller's arm where there is a canary.

        Raises NotReleased, ReleaseError, EncoderError.
        """
        return self.served("indexes", name, which, Opened, caller)

    def audiences(
        self, name: str, which: str, access: Collection[str], caller: str | None = None
    ) -> list[tuple[Opened, Arm | None]]:
        """What a reader with these tags may be shown of an index beside what everybody may: a release an audience.

        Their names are looked for again at most every AUDIENCES_SECONDS. Nothing is looked for without a tag.
        """
        if not access:
            return []
        found = []
        for each in self._names_under(name):
            try:
                opened = self.index(each, which, caller)
            except NotReleased:
                continue
            about = opened[0].manifest.metadata
            if about.get("index") == name and set(about.get("access") or ()) <= set(access):
                found.append(opened)
        return found

    def _names_under(self, name: str) -> tuple[str, ...]:
        known = self._audiences.get(name)
        if known is None or known[0] < time.monotonic():
            names = tuple(each for each in release.names(self.published, "indexes") if each.startswith(f"{name}."))
            known = self._audiences[name] = (time.monotonic() + AUDIENCES_SECONDS, names)
        return known[1]

    def get(self, kind: str, name: str, which: str, read: Callable[[Release], T]) -> T:
        """What `read` makes of the release at a channel, or with a version; read once for each. Raises as `read`.

        A channel is looked at again at most every `follow_seconds`, beside this call. What a move brings is read whole
        before it takes the place of what was there, which stays valid for whoever has it.
        """
        return self.served(kind, name, which, lambda release, _: read(release))[0]

    def served(
        self, kind: str, name: str, which: str, read: Callable[[Release, T | None], T], caller: str | None = None
    ) -> tuple[T, Arm | None]:
        """`get` for a caller, whose arm is told where the channel has a canary. `read` also gets what it replaces."""
        key = (kind, name, which)
        with self._lock:
            followed = self._shelf.get(key)
            if followed is None:
                followed = self._shelf[key] = Followed(self.published, *key, read, self._follow_seconds)
                if len(self._shelf) > _KEPT:
                    self._shelf.popitem(last=False)
            self._shelf.move_to_end(key)
        try:
            return followed.served(caller)
        except BaseException:
            with self._lock:
                # What is not there takes no place from what is.
                if self._shelf.get(key) is followed and not followed.is_open:
                    del self._shelf[key]
            raise

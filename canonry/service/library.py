"""Releases that are open to be handed out: the newest of each channel, exchanged without anybody waiting."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from canonry.client._follow import Follower
from canonry.client._opened import Opened
from canonry.release import Release, last_move, resolve
from canonry.storage import Storage

FOLLOW_SECONDS = 1.0
_KEPT = 64
"""Things kept open by name; the longest unused is closed first."""

T = TypeVar("T")


class Library:
    """Indexes, and whatever else is read from releases, open by name and channel or version. Used by many threads."""

    def __init__(self, published: Storage, *, encoder_threads: int = 1, follow_seconds: float = FOLLOW_SECONDS) -> None:
        self.published = published
        self.encoder_threads = encoder_threads
        self._follow_seconds = follow_seconds
        self._shelf: OrderedDict[tuple[str, str, str], _Followed[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def index(self, name: str, which: str) -> Opened:
        """The index at a channel, or with a version. Raises NotReleased, ReleaseError, EncoderError."""
        return self.get("indexes", name, which, Opened)

    def get(self, kind: str, name: str, which: str, read: Callable[[Release], T]) -> T:
        """What `read` makes of the release at a channel, or with a version; read once for each. Raises as `read`.

        A channel is looked at again at most every `follow_seconds`, beside this call. What a move brings is read whole
        before it takes the place of what was there, which stays valid for whoever has it.
        """
        key = (kind, name, which)
        with self._lock:
            followed = self._shelf.get(key)
            if followed is None:
                followed = self._shelf[key] = _Followed(self, key, read)
                if len(self._shelf) > _KEPT:
                    self._shelf.popitem(last=False)
            self._shelf.move_to_end(key)
        try:
            return followed.value()
        except BaseException:
            with self._lock:
                # What is not there takes no place from what is.
                if self._shelf.get(key) is followed and not followed.is_open:
                    del self._shelf[key]
            raise


class _Followed(Generic[T]):
    """One thing at a channel or version."""

    def __init__(self, library: Library, key: tuple[str, str, str], read: Callable[[Release], T]) -> None:
        self._library = library
        self._key = key
        self._read = read
        self._opening = threading.Lock()
        self._open: tuple[str, T] | None = None
        self._follower = Follower(self._refresh, library._follow_seconds, " ".join(key))

    @property
    def is_open(self) -> bool:
        return self._open is not None

    def value(self) -> T:
        found = self._open
        if found is None:
            with self._opening:
                found = self._open
                if found is None:
                    found = self._open = self._read_release(resolve(self._library.published, *self._key))
        else:
            self._follower.used()
        return found[1]

    def _refresh(self) -> bool:
        move = last_move(self._library.published, *self._key)
        if self._open is None or move is None or move.version == self._open[0]:
            return False
        kind, name, _ = self._key
        found = self._read_release(resolve(self._library.published, kind, name, move.version))
        before = self._open[1]
        if isinstance(before, Opened) and before.has_encoder_loaded and isinstance(found[1], Opened):
            found[1].text_encoder(self._library.encoder_threads)
        self._open = found
        return True

    def _read_release(self, release: Release) -> tuple[str, T]:
        return release.version, self._read(release)

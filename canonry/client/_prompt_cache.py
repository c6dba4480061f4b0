"""Prompts that were read: for a while in memory, and on disk for when the platform is away."""

from __future__ import annotations

import hashlib
import json
import logging
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from canonry.cache import cache_folder
from canonry.release import NotReleased
from canonry.storage import LocalStorage, Storage, StorageError

log = logging.getLogger("canonry.client")


@dataclass(frozen=True)
class Kept:
    """A prompt's version and document. `stale`: the platform could not be asked whether it still holds."""

    version: str
    document: bytes
    stale: bool = False


class PromptCache:
    """Of one place where prompts are published."""

    def __init__(self, published: Storage) -> None:
        self._published = published

    def get(self, name: str, which: str, read: Callable[[], tuple[str, bytes]], fresh_for: float) -> Kept:
        """What `read` gives, asked at most every `fresh_for` seconds; the last that it gave while it cannot be asked.

        A folder on this machine is read each time. Raises what `read` raises where nothing was kept.
        """
        key = (self._published.url, name, which)
        local = isinstance(self._published, LocalStorage)
        found = _FRESH.get(key)
        if found and not local and time.monotonic() < found[0]:
            return found[1]
        try:
            kept = Kept(*self._asked(read))
        except (StorageError, OSError) as error:
            last = self._last(name, which)
            if last is None:
                raise
            if key not in _WARNED:
                _WARNED.add(key)
                message = "prompt %s: the platform is away, and version %s is used, which was read last: %s"
                log.warning(message, name, last.version, error)
            kept = last
        else:
            _WARNED.discard(key)
            self._keep(name, which, kept)
        _FRESH[key] = (time.monotonic() + fresh_for, kept)
        return kept

    def _asked(self, read: Callable[[], tuple[str, bytes]]) -> tuple[str, bytes]:
        try:
            return read()
        except NotReleased:
            # A folder that is not mounted has no releases either.
            if isinstance(self._published, LocalStorage) and not self._published.root.is_dir():
                raise StorageError(f"{self._published.url}: is not there") from None
            raise

    def _keep(self, name: str, which: str, kept: Kept) -> None:
        path = self._path(name, which)
        about = {"version": kept.version, "sha256": _digest(kept.document), "document": kept.document.decode()}
        beside = path.with_name(f".writing-{uuid.uuid4().hex}")
        # What cannot be kept is not there when the platform is away; that is no reason to refuse it now.
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(about))
            beside.replace(path)

    def _last(self, name: str, which: str) -> Kept | None:
        try:
            about = json.loads(self._path(name, which).read_text())
            document = about["document"].encode()
            if _digest(document) != about["sha256"]:
                return None
            return Kept(str(about["version"]), document, stale=True)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _path(self, name: str, which: str) -> Path:
        place = hashlib.sha256(f"{self._published.url}\0{name}\0{which}".encode()).hexdigest()[:32]
        return cache_folder() / "prompts" / f"{place}.json"


def _digest(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()


_FRESH: dict[tuple[str, str, str], tuple[float, Kept]] = {}
_WARNED: set[tuple[str, str, str]] = set()

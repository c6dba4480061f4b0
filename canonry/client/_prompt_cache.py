"""Prompts that were read: for a while in memory, and on disk for when the platform is away."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from canonry.cache import cache_folder
from canonry.client._logger import note
from canonry.release import NotReleased
from canonry.storage import LocalStorage, Storage, Unreachable

PATIENCE_SECONDS = 2.0
"""How long a caller waits for the platform where there is a prompt to give without it."""

Key = tuple[str, str, str]


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
        self._local = isinstance(published, LocalStorage)

    def get(self, name: str, which: str, read: Callable[[], tuple[str, bytes]], fresh_for: float) -> Kept:
        """What `read` gives, asked at most every `fresh_for` seconds; the last that it gave while nobody answers.

        Where there is a last one, one thread asks for all, and is waited for PATIENCE_SECONDS at most, once: what it
        brings later is given later. A folder on this machine is read each time. Raises what `read` raises where nothing
        was kept, or where what it raises is an answer: there is no such prompt, or this key may not read it.
        """
        key = (self._published.url, name, which)
        fresh_until, known = _KNOWN.get(key, (0.0, None))
        if known and not self._local and time.monotonic() < fresh_until:
            return known
        last = known or self._last(key)
        if last is None or self._local:
            return self._ask(key, read, last, fresh_for)
        asked, by_others = self._begin(key, read, last, fresh_for)
        # Whoever finds one that was good a moment ago, or a platform that is known to be away, does not wait.
        patience = 0.0 if known and (by_others or known.stale) else PATIENCE_SECONDS
        wait([asked], patience)
        if asked.done():
            return asked.result()
        return self._away(key, last, fresh_for, f"no answer within {patience:g} seconds") if patience else last

    def _begin(
        self, key: Key, read: Callable[[], tuple[str, bytes]], last: Kept, fresh_for: float
    ) -> tuple[Future[Kept], bool]:
        """What the one thread that asks will have heard, and whether somebody else began it."""
        asked: Future[Kept] = Future()
        others = _ASKED.setdefault(key, asked)
        if others is not asked:
            return others, True

        def ask() -> None:
            try:
                found = self._ask(key, read, last, fresh_for)
            except BaseException as error:
                # Whoever comes next asks again, and hears it.
                _KNOWN.pop(key, None)
                asked.set_exception(error)
            else:
                asked.set_result(found)
            finally:
                _ASKED.pop(key, None)

        try:
            threading.Thread(target=ask, name="canonry-prompt", daemon=True).start()
        except RuntimeError:
            # No thread can be had, as at the end of a process: the caller asks.
            ask()
        return asked, False

    def _ask(self, key: Key, read: Callable[[], tuple[str, bytes]], last: Kept | None, fresh_for: float) -> Kept:
        try:
            found = Kept(*self._answer(read))
        except (Unreachable, OSError) as error:
            if last is None or isinstance(error, PermissionError):
                raise
            return self._away(key, last, fresh_for, error)
        _WARNED.discard(key)
        if last is None or last != replace(found, stale=last.stale):
            self._keep(key, found)
        _KNOWN[key] = (time.monotonic() + fresh_for, found)
        return found

    def _answer(self, read: Callable[[], tuple[str, bytes]]) -> tuple[str, bytes]:
        try:
            return read()
        except NotReleased:
            # A folder that is not mounted has no releases either.
            if isinstance(self._published, LocalStorage) and not self._published.root.is_dir():
                raise Unreachable(f"{self._published.url}: is not there") from None
            raise

    def _away(self, key: Key, last: Kept, fresh_for: float, reason: object) -> Kept:
        if key not in _WARNED:
            _WARNED.add(key)
            message = "prompt %s: the platform is away, and version %s is used, which was read last: %s"
            note(logging.WARNING, message, key[1], last.version, reason)
        stale = replace(last, stale=True)
        _KNOWN[key] = (time.monotonic() + fresh_for, stale)
        return stale

    def _keep(self, key: Key, kept: Kept) -> None:
        path = _path(key)
        about = {"version": kept.version, "sha256": _digest(kept.document), "document": kept.document.decode()}
        beside = path.with_name(f".writing-{uuid.uuid4().hex}")
        # What cannot be kept is not there when the platform is away; that is no reason to refuse it now.
        with suppress(OSError):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                beside.write_text(json.dumps(about))
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)

    def _last(self, key: Key) -> Kept | None:
        try:
            about = json.loads(_path(key).read_text())
            document = about["document"].encode()
            if _digest(document) != about["sha256"]:
                return None
            return Kept(str(about["version"]), document, stale=True)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def _path(key: Key) -> Path:
    place = hashlib.sha256("\0".join(key).encode()).hexdigest()[:32]
    return cache_folder() / "prompts" / f"{place}.json"


def _digest(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()


_KNOWN: dict[Key, tuple[float, Kept]] = {}
"""What is given without asking, and until when."""

_ASKED: dict[Key, Future[Kept]] = {}
"""What is being asked, by a thread of this process."""

_WARNED: set[Key] = set()

# The threads that ask are the parent's.
os.register_at_fork(after_in_child=_ASKED.clear)

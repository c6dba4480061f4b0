"""Files of releases that were fetched once: kept by digest, shared by processes, the longest unused leaving first.

`CANONRY_CACHE/releases/AA/DIGEST`: versions that share a file, such as an encoder, share it here. A process that has a
file open holds a shared lock on it, which ends with the process however it ends; only what nobody holds is removed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from canonry.cache import cache_folder
from canonry.release import _verified
from canonry.release._errors import ReleaseError
from canonry.release._manifest import File

DEFAULT_BYTES = 20 << 30


class Cache:
    """A folder of files by digest, of at most `limit` bytes beside what is open."""

    def __init__(self, root: Path | None = None, limit: int | None = None) -> None:
        self.root = root or cache_folder() / "releases"
        self.limit = int(os.environ.get("CANONRY_CACHE_BYTES") or DEFAULT_BYTES) if limit is None else limit

    def hold(self, expected: File, fetch: Callable[[], AbstractContextManager[Path]]) -> tuple[Path, int, File | None]:
        """The file's path, a descriptor that keeps it here while it is open, and, where it is not sound, what it is.

        `fetch` gives a local copy for as long as its context lasts; it is asked only where the file is not here.
        """
        path = self.root / expected.sha256[:2] / expected.sha256
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # One process fetches, the others wait for it.
            with _locked(path.parent / ".lock"):
                descriptor = _held(path)
                if descriptor is not None and _verified.verified(path, expected) == expected:
                    return path, descriptor, None
                if descriptor is not None:
                    os.close(descriptor)
                actual = self._fetch(path, expected, fetch)
                if actual is not None:
                    return path, -1, actual
                descriptor = _held(path)
        except OSError as error:
            raise ReleaseError(
                f"{path}: a fetched file cannot be kept here: {error.strerror or error}; make room, or set "
                "CANONRY_CACHE to a folder that can be written"
            ) from error
        assert descriptor is not None
        self.evict()
        return path, descriptor, None

    def evict(self) -> list[Path]:
        """Remove files, the longest unused first, until the rest fits; what any process holds stays."""
        found = [path for path in self.root.glob("??/*") if not path.name.startswith(".")]
        sizes = {}
        for path in found:
            with suppress(FileNotFoundError):
                sizes[path] = path.stat().st_size
        excess = sum(sizes.values()) - self.limit
        removed = []
        for path in sorted(sizes, key=_verified.last_used_ns) if excess > 0 else ():
            if excess <= 0:
                break
            if _removed(path):
                removed.append(path)
                excess -= sizes[path]
        return removed

    def _fetch(self, path: Path, expected: File, fetch: Callable[[], AbstractContextManager[Path]]) -> File | None:
        beside = path.parent / f".fetching-{uuid.uuid4().hex}"
        try:
            with fetch() as source:
                shutil.copyfile(source, beside)
            actual = File.of(beside)
            if actual != expected:
                return actual
            with open(beside, "rb") as file:
                os.fsync(file.fileno())
            beside.replace(path)
            _verified.remember(path, expected)
            return None
        finally:
            beside.unlink(missing_ok=True)


def _held(path: Path) -> int | None:
    """A descriptor with a shared lock, None where there is no file."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        # It was removed between the two calls.
        os.close(descriptor)


def _removed(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
        _verified.forget(path)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

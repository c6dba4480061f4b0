"""Files of releases that were fetched once: kept by digest, shared by processes, the longest unused leaving first.

`CANONRY_CACHE/releases/AA/DIGEST`: versions that share a file, such as an encoder, share it here. Beside it lies what
was made of it, such as text that can be mapped into memory, as `DIGEST.FORM.ITS-OWN-DIGEST`. A process that has a
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

_FETCHING = ".fetching-"


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
                descriptor, actual = _fetched(path, expected, fetch)
        except OSError as error:
            raise ReleaseError(
                f"{path}: a fetched file cannot be kept here: {error.strerror or error}; make room, or set "
                "CANONRY_CACHE to a folder that can be written"
            ) from error
        if actual is None:
            self._tidy()
        return path, descriptor, actual

    def hold_made(self, source: File, form: str, make: Callable[[Path], None]) -> tuple[Path, int]:
        """The path of what `make` writes from `source` alone, and a descriptor as from `hold`.

        It is made where it is not here yet, or not sound: its own digest is in its name, after the source's and `form`,
        which says what is made. Raises OSError where it cannot be kept here.
        """
        folder = self.root / source.sha256[:2]
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / ".lock"):
            for path in folder.glob(f"{source.sha256}.{form}.*"):
                descriptor = _held(path)
                if descriptor is None:
                    continue
                expected = File(path.suffix[1:], os.fstat(descriptor).st_size)
                if _verified.verified(path, expected) == expected:
                    return path, descriptor
                os.close(descriptor)
                path.unlink(missing_ok=True)
            with _beside(folder) as beside:
                make(beside)
                made = File.of(beside)
                path = folder / f"{source.sha256}.{form}.{made.sha256}"
                descriptor = _in_place(beside, path, made)
        self._tidy()
        return path, descriptor

    def evict(self) -> list[Path]:
        """Remove files, the longest unused first, until the rest fits; what any process holds stays."""
        found = [path for path in self.root.glob("??/*") if not path.name.startswith(".")]
        sizes = {}
        for path in found:
            with suppress(OSError):
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

    def _tidy(self) -> None:
        # A cache that cannot be tidied is no reason to refuse a file that is sound.
        with suppress(OSError):
            self.evict()


def _fetched(path: Path, expected: File, fetch: Callable[[], AbstractContextManager[Path]]) -> tuple[int, File | None]:
    """The descriptor of a file that is now here, or -1 and what came instead. The folder's lock is held meanwhile."""
    with _beside(path.parent) as beside:
        with fetch() as source:
            shutil.copyfile(source, beside)
        actual = File.of(beside)
        return (-1, actual) if actual != expected else (_in_place(beside, path, expected), None)


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A path for what is being written; the folder's lock is held meanwhile."""
    for left in folder.glob(f"{_FETCHING}*"):
        # Whoever wrote it held the lock, and is gone.
        left.unlink(missing_ok=True)
    beside = folder / f"{_FETCHING}{uuid.uuid4().hex}"
    try:
        yield beside
    finally:
        beside.unlink(missing_ok=True)


def _in_place(beside: Path, path: Path, expected: File) -> int:
    """Give a file its name; its descriptor is held from before, so that nobody can remove it in between."""
    descriptor = os.open(beside, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        os.fsync(descriptor)
        beside.replace(path)
        _verified.remember(path, expected)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


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
    """Whether it could be removed: nobody holds it, and it is ours to remove."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
        _verified.forget(path)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

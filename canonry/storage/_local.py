"""Zones on a local folder: write beside, fsync, rename, fsync the folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from canonry.storage._seam import Conflict, Entry, NotFound, StorageError

TEMPORARY = ".writing-"
"""Prefix of files that are still being written; readers and listings pass them over."""


class Files:
    """The few operating-system calls that durability depends on; tests put a forgetful stand-in here."""

    def write(self, path: Path, data: bytes) -> None:
        """Create a file with these bytes; not yet durable."""
        with open(path, "xb") as file:
            file.write(data)

    def copy(self, source: Path, path: Path) -> None:
        """Create a file with another file's bytes; not yet durable."""
        shutil.copyfile(source, path)

    def append(self, path: Path, data: bytes) -> None:
        """Write at the end of a file, or create it; not yet durable. What a failure wrote is taken back."""
        with open(path, "ab", buffering=0) as file:
            size = file.tell()
            try:
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
            except OSError:
                with suppress(OSError):
                    file.truncate(size)
                raise

    def sync(self, path: Path) -> None:
        """Make a file's bytes durable."""
        with open(path, "rb") as file:
            os.fsync(file.fileno())

    def sync_folder(self, path: Path) -> None:
        """Make a folder's names durable."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, replacing what had it."""
        os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name. Raises FileExistsError."""
        os.link(source, target)

    def remove(self, path: Path) -> None:
        """Take a name away."""
        os.unlink(path)

    def make_folder(self, path: Path) -> None:
        """Create a folder; nothing happens where it exists."""
        path.mkdir(exist_ok=True)


class LocalStorage:
    """A folder on this machine. Every write has reached the disk when the call returns."""

    appends = True

    def __init__(self, root: str | Path, files: Files | None = None) -> None:
        self.root = Path(root).absolute()
        self.url = str(self.root)
        self._files = files or Files()

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        try:
            with open(self._at(path), "rb") as file:
                file.seek(start)
                return file.read() if end is None else file.read(max(end - start, 0))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound(f"{self.url}/{path}: no such object") from None

    def head(self, path: str) -> Entry | None:
        try:
            status = os.stat(self._at(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Entry(path, status.st_size, _etag(status))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        base = self._at(prefix) if prefix else self.root
        for folder, folders, names in os.walk(base):
            folders.sort()
            for name in sorted(names):
                if name.startswith(TEMPORARY):
                    continue
                with suppress(FileNotFoundError):
                    status = os.stat(os.path.join(folder, name))
                    path = Path(folder, name).relative_to(self.root).as_posix()
                    yield Entry(path, status.st_size, _etag(status))

    def put(self, path: str, data: bytes) -> None:
        with self._beside(path) as (temporary, target):
            self._files.write(temporary, data)
            self._files.sync(temporary)
            self._files.rename(temporary, target)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        if os.path.lexists(self._at(path)):
            return False
        with self._beside(path) as (temporary, target):
            self._files.write(temporary, data)
            self._files.sync(temporary)
            try:
                self._files.link(temporary, target)
            except FileExistsError:
                return False
        return True

    def put_if_match(self, path: str, data: bytes, etag: str | None) -> None:
        with self._lock():
            current = self.head(path)
            if (current.etag if current else None) != etag:
                raise Conflict(f"{self.url}/{path}: changed by another writer; read it again and retry")
            self.put(path, data)

    def put_file(self, path: str, source: Path) -> None:
        with self._beside(path) as (temporary, target):
            self._files.copy(source, temporary)
            self._files.sync(temporary)
            self._files.rename(temporary, target)

    def append(self, path: str, data: bytes) -> None:
        target = self._at(path)
        new = not target.exists()
        if new:
            self._make_folders(target.parent)
        self._files.append(target, data)
        self._files.sync(target)
        if new:
            self._files.sync_folder(target.parent)

    def delete(self, path: str) -> None:
        target = self._at(path)
        with suppress(FileNotFoundError, NotADirectoryError):
            self._files.remove(target)
            self._files.sync_folder(target.parent)

    @contextmanager
    def local_copy(self, path: str) -> Iterator[Path]:
        target = self._at(path)
        if not target.is_file():
            raise NotFound(f"{self.url}/{path}: no such object")
        yield target

    def _at(self, path: str) -> Path:
        parts = path.split("/")
        if not path or path.startswith("/") or any(part in ("", ".", "..") for part in parts) or "\0" in path:
            raise StorageError(f"{path!r} is not a path inside {self.url}")
        return self.root.joinpath(*parts)

    @contextmanager
    def _beside(self, path: str) -> Iterator[tuple[Path, Path]]:
        target = self._at(path)
        self._make_folders(target.parent)
        temporary = target.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
        try:
            yield temporary, target
        finally:
            with suppress(FileNotFoundError):
                self._files.remove(temporary)
        self._files.sync_folder(target.parent)

    def _make_folders(self, folder: Path) -> None:
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        for each in reversed(missing):
            self._files.make_folder(each)
            self._files.sync_folder(each.parent)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._make_folders(self.root)
        with open(self.root / f"{TEMPORARY}lock", "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _etag(status: os.stat_result) -> str:
    return f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"

"""Zones on a local folder: write beside, fsync, rename, fsync the folder."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from canonry.storage._seam import UNFINISHED, Conflict, Entry, NotFound, parts_of


class Files:
    """The few operating-system calls that durability depends on; tests put a forgetful stand-in here."""

    def write(self, path: Path, data: bytes) -> None:
        """Create a file with these bytes; not yet durable."""
        with open(path, "xb") as file:
            file.write(data)
            file.flush()
            # The kernel's own times are milliseconds coarse: two writes within one tick could share an etag.
            now = time.time_ns()
            os.utime(file.fileno(), ns=(now, now))

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
        self._durable: set[Path] = set()

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
        return Entry(path, status.st_size, _etag(status)) if stat.S_ISREG(status.st_mode) else None

    def list(self, prefix: str = "") -> Iterator[Entry]:
        yield from self._walk(self._at(prefix) if prefix else self.root, f"{prefix}/" if prefix else "")

    def folders(self, prefix: str) -> tuple[str, ...]:
        try:
            return tuple(sorted(each.name for each in os.scandir(self._at(prefix)) if each.is_dir()))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def _walk(self, folder: Path, base: str) -> Iterator[Entry]:
        try:
            found = {f"{each.name}/" if each.is_dir() else each.name: each for each in os.scandir(folder)}
        except (FileNotFoundError, NotADirectoryError):
            return
        # Folders sort by their name with the slash, as whole paths do: `a-b/x` comes before `a/x`.
        for name, each in sorted(found.items()):
            if name.endswith("/"):
                yield from self._walk(folder / each.name, base + name)
            elif not name.startswith(UNFINISHED):
                with suppress(FileNotFoundError):
                    status = each.stat()
                    yield Entry(base + name, status.st_size, _etag(status))

    def put(self, path: str, data: bytes) -> None:
        with self._beside(path) as (temporary, target):
            self._files.write(temporary, data)
            self._files.sync(temporary)
            self._files.rename(temporary, target)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        present = self._at(path)
        if os.path.lexists(present):
            # Whoever wrote it may have died before its name was durable.
            self._files.sync_folder(present.parent)
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
        if etag is None:
            if not self.put_if_absent(path, data):
                raise self._conflict(path)
            return
        with self._lock():
            current = self.head(path)
            if (current.etag if current else None) != etag:
                raise self._conflict(path)
            self.put(path, data)

    def put_file(self, path: str, source: Path) -> None:
        with self._beside(path) as (temporary, target):
            self._files.copy(source, temporary)
            self._files.sync(temporary)
            self._files.rename(temporary, target)

    def copy(self, source: str, path: str) -> None:
        origin, _ = self._at(source), self._at(path)
        if not origin.is_file():
            raise NotFound(f"{self.url}/{source}: no such object")
        with self._beside(path) as (temporary, target):
            try:
                self._files.link(origin, temporary)
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS):
                    raise
                # A file system without second names, or with no more of them.
                self._files.copy(origin, temporary)
                self._files.sync(temporary)
            self._files.rename(temporary, target)

    def append(self, path: str, data: bytes) -> None:
        target = self._at(path)
        present = self.head(path)
        if present is None:
            self._make_folders(target.parent)
        self._files.append(target, data)
        self._files.sync(target)
        if present is None or present.size == 0:
            self._files.sync_folder(target.parent)

    def make_root(self) -> None:
        """Create the folder itself, if it is not there, and make its name durable."""
        self._make_folders(self.root)

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
        return self.root.joinpath(*parts_of(path, self.url))

    def _conflict(self, path: str) -> Conflict:
        return Conflict(f"{self.url}/{path}: changed by another writer; read it again and retry")

    @contextmanager
    def _beside(self, path: str) -> Iterator[tuple[Path, Path]]:
        target = self._at(path)
        self._make_folders(target.parent)
        temporary = target.parent / f"{UNFINISHED}{uuid.uuid4().hex}"
        try:
            yield temporary, target
        finally:
            with suppress(FileNotFoundError):
                self._files.remove(temporary)
        self._files.sync_folder(target.parent)

    def _make_folders(self, folder: Path) -> None:
        """Create a folder and make its name durable: also where another writer made it and may not have come so far."""
        if folder in self._durable and folder.exists():
            return
        inside = folder != self.root and self.root in folder.parents
        if inside or not folder.parent.exists():
            self._make_folders(folder.parent)
        if inside or not folder.exists():
            self._files.make_folder(folder)
        self._files.sync_folder(folder.parent) if inside else self._sync_above(folder)
        self._durable.add(folder)

    def _sync_above(self, root: Path) -> None:
        """Make the root's name durable, and its folder's: the home of zones may be as new as the zone."""
        for folder in root.parents[:2]:
            # Whoever made it in a folder that we may not read has looked after that.
            with suppress(PermissionError):
                self._files.sync_folder(folder)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._make_folders(self.root)
        with open(self.root / f"{UNFINISHED}lock", "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _etag(status: os.stat_result) -> str:
    return f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"

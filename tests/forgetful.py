"""Stand-ins for a disk: one that forgets what was not synced when the power goes, and one that is full."""

from __future__ import annotations

import errno
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from canonry.storage import Files


@dataclass
class _File:
    synced: bytes = b""


_FOLDER = _File()


class ForgetfulFiles(Files):
    """A stand-in for a disk: `crash()` loses every byte not fsynced and every name whose folder was not fsynced.

    The files under `root` are real; beside them it remembers what a real disk would still have after a power cut.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._live: dict[Path, _File] = {}
        self._durable: dict[Path, _File] = {}
        self._lock = threading.RLock()

    def write(self, path: Path, data: bytes) -> None:
        with self._lock:
            super().write(path, data)
            self._live[path] = _File()

    def copy(self, source: Path, path: Path) -> None:
        with self._lock:
            super().copy(source, path)
            self._live[path] = _File()

    def append(self, path: Path, data: bytes) -> None:
        with self._lock:
            super().append(path, data)
            self._live.setdefault(path, _File())

    def sync(self, path: Path) -> None:
        with self._lock:
            self._live[path].synced = path.read_bytes()

    def sync_folder(self, path: Path) -> None:
        with self._lock:
            kept = {name: file for name, file in self._durable.items() if name.parent != path}
            self._durable = kept | {name: file for name, file in self._live.items() if name.parent == path}

    def rename(self, source: Path, target: Path) -> None:
        with self._lock:
            super().rename(source, target)
            self._live[target] = self._live.pop(source)

    def link(self, source: Path, target: Path) -> None:
        with self._lock:
            super().link(source, target)
            self._live[target] = self._live[source]

    def remove(self, path: Path) -> None:
        with self._lock:
            super().remove(path)
            self._live.pop(path, None)

    def make_folder(self, path: Path) -> None:
        with self._lock:
            super().make_folder(path)
            self._live.setdefault(path, _FOLDER)

    def crash(self, torn: int = 0) -> None:
        """Lose what a power cut loses; of bytes appended since a file was synced, this many stay."""
        with self._lock:
            contents = {}
            for path, file in self._durable.items():
                live = path.read_bytes() if self._live.get(path) is file and file is not _FOLDER else file.synced
                contents[path] = live[: len(file.synced) + torn] if live.startswith(file.synced) else file.synced
            for each in self._root.iterdir() if self._root.exists() else ():
                shutil.rmtree(each) if each.is_dir() else each.unlink()
            survivors = {}
            for path, file in sorted(self._durable.items()):
                if path != self._root and path.parent != self._root and path.parent not in survivors:
                    continue
                survivors[path] = file
                if file is _FOLDER:
                    path.mkdir(exist_ok=True)
                else:
                    path.write_bytes(contents[path])
                    file.synced = contents[path]
            self._live, self._durable = dict(survivors), survivors


class FullDisk(Files):
    """A stand-in for a disk that takes so many bytes of appends and writes, and no more until it is given room.

    It keeps what fitted, as a disk does where the process dies before it can take the rest back.
    """

    def __init__(self, room: int) -> None:
        self.room = room

    def append(self, path: Path, data: bytes) -> None:
        fits = data[: self.room]
        super().append(path, fits)
        self._take(fits, data, path)

    def write(self, path: Path, data: bytes) -> None:
        fits = data[: self.room]
        super().write(path, fits)
        self._take(fits, data, path)

    def _take(self, fits: bytes, data: bytes, path: Path) -> None:
        self.room -= len(fits)
        if len(fits) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

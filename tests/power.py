"""Two disks whose power is cut under a process: a stand-in that loses all that a disk may, and a real ext4 shut down.

A process that is killed leaves the kernel's cache as it was; these lose what had not been synced, too.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import stat
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_LONGEST_SYNC = 0.003
_PAGE = 4096

Names = dict[str, int]
"""What a folder holds: the inode of each name, 0 for a folder."""


class ForgetfulDisk:
    """A stand-in for a disk: `cut` leaves of a folder what was fsynced, and of the rest what chance leaves.

    Processes that `remember` note every fsync, a file's length or a folder's names, before it returns. `cut` takes away
    what nobody noted: bytes behind a file's noted length (a random part of them survives, perhaps with pages missing),
    and names that came or went since their folder was synced (each may have reached the disk by itself).

    It holds for files that grow at their end or are written once, as the storage's are.
    """

    def __init__(self, root: Path, beside: Path) -> None:
        self.root, self.beside = root, beside
        """`beside`, on the same file system, holds the notes, and second names of files that a cut may bring back."""
        self._notes, self._kept = beside / "notes", beside / "kept"
        self._lock = threading.Lock()
        self._sync = os.fsync

    @contextmanager
    def remember(self) -> Iterator[None]:
        """This process's fsyncs under the root are noted, and take a moment each, instead of reaching the real disk."""
        os.fsync = self._fsync
        try:
            yield
        finally:
            os.fsync = self._sync

    def settle(self) -> None:
        """All that is there at the moment is on the disk."""
        shutil.rmtree(self.beside, ignore_errors=True)
        self._kept.mkdir(parents=True)
        with open(self._notes, "w") as notes:
            for folder, _, files in os.walk(self.root):
                for name in files:
                    self._keep(Path(folder, name))
                    status = os.stat(Path(folder, name))
                    notes.write(json.dumps({"file": status.st_ino, "size": status.st_size}) + "\n")
                notes.write(json.dumps({"folder": folder, "names": _names(Path(folder))}) + "\n")

    def cut(self, chance: random.Random) -> None:
        """The power went, and is back. Nobody may be writing."""
        sizes: dict[int, int] = {}
        folders: dict[str, Names] = {}
        # A killed process may have left half a note of an fsync that had not returned.
        for note in map(json.loads, self._notes.read_bytes().decode().split("\n")[:-1]):
            if "file" in note:
                sizes[note["file"]] = max(note["size"], sizes.get(note["file"], 0))
            else:
                folders[note["folder"]] = note["names"]
        self._restore(self.root, folders, chance.choice([0.0, 0.5, 1.0]), chance)
        torn = chance.choice([0.0, 0.5, 1.0])
        for path in {path.stat().st_ino: path for path in self.root.rglob("*") if path.is_file()}.values():
            _tear(path, sizes.get(path.stat().st_ino, 0), torn, chance)
        self.settle()

    def _restore(self, folder: Path, folders: dict[str, Names], luck: float, chance: random.Random) -> None:
        synced, live = folders.get(str(folder), {}), _names(folder)
        for name in sorted(synced.keys() | live.keys()):
            path, before, now = folder / name, synced.get(name), live.get(name)
            if before != now and chance.random() >= luck:
                if now is not None:
                    shutil.rmtree(path) if now == 0 else path.unlink()
                if before:
                    os.link(self._kept / str(before), path)
                elif before == 0:
                    path.mkdir()
            if path.is_dir():
                self._restore(path, folders, luck, chance)

    def _fsync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if not path.is_relative_to(self.root):
            self._sync(descriptor)
            return
        # Long enough to be killed in the middle of.
        time.sleep(random.random() * _LONGEST_SYNC)
        with self._lock, open(self._notes, "ab", buffering=0) as notes:
            fcntl.flock(notes, fcntl.LOCK_EX)
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                names = _names(path)
                for name in names:
                    self._keep(path / name)
                # What another thread has replaced meanwhile, it will sync itself.
                names = {name: inode for name, inode in names.items() if not inode or self._is_kept(inode)}
                note: dict[str, object] = {"folder": str(path), "names": names}
            else:
                self._keep(path)
                note = {"file": status.st_ino, "size": status.st_size}
            notes.write(json.dumps(note).encode() + b"\n")

    def _keep(self, path: Path) -> None:
        """Give a file a second name, to come back by where a cut takes its own."""
        with suppress(FileNotFoundError, FileExistsError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                os.link(path, self._kept / str(status.st_ino))

    def _is_kept(self, inode: int) -> bool:
        return (self._kept / str(inode)).exists()


def _names(folder: Path) -> Names:
    return {each.name: 0 if each.is_dir() else each.inode() for each in os.scandir(folder)}


def _tear(path: Path, synced: int, luck: float, chance: random.Random) -> None:
    """Take what a disk may take of bytes that were not synced."""
    size = path.stat().st_size
    if size <= synced or chance.random() < luck:
        return
    size = synced + chance.choice([0, 1, 60, chance.randrange(size - synced)]) % (size - synced)
    os.truncate(path, size)
    hole = chance.randrange(synced, size + 1)
    if chance.random() < 0.5 and hole < size:
        # A file's length may reach the disk before its pages do.
        with open(path, "r+b") as file:
            file.seek(hole)
            file.write(bytes(min(_PAGE, size - hole)))


_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN; see tests/generic of xfstests."""
_WITHOUT_FLUSHING_THE_LOG = struct.pack("I", 2)


@dataclass
class Ext4:
    """A real ext4 of its own, on a loop device, that can be cut off in the middle of whatever it does."""

    folder: Path
    image: Path
    _mounted: bool = field(default=False, init=False)

    def cut(self, meanwhile: Callable[[], object]) -> None:
        """Nothing more reaches the disk from now on; after `meanwhile` it is mounted again, by its log."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, _WITHOUT_FLUSHING_THE_LOG)
        finally:
            os.close(descriptor)
        meanwhile()
        self.unmount()
        self.mount()

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", self.image, self.folder], check=True, capture_output=True)
        self._mounted = True

    def unmount(self) -> None:
        if self._mounted:
            subprocess.run(["umount", self.folder], check=True, capture_output=True)
            self._mounted = False


@contextmanager
def ext4(folder: Path) -> Iterator[Ext4 | None]:
    """A new ext4, mounted; None where it may not be made."""
    image = folder.with_suffix(".image")
    with open(image, "wb") as file:
        file.truncate(8 << 30)
    folder.mkdir()
    found = Ext4(folder, image)
    made = subprocess.run(["mkfs.ext4", "-q", "-F", image], capture_output=True)
    try:
        made.check_returncode()
        found.mount()
    except subprocess.CalledProcessError:
        yield None
        return
    try:
        yield found
    finally:
        found.unmount()
        image.unlink()

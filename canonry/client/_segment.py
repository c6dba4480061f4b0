"""A piece of a spool: an append-only file of records that its process holds locked, or the same in memory."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from canonry.client._identifier import new_id

SUFFIX = ".spool"
KINDS = ("inferences", "feedback")
BATCH_BYTES = 1 << 20

_MAGIC = b"CNS1"
_HEAD = struct.Struct(">4sBIII")
_CHECK = struct.Struct(">I")
_HEAD_BYTES = _HEAD.size + _CHECK.size


@dataclass(frozen=True)
class Batch:
    """Events of one kind, ready to be sent: `body` is gzip of JSON Lines."""

    kind: str
    events: int
    body: bytes

    def record(self) -> bytes:
        """The batch as it lies in a file: magic, kind, events, bytes, checksum of the body, of the head; the body."""
        head = _HEAD.pack(_MAGIC, KINDS.index(self.kind), self.events, len(self.body), zlib.crc32(self.body))
        return head + _CHECK.pack(zlib.crc32(head)) + self.body


def batches_of(lines: list[tuple[str, bytes]], most: int) -> Iterator[Batch]:
    """Batches of one kind each, of at most `most` events and about BATCH_BYTES; what feedback is about comes first."""
    for kind in KINDS:
        part: list[bytes] = []
        size = 0
        for line in (line for each, line in lines if each == kind):
            if part and (len(part) >= most or size + len(line) > BATCH_BYTES):
                yield batch_of(kind, part)
                part, size = [], 0
            part.append(line)
            size += len(line)
        if part:
            yield batch_of(kind, part)


def batch_of(kind: str, lines: list[bytes]) -> Batch:
    """Lines of JSON as one batch."""
    return Batch(kind, len(lines), gzip.compress(b"\n".join(lines), compresslevel=1, mtime=0))


class Segment(Protocol):
    """What a chain of batches is made of."""

    own: bool
    """Begun by this process, not adopted from a dead one."""
    volatile: bool
    """In memory, and lost with the process."""
    events: int
    size: int

    def append(self, batch: Batch) -> None:
        """Take a batch at the end. Raises OSError, and then holds what it held before."""

    def first(self) -> tuple[Batch | None, int]:
        """The oldest batch, and how many events were lost on the way to it: their records are damaged."""

    def pass_over(self) -> None:
        """Forget the oldest batch."""

    def sync(self) -> None:
        """Bring what was appended to the disk. Raises OSError."""

    def leave(self) -> None:
        """Let go of it, and leave what it holds to others."""

    def remove(self) -> None:
        """Let go of it, and of what it holds."""


class MemorySegment:
    """Batches that no file could take."""

    own = True
    volatile = True

    def __init__(self) -> None:
        self.events = 0
        self.size = 0
        self._batches: deque[Batch] = deque()

    def append(self, batch: Batch) -> None:
        """Take a batch at the end."""
        self._batches.append(batch)
        self.events += batch.events
        self.size += len(batch.body)

    def first(self) -> tuple[Batch | None, int]:
        """The oldest batch; nothing is lost on the way."""
        return (self._batches[0] if self._batches else None), 0

    def pass_over(self) -> None:
        """Forget the oldest batch."""
        batch = self._batches.popleft()
        self.events -= batch.events
        self.size -= len(batch.body)

    def sync(self) -> None:
        """Nothing can be brought to the disk."""

    def leave(self) -> None:
        """Nobody else can have it."""

    def remove(self) -> None:
        """It goes when nobody refers to it."""


class FileSegment:
    """Batches in a file that is locked for as long as it is open."""

    volatile = False

    def __init__(self, path: Path, descriptor: int, *, own: bool) -> None:
        self.path = path
        self.own = own
        self.size = os.fstat(descriptor).st_size
        self._descriptor = descriptor
        self._start = 0
        self._at_hand = (0, 0)
        self._named = False
        self.events = self._count()

    @classmethod
    def create(cls, folder: Path) -> FileSegment:
        """A new, empty, locked file. Raises OSError."""
        while True:
            path = folder / f"{new_id()}{SUFFIX}"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                # Between its birth and its lock another process may have taken it for the file of a dead one.
                if os.fstat(descriptor).st_nlink:
                    return cls(path, descriptor, own=True)
            except BaseException:
                with contextlib.suppress(OSError):
                    path.unlink()
                os.close(descriptor)
                raise
            os.close(descriptor)

    @classmethod
    def of_the_dead(cls, path: Path) -> FileSegment | None:
        """A file whose process is gone, now locked by this one; None where it lives, or left nothing."""
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                status = os.fstat(descriptor)
                if status.st_nlink and status.st_uid == os.geteuid():
                    found = cls(path, descriptor, own=False)
                    if found.size:
                        return found
                    path.unlink()
            except OSError:
                pass
            os.close(descriptor)
        return None

    def append(self, batch: Batch) -> None:
        """Write a batch at the end; not yet durable. Raises OSError, and takes back what was written."""
        left = memoryview(batch.record())
        written = len(left)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += written
        self.events += batch.events

    def first(self) -> tuple[Batch | None, int]:
        """The oldest batch that is whole; what is damaged before it is passed over."""
        lost = 0
        while self._start < self.size:
            if head := self._head(self._start):
                kind, events, length, checksum = head
                body = self._read(length, self._start + _HEAD_BYTES)
                if zlib.crc32(body) == checksum:
                    self._at_hand = (events, self._start + _HEAD_BYTES + length)
                    self.events -= lost
                    return Batch(KINDS[kind], events, body), lost
                lost += events
            self._start = self._next_magic(self._start + 1)
        lost, self.events = self.events, 0
        return None, lost

    def pass_over(self) -> None:
        """Forget the batch that `first` gave; an own file that holds no more is emptied."""
        events, self._start = self._at_hand
        self.events -= events
        if self.own and self._start >= self.size:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
                self.size = self._start = 0

    def sync(self) -> None:
        """Bring what was written to the disk, and the file's name with it. Raises OSError."""
        os.fdatasync(self._descriptor)
        if not self._named:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self._named = True

    def leave(self) -> None:
        """Close the file, which frees its lock once no process has it open."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def remove(self) -> None:
        """Delete the file. Its name goes before its lock does."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        self.leave()

    def _count(self) -> int:
        """Events by the heads of records: a torn record at the end is one that was begun, and counts."""
        events = at = 0
        while at < self.size:
            head = self._head(at)
            events += head[1] if head else 1
            at = at + _HEAD_BYTES + head[2] if head else self._next_magic(at + 1)
        return events

    def _head(self, at: int) -> tuple[int, int, int, int] | None:
        """Kind, events, bytes and checksum of the record that begins here; None where none does."""
        data = self._read(_HEAD_BYTES, at)
        if len(data) < _HEAD_BYTES or zlib.crc32(data[: _HEAD.size]) != _CHECK.unpack(data[_HEAD.size :])[0]:
            return None
        magic, kind, events, length, checksum = _HEAD.unpack(data[: _HEAD.size])
        return (kind, events, length, checksum) if magic == _MAGIC and kind < len(KINDS) else None

    def _next_magic(self, at: int) -> int:
        """Where the next head may begin, or the end of the file."""
        found = self._read(self.size - at, at).find(_MAGIC)
        return self.size if found < 0 else at + found

    def _read(self, length: int, at: int) -> bytes:
        with contextlib.suppress(OSError):
            return os.pread(self._descriptor, length, at)
        return b""

"""Batches that wait to be sent: a bounded chain of files, or memory where no file can be written.

    XDG_STATE_HOME/canonry/spool/<digest of the destination>/01JC….spool        folders 0700, files 0600

A file belongs to the process that holds its lock; what a dead process left is adopted by the next one that looks. A
batch is written before it is sent, so it survives the death of the process; it is synced to the disk, and so survives
the death of the machine, only while the destination is away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from canonry.client._identifier import new_id
from canonry.client._segment import SUFFIX, Batch, FileSegment, MemorySegment, Segment

REFUSED = ".refused"

MEMORY_BYTES = 8 << 20
"""Bytes that may wait in memory while no file can be written."""

ADOPTED = 16
"""How many files of dead processes are open at one time."""

_PIECES = 16
"""How many segments a full spool has: what is dropped at one time is one of them."""


@dataclass(frozen=True)
class First:
    """The oldest batch of a spool, and where it lies."""

    batch: Batch
    segment: Segment


def spool_folder(identity: str, root: str | Path | None = None) -> Path:
    """Where batches for a destination wait; made if absent, for the owner alone.

    Raises OSError where it cannot be made, or belongs to somebody else.
    """
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(root or Path(state, "canonry", "spool"), hashlib.sha256(identity.encode()).hexdigest()[:24])
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise PermissionError(f"{folder}: belongs to another user; set XDG_STATE_HOME to a folder of this one")
    folder.chmod(0o700)
    return folder


class Spool:
    """First in, first out. One thread may append while another reads; no method raises OSError.

    At most `limit` bytes are held, those of adopted files included; of them at most `memory_limit` in memory, which is
    where everything is held when `folder` is None.
    """

    def __init__(self, folder: Path | None, limit: int, memory_limit: int = MEMORY_BYTES) -> None:
        self.folder = folder
        self.limit = limit
        self.memory_limit = min(limit, memory_limit)
        self.dropped = 0
        """Events that were given up, because the spool was full or a record damaged."""
        self.finished = 0
        """Events appended here that are here no longer: sent, refused or dropped."""
        self.problem: OSError | None = None
        """Why the last batch could not be written to a file."""
        self._lock = threading.RLock()
        self._segments: list[Segment] = []
        self._left = False

    @property
    def events(self) -> int:
        """Events that wait, those of dead processes that were adopted included."""
        return sum(segment.events for segment in list(self._segments))

    @property
    def size(self) -> int:
        """Bytes that are taken, on disk and in memory."""
        return sum(segment.size for segment in list(self._segments))

    @property
    def volatile_events(self) -> int:
        """Events that wait in memory alone."""
        return sum(segment.events for segment in list(self._segments) if segment.volatile)

    def append(self, batch: Batch, *, durable: bool = False) -> None:
        """Take a batch; `durable` syncs it to the disk. A full spool drops its oldest segment and counts its events."""
        with self._lock:
            self._put(batch)
            if durable:
                with contextlib.suppress(OSError):
                    self._segments[-1].sync()
            while excess := self._excess():
                self.dropped += excess.events
                self._take_away(excess)

    def first(self) -> First | None:
        """The oldest batch, or None; looks for more of the dead when what was adopted is done.

        Damaged records are passed over, and their events counted as dropped.
        """
        with self._lock:
            while self._segments:
                segment = self._segments[0]
                batch, lost = segment.first()
                self.dropped += lost
                self.finished += lost if segment.own else 0
                if batch is not None:
                    return First(batch, segment)
                if len(self._segments) == 1 and segment.own:
                    return None
                self._take_away(segment)
                if self._left and all(each.own for each in self._segments):
                    self.adopt()
            return None

    def done(self, first: First) -> None:
        """Forget a batch that was sent or refused."""
        with self._lock:
            if first.segment in self._segments:
                first.segment.pass_over()
                self.finished += first.batch.events if first.segment.own else 0
            else:
                # It was under way when its segment had to go: it is not lost after all.
                self.dropped -= first.batch.events

    def adopt(self) -> int:
        """Take over files of processes that are dead, the oldest first, ADOPTED at one time; gives how many events.

        Of what the dead left that is more than the spool may hold, the oldest is dropped.
        """
        with self._lock:
            adopted = [each for each in self._segments if not each.own]
            dead = self._dead()
            few = dead[: max(ADOPTED - len(adopted), 0)]
            self._left = len(dead) > len(few)
            found: list[Segment] = [file for file in map(FileSegment.of_the_dead, few) if file]
            self._segments = [*adopted, *found, *(each for each in self._segments if each.own)]
            return sum(each.events for each in found)

    def keep_aside(self, batch: Batch) -> None:
        """Keep a batch that was refused for its key or form: named `.spool` instead of `.refused`, it is sent again.

        The newest are kept, as many as fit into a sixteenth of `limit`.
        """
        if self.folder is None:
            return
        with contextlib.suppress(OSError):
            path = self.folder / f"{new_id()}{REFUSED}"
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(batch.record())
            kept = 0
            for each in sorted(self.folder.glob(f"*{REFUSED}"), reverse=True):
                kept += each.stat().st_size
                if kept > self.limit // _PIECES:
                    each.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove files that hold nothing, and leave the others to the next process."""
        with self._lock:
            for segment in list(self._segments):
                if segment.events == 0:
                    self._take_away(segment)
            self.let_go()

    def let_go(self) -> None:
        """Close every file and leave it as it is: what the child of a fork does with those of its parent."""
        segments, self._segments = self._segments, []
        for segment in segments:
            segment.leave()

    def _dead(self) -> list[Path]:
        """Files of the dead that the spool has room for, oldest first. Of a thousand, one is open at a time."""
        try:
            paths = sorted(self.folder.glob(f"*{SUFFIX}"), reverse=True) if self.folder else []
        except OSError:
            return []
        held = {each.path for each in self._segments if isinstance(each, FileSegment)}
        room = self.limit - self.size
        dead = []
        for path in paths:
            if path in held or not (file := FileSegment.of_the_dead(path)):
                continue
            room -= file.size
            if room >= 0:
                file.leave()
                dead.append(path)
            else:
                self.dropped += file.events
                file.remove()
        return dead[::-1]

    def _put(self, batch: Batch) -> None:
        if self.folder is not None:
            try:
                self._to_file(self.folder, batch)
                self.problem = None
                return
            except OSError as error:
                self.problem = error
        self._memory(len(batch.body)).append(batch)

    def _to_file(self, folder: Path, batch: Batch) -> None:
        last = self._segments[-1] if self._segments else None
        if last is not None and last.own and not last.volatile and _has_room(last, len(batch.body), self.limit):
            last.append(batch)
            return
        new = FileSegment.create(folder)
        self._segments.append(new)
        try:
            new.append(batch)
        except OSError:
            # A full disk takes the names of files and not what is in them: there would be one with every batch.
            self._take_away(new)
            raise

    def _memory(self, size: int) -> Segment:
        last = self._segments[-1] if self._segments else None
        if last is None or not last.volatile or not _has_room(last, size, self.memory_limit):
            self._segments.append(MemorySegment())
        return self._segments[-1]

    def _excess(self) -> Segment | None:
        """The segment that must go, if the spool holds too much."""
        in_memory = [each for each in self._segments if each.volatile]
        if sum(each.size for each in in_memory) > self.memory_limit:
            return in_memory[0]
        return self._segments[0] if self.size > self.limit else None

    def _take_away(self, segment: Segment) -> None:
        # Out of the list first: a child forked in between must not close a descriptor that is no longer this file's.
        self._segments.remove(segment)
        self.finished += segment.events if segment.own else 0
        segment.remove()


def _has_room(segment: Segment, size: int, limit: int) -> bool:
    return segment.size == 0 or segment.size + size <= limit // _PIECES

"""Which files were verified already: a note beside the user's caches, so that an index opens without being read again.

Hashing 200 MB takes a good part of a second, mapping it a millisecond. A note says that a file with this size, these
times and this inode had this digest. A program that changes the file changes its times: also the inode's own
(`ctime`), which no program can set back. A disk that rots changes none of them, and so would a page that is read long
after it was verified: `canonry releases verify` and every promotion read each byte and know no notes.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

from canonry.cache import cache_folder
from canonry.release._manifest import File

SETTLED_NS = 1_000_000_000
"""A file that changed within the last second could change again within one tick of the clock, and show it nowhere."""


def verified(path: Path, expected: File) -> File | None:
    """What the file is, None where there is none; it is read only where no note says that it is what is expected."""
    note = _note_path(path)
    seen = _seen(path)
    if seen is None:
        return None
    wanted = {"sha256": expected.sha256, **seen}
    if seen["size"] == expected.size and _read(note) == wanted:
        with suppress(OSError):
            os.utime(note)
        return expected
    try:
        actual = File.of(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    settled = time.time_ns() - max(seen["mtime_ns"], seen["ctime_ns"]) > SETTLED_NS
    if actual == expected and settled and _seen(path) == seen:
        _write(note, wanted)
    return actual


def remember(path: Path, expected: File) -> None:
    """Note that a file is what is expected: for who has just written it, where nobody else writes."""
    if seen := _seen(path):
        _write(_note_path(path), {"sha256": expected.sha256, **seen})


def last_used_ns(path: Path) -> int:
    """When a verified file was opened last; when it was written, where it never was."""
    with suppress(OSError):
        return _note_path(path).stat().st_mtime_ns
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return 0


def forget(path: Path) -> None:
    """Take the note of a file away."""
    _note_path(path).unlink(missing_ok=True)


def _seen(path: Path) -> dict[str, int] | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    fields = ("size", "mtime_ns", "ctime_ns", "ino", "dev")
    return {name: getattr(status, f"st_{name}") for name in fields}


def _note_path(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:32]
    return cache_folder() / "verified" / f"{name}.json"


def _read(note: Path) -> object:
    try:
        return json.loads(note.read_bytes())
    except (OSError, ValueError):
        return None


def _write(note: Path, document: dict[str, object]) -> None:
    beside = note.with_name(f".writing-{uuid.uuid4().hex}")
    # A cache that cannot be written costs time, and is no reason to refuse a file that is sound.
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(document))
        beside.replace(note)
    with suppress(OSError):
        beside.unlink(missing_ok=True)

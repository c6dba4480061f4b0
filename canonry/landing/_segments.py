"""Landing segments: how they are named, framed and read back.

A segment is a file of JSON Lines that grows by whole batches. A header line before each batch gives its
length and checksum, so that a reader knows what was acknowledged: a batch that is not all there never was.

    inferences/received=2026-11-03/2026-11-02.01JC….jsonl     events of 2 November, received a day later
    inferences/received=2026-11-03/unreadable.01JC….jsonl     events whose day could not be told, and why
"""

from __future__ import annotations

import datetime as dt
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from canonry.events import EVENT_TYPES
from canonry.storage import Entry, Storage

UNREADABLE = "unreadable"
"""Stands where a segment's day would, for events whose day could not be told."""

_NAME = re.compile(
    r"(?P<kind>[a-z]+)/received=(?P<received>\d{4}-\d\d-\d\d)/(?P<day>\d{4}-\d\d-\d\d|unreadable)\.(?P<writer>\w+)\.jsonl"
)
_RAW = re.compile(r"(?P<kind>[a-z]+)/received=\d{4}-\d\d-\d\d/raw/[0-9a-f]{32}\.bin")
_HEADER = b'{"batch":'
_HEADER_LIMIT = 200
_CHUNK = 1 << 20


@dataclass(frozen=True, order=True)
class Segment:
    """One landing file. `day` is None for unreadable events; `size` is in bytes."""

    path: str
    kind: str
    received: dt.date
    day: dt.date | None
    size: int


@dataclass(frozen=True)
class Batch:
    """Where a batch's events lie in its segment, in bytes, and whether they are as they were written."""

    start: int
    end: int
    intact: bool


@dataclass(frozen=True)
class Committed:
    """What of a segment was acknowledged: its batches, where they end, and how many bytes follow."""

    batches: tuple[Batch, ...]
    end: int
    torn: int


def segment_path(kind: str, received: dt.date, day: dt.date | None, writer: str) -> str:
    """Path of a segment in landing."""
    return f"{kind}/received={received.isoformat()}/{day.isoformat() if day else UNREADABLE}.{writer}.jsonl"


def raw_path(kind: str, received: dt.date, digest: str) -> str:
    """Path in landing of the bytes of an unreadable event that is too large to lie in its segment."""
    return f"{kind}/received={received.isoformat()}/raw/{digest}.bin"


def frame(lines: Iterable[bytes]) -> bytes:
    """A batch of lines (without line ends) behind its header, ready to be appended."""
    body = b"\n".join((*lines, b""))
    header = {"batch": {"bytes": len(body), "crc32": zlib.crc32(body)}}
    return json.dumps(header, separators=(",", ":")).encode() + b"\n" + body


def list_segments(landing: Storage, kind: str, *, since: dt.date | None = None) -> Iterator[Segment]:
    """Segments of a kind received on or after a day, in order."""
    for entry in landing.list(kind):
        segment = parse_path(entry)
        if segment and (since is None or segment.received >= since):
            yield segment


def list_foreign(landing: Storage) -> Iterator[Entry]:
    """Files in landing that the landing writer did not put there."""
    for entry in landing.list():
        raw = _RAW.fullmatch(entry.path)
        if not (raw and raw["kind"] in EVENT_TYPES) and parse_path(entry) is None:
            yield entry


def segments_of(landing: Storage, kind: str, day: dt.date) -> list[Segment]:
    """Every segment that holds events of a day. Events arrive at most a day before they happen (clocks differ)."""
    since = day - dt.timedelta(days=1)
    return [segment for segment in list_segments(landing, kind, since=since) if segment.day == day]


def parse_path(entry: Entry) -> Segment | None:
    """What a path says of its segment, or None where it is no segment."""
    match = _NAME.fullmatch(entry.path)
    if not match or match["kind"] not in EVENT_TYPES:
        return None
    try:
        received = dt.date.fromisoformat(match["received"])
        day = None if match["day"] == UNREADABLE else dt.date.fromisoformat(match["day"])
    except ValueError:
        return None
    return Segment(entry.path, match["kind"], received, day, entry.size)


def read_committed(file: Path, start: int = 0) -> Committed:
    """The acknowledged batches of a segment from an offset on, checksums verified.

    A torn end (a crash, or a batch being written now) is measured, not read. Damage in the middle gives a
    batch that is not intact and reaches to the next header.
    """
    batches: list[Batch] = []
    with open(file, "rb") as stream:
        size = stream.seek(0, 2)
        position = stream.seek(start)
        while position < size:
            header = stream.readline(_HEADER_LIMIT)
            body = position + len(header)
            stated = _parse_header(header)
            if stated and body + stated[0] <= size:
                end = body + stated[0]
                if zlib.crc32(stream.read(stated[0])) == stated[1]:
                    batches.append(Batch(body, end, intact=True))
                else:
                    # The header itself may be what is wrong: no batch after it may go down with it.
                    end = _next_header(stream, body, end + len(_HEADER)) or end
                    batches.append(Batch(body, end, intact=False))
            else:
                following = _next_header(stream, position, size)
                if following is None and (stated or not _has_line_end(stream, position)):
                    break
                end = following or size
                batches.append(Batch(position, end, intact=False))
            position = stream.seek(end)
    return Committed(tuple(batches), position, size - position)


def _parse_header(line: bytes) -> tuple[int, int] | None:
    """Length and checksum, or None where the line is no header."""
    if not line.startswith(_HEADER) or not line.endswith(b"\n"):
        return None
    try:
        batch = json.loads(line)["batch"]
        length, checksum = int(batch["bytes"]), int(batch["crc32"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return (length, checksum) if length > 0 else None


def _next_header(stream: BinaryIO, start: int, end: int) -> int | None:
    """Where the next header after `start` begins. No event's line begins as a header does."""
    sought = b"\n" + _HEADER
    found = _find(stream, sought, start, end)
    return None if found is None else found + 1


def _has_line_end(stream: BinaryIO, start: int) -> bool:
    return _find(stream, b"\n", start, None) is not None


def _find(stream: BinaryIO, sought: bytes, start: int, end: int | None) -> int | None:
    position, kept = stream.seek(start), b""
    while end is None or position < end:
        chunk = stream.read(_CHUNK if end is None else min(_CHUNK, end - position))
        if not chunk:
            return None
        window = kept + chunk
        found = window.find(sought)
        if found >= 0:
            return position - len(kept) + found
        kept = window[-(len(sought) - 1) :] if len(sought) > 1 else b""
        position += len(chunk)
    return None

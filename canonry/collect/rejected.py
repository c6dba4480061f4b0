"""`lake/rejected`: what could not be taken, with the reason and the bytes as they came."""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from canonry import lake as lakes
from canonry.collect.validate import raw_lines
from canonry.events import EVENT_TYPES
from canonry.landing import Segment, first_day, list_foreign, list_segments, read_committed
from canonry.storage import Entry, Storage, Zones

DAMAGED = "damaged batch: its checksum does not match"
TORN = "torn end: the batch is incomplete, so it was never acknowledged, or the file was cut"

_REJECTED = "rejected"
_FOREIGN = "foreign file: not a segment; put files where a file_drop source reads, only the landing writer writes here"
_KEEP_BYTES = 1 << 20


@dataclass(frozen=True)
class PiecesOfSegment:
    """Bytes of a segment that could not be read as events, and why."""

    segment: str
    reason: str
    data: bytes


@dataclass(frozen=True)
class UnreadableReport:
    """What a day's receipts held that could be placed on no day; reasons are counted by what was wrong (a field)."""

    day: dt.date
    rows: int
    reasons: dict[str, int]
    changed: bool


def write_rejected(
    connection: duckdb.DuckDBPyConnection,
    zones: Zones,
    kind: str,
    day: dt.date,
    part: str,
    pieces: list[PiecesOfSegment],
) -> int:
    """Write table `aside`, and pieces of segments, beside the part they were kept out of; returns rows."""
    aside = connection.execute(
        "SELECT DISTINCT event_id, source, received_at, reason, digest, segment FROM aside "
        "ORDER BY event_id, digest, reason, segment, received_at, source"
    ).to_arrow_table()
    rows: list[dict[str, Any]] = aside.to_pylist()
    if rows:
        wanted = {(row["segment"], row["digest"]) for row in rows}
        lines = raw_lines(zones.landing, wanted)
        for row in rows:
            row["raw"] = lines.get((row["segment"], row["digest"]))
    for piece in pieces:
        rows.extend({"reason": piece.reason, "raw": line, "segment": piece.segment} for line in _lines(piece.data))
    for row in rows:
        row["kind"] = kind
    path = _path(kind, day, part)
    if rows:
        zones.lake.put(path, lakes.parquet_bytes(pa.Table.from_pylist(rows, lakes.SCHEMAS[_REJECTED])))
    else:
        zones.lake.delete(path)
    return len(rows)


def sweep_rejected(lake: Storage, kind: str, day: dt.date, parts: Iterable[str]) -> None:
    """Remove what was rejected beside parts that stand no more."""
    wanted = {_path(kind, day, part) for part in parts}
    for entry in list(lake.list(lakes.folder(_REJECTED, day))):
        if entry.path.startswith(_path(kind, day, "part-").removesuffix(".parquet")) and entry.path not in wanted:
            lake.delete(entry.path)


def collect_unreadable(zones: Zones, day: dt.date) -> UnreadableReport:
    """Bring the day's unreadable receipts, and files that are no segments, into `lake/rejected`.

    Here the day is the one they were received on.
    """
    rows: list[dict[str, Any]] = []
    segments: dict[str, list[int]] = {}
    for placed, entry in foreign_files(zones.landing):
        if placed == day:
            rows.append(_foreign(zones.landing, entry))
            segments[entry.path] = [entry.size, entry.size]
    for kind in EVENT_TYPES:
        for segment in list_segments(zones.landing, kind):
            if segment.day is None and segment.received == day:
                read, end = _read_unreadable(zones.landing, segment)
                rows.extend(read)
                segments[segment.path] = [end, segment.size]
    before = lakes.manifest(zones.lake, _REJECTED, day)
    reasons = Counter(row["reason"].partition(":")[0] for row in rows)
    manifest = {"segments": segments, "rows": len(rows), "reasons": reasons}
    if manifest == before or (before is None and not segments):
        return UnreadableReport(day, len(rows), reasons, changed=False)
    rows.sort(key=lambda row: (row["kind"], row["segment"], row["digest"] or "", row["reason"]))
    table = pa.Table.from_pylist(rows, lakes.SCHEMAS[_REJECTED])
    zones.lake.put(f"{lakes.folder(_REJECTED, day)}/unreadable.parquet", lakes.parquet_bytes(table))
    lakes.put_manifest(zones.lake, _REJECTED, day, manifest)
    return UnreadableReport(day, len(rows), reasons, changed=True)


def foreign_files(landing: Storage) -> Iterator[tuple[dt.date, Entry]]:
    """Files that are no segments, each with the day its folder names, or the platform's first where it names none."""
    for entry in list_foreign(landing):
        match = re.search(r"(?:^|/)received=(\d{4}-\d\d-\d\d)/", entry.path)
        placed = first_day()
        with suppress(ValueError):
            placed = max(placed, dt.date.fromisoformat(match[1])) if match else placed
        yield placed, entry


def _read_unreadable(landing: Storage, segment: Segment) -> tuple[list[dict[str, Any]], int]:
    rows: list[dict[str, Any]] = []
    with landing.local_copy(segment.path) as file:
        committed = read_committed(file)
        data = file.read_bytes()
    for batch in committed.batches:
        for line in _lines(data[batch.start : batch.end]):
            row: dict[str, Any] = {"kind": segment.kind, "segment": segment.path, "digest": None}
            try:
                row |= _receipt(line) if batch.intact else {"reason": DAMAGED, "raw": line}
            except (ValueError, KeyError, TypeError) as error:
                row |= {"reason": f"not a receipt of the landing writer: {error}", "raw": line}
            rows.append(row)
    return rows, committed.end


def _receipt(line: bytes) -> dict[str, Any]:
    """What the landing writer noted of an event that it could place on no day."""
    record = orjson.loads(line)
    row = {name: record[name] for name in ("source", "reason", "digest")}
    row["received_at"] = dt.datetime.fromisoformat(record["received_at"])
    if "raw" in record:
        row["raw"] = base64.b64decode(record["raw"])
    elif "raw_object" in record:
        row["segment"] = record["raw_object"]
    return row


def _foreign(landing: Storage, entry: Entry) -> dict[str, Any]:
    kind = entry.path.partition("/")[0]
    raw = landing.read(entry.path, 0, min(entry.size, _KEEP_BYTES))
    known = kind if kind in EVENT_TYPES else "unknown"
    return {"kind": known, "segment": entry.path, "digest": None, "reason": _FOREIGN, "raw": raw}


def _path(kind: str, day: dt.date, part: str) -> str:
    return f"{lakes.folder(_REJECTED, day)}/{kind}-{part}.parquet"


def _lines(data: bytes) -> Iterator[bytes]:
    return (line[:_KEEP_BYTES] for line in data.split(b"\n") if line)

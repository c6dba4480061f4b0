"""`lake/rejected`: what could not be taken, with the reason and the bytes as they came."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from canonry import lake as lakes
from canonry.collect.segments import Segment, list_segments, read_committed
from canonry.collect.validate import raw_lines
from canonry.events import EVENT_TYPES
from canonry.storage import Entry, Storage, Zones

DAMAGED = "damaged batch: its checksum does not match"

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
    """What a day's receipts held that could be placed on no day."""

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
    parts: list[str],
    pieces: list[PiecesOfSegment],
) -> int:
    """Write table `aside`, and pieces of segments, beside the partition they were kept out of; returns rows."""
    aside = connection.execute(
        "SELECT DISTINCT event_id, source, received_at, reason, digest, segment FROM aside "
        "ORDER BY event_id, digest, reason, segment"
    ).to_arrow_table()
    rows: list[dict[str, Any]] = aside.to_pylist()
    if rows:
        lines = raw_lines(connection, zones.landing, sorted({row["segment"] for row in rows}), aside["digest"])
        for row in rows:
            row["raw"] = lines.get((row["segment"], row["digest"]))
    for piece in pieces:
        rows.extend({"reason": piece.reason, "raw": line, "segment": piece.segment} for line in _lines(piece.data))
    for row in rows:
        row["kind"] = kind
    folder = lakes.folder(_REJECTED, day)
    wanted = {f"{folder}/{kind}-{each}.parquet" for each in parts}
    path = f"{folder}/{kind}-{part}.parquet"
    if rows:
        zones.lake.put(path, lakes.parquet_bytes(pa.Table.from_pylist(rows, lakes.SCHEMAS[_REJECTED])))
    else:
        wanted.discard(path)
    for entry in list(zones.lake.list(folder)):
        if entry.path.startswith(f"{folder}/{kind}-") and entry.path not in wanted:
            zones.lake.delete(entry.path)
    return len(rows)


def collect_unreadable(zones: Zones, day: dt.date) -> UnreadableReport:
    """Bring the day's unreadable receipts, and files that are no segments, into `lake/rejected`.

    Here the day is the one they were received on.
    """
    rows: list[dict[str, Any]] = []
    segments: dict[str, list[int]] = {}
    for kind in EVENT_TYPES:
        for found in list_segments(zones.landing, kind):
            if isinstance(found, Entry):
                if _received(found) == day:
                    rows.append(_foreign(zones.landing, kind, found))
                    segments[found.path] = [found.size, found.size]
            elif found.day is None and found.received == day:
                read, end = _read_unreadable(zones.landing, found)
                rows.extend(read)
                segments[found.path] = [end, found.size]
    before = lakes.manifest(zones.lake, _REJECTED, day)
    reasons: dict[str, int] = {}
    for row in rows:
        reasons[_group(row["reason"])] = reasons.get(_group(row["reason"]), 0) + 1
    manifest = {"segments": segments, "rows": len(rows), "reasons": reasons}
    if manifest == before or (before is None and not segments):
        return UnreadableReport(day, len(rows), reasons, changed=False)
    rows.sort(key=lambda row: (row["kind"], row["segment"], row["digest"] or "", row["reason"]))
    table = pa.Table.from_pylist(rows, lakes.SCHEMAS[_REJECTED])
    zones.lake.put(f"{lakes.folder(_REJECTED, day)}/unreadable.parquet", lakes.parquet_bytes(table))
    lakes.put_manifest(zones.lake, _REJECTED, day, manifest)
    return UnreadableReport(day, len(rows), reasons, changed=True)


def _read_unreadable(landing: Storage, segment: Segment) -> tuple[list[dict[str, Any]], int]:
    rows: list[dict[str, Any]] = []
    with landing.local_copy(segment.path) as file:
        committed = read_committed(file)
        data = file.read_bytes()
    for batch in committed.batches:
        for line in _lines(data[batch.start : batch.end]):
            row: dict[str, Any] = {"kind": segment.kind, "segment": segment.path, "digest": None}
            try:
                record = orjson.loads(line)
                raw = base64.b64decode(record["raw"]) if "raw" in record else None
                received_at = dt.datetime.fromisoformat(record["received_at"])
                row |= {"source": record["source"], "reason": record["reason"], "digest": record["digest"]}
                row |= {"received_at": received_at, "raw": raw, "segment": record.get("raw_object", segment.path)}
            except (ValueError, KeyError, TypeError):
                row |= {"reason": DAMAGED, "raw": line[:_KEEP_BYTES]}
            rows.append(row)
    return rows, committed.end


def _foreign(landing: Storage, kind: str, entry: Entry) -> dict[str, Any]:
    raw = landing.read(entry.path, 0, min(entry.size, _KEEP_BYTES))
    return {"kind": kind, "segment": entry.path, "digest": None, "reason": _FOREIGN, "raw": raw}


def _received(entry: Entry) -> dt.date | None:
    """The day of the folder a foreign file lies in; the anchor day where it lies in none."""
    _, separator, rest = entry.path.partition("received=")
    try:
        return dt.date.fromisoformat(rest.partition("/")[0]) if separator else lakes.ANCHOR_DAY
    except ValueError:
        return lakes.ANCHOR_DAY


def _lines(data: bytes) -> Iterator[bytes]:
    return (line[:_KEEP_BYTES] for line in data.split(b"\n") if line)


def _group(reason: str) -> str:
    """A reason without the value that made it, so that reasons can be counted."""
    return reason.partition(":")[0] + ":" + reason.partition(":")[2].split("'")[0].rstrip(" 0123456789,-")[:60]

"""Collects one day of one kind of event: from segments in landing to a partition in the lake.

While a day lasts, each run adds a file made from what arrived since the run before. Once the day is over it
is made whole: one sorted file, a function of the day's segments alone, in whatever order they were collected.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from canonry import lake as lakes
from canonry.collect import keys, news
from canonry.collect.rejected import DAMAGED, PiecesOfSegment, write_rejected
from canonry.collect.segments import Segment, segments_of
from canonry.collect.validate import engine, load_events
from canonry.events import ENVELOPE, EVENT_TYPES, INFERENCE, EventType
from canonry.storage import Storage, Zones

CODE_VERSION = 1
"""Raised when the same segments would give other rows; part of every manifest."""

EARLIER = "another event with this id was received first"


@dataclass(frozen=True)
class DayReport:
    """What collecting a day came to: rows in the partition, identical copies, rejected rows, days told to restate."""

    kind: str
    day: dt.date
    rows: int
    duplicates: int
    rejected: int
    changed: bool
    restated: tuple[dt.date, ...] = field(default=())


def collect_day(zones: Zones, kind: str, day: dt.date, *, today: dt.date) -> DayReport:
    """Bring a partition up to date with landing. Raises CollectError, and leaves what stands, where it cannot."""
    event_type = EVENT_TYPES[kind]
    asked = day in news.told(zones.lake, kind)
    news.done(zones.lake, kind, day)
    before = lakes.manifest(zones.lake, kind, day)
    segments = segments_of(zones.landing, kind, day)
    over = day < today
    if before and not asked and _same(before, segments, over):
        return _report(event_type, day, before, changed=False)
    if before is None and not segments:
        return DayReport(kind, day, 0, 0, 0, changed=False)
    adds = before is not None and not over and not asked and before["code"] == CODE_VERSION
    made = _make(zones, event_type, day, segments, before if adds else None, over)
    if made is None:
        made = _make(zones, event_type, day, segments, None, over)
        assert made is not None
    manifest, restated = made
    for other in restated:
        news.tell(zones.lake, kind, other, f"{day} has an earlier copy of an id")
    return _report(event_type, day, manifest, changed=manifest != before, restated=restated)


def _make(
    zones: Zones,
    event_type: EventType,
    day: dt.date,
    segments: list[Segment],
    before: dict[str, Any] | None,
    over: bool,
) -> tuple[dict[str, Any], tuple[dt.date, ...]] | None:
    """Write the partition, or add to it what `before` has not. None where adding would not be right."""
    consumed = {path: seen[0] for path, seen in before["segments"].items()} if before else {}
    with engine() as connection:
        read = load_events(connection, zones.landing, event_type, day, segments, consumed)
        _set_aside_wrong(connection, event_type)
        duplicates = _set_aside_copies(connection, event_type)
        _create_keys(connection, event_type)
        if before:
            known = _set_aside_known(connection, zones.lake, event_type, day)
            if known is None:
                return None
            duplicates += known
        more, restated = _set_aside_rivals(connection, zones.lake, event_type, day)
        duplicates += more
        part = _part_name(read.consumed) if before else "part-0"
        parts = sorted({*(before["parts"] if before else ()), part})
        pieces = [PiecesOfSegment(path, DAMAGED, data) for path, data in read.damaged]
        if over:
            reason = "torn end: the batch is incomplete, so it was never acknowledged, or the file was cut"
            pieces += [PiecesOfSegment(path, reason, data) for path, data in read.torn.items()]
        rejected = write_rejected(connection, zones, event_type.name, day, part, parts, pieces)
        files = _copy_out(connection, zones.lake, event_type, day, part, parts)
        rows = _count(connection, "events")
        if event_type.name == "feedback":
            for told in keys.days_of_inferences(connection, zones.lake, "SELECT inference_id, trace_id FROM events"):
                news.tell(zones.lake, "outcomes", told, f"feedback of {day}")
    sizes = {segment.path: segment.size for segment in segments}
    manifest: dict[str, Any] = {
        "code": CODE_VERSION,
        "compacted": over,
        "duplicates": duplicates + (before["duplicates"] if before else 0),
        "files": {**(before["files"] if before else {}), **files},
        "parts": parts,
        "rejected": rejected + (before["rejected"] if before else 0),
        "rows": rows + (before["rows"] if before else 0),
        "segments": {path: [end, sizes.get(path, end)] for path, end in sorted(read.consumed.items())},
    }
    lakes.put_manifest(zones.lake, event_type.name, day, manifest)
    return manifest, restated


def _set_aside_wrong(connection: duckdb.DuckDBPyConnection, event_type: EventType) -> None:
    connection.execute(
        f"CREATE TABLE aside AS SELECT {event_type.id_field} AS event_id, source, received_at, reason, digest, segment "
        "FROM events WHERE reason IS NOT NULL"
    )
    connection.execute("DELETE FROM events WHERE reason IS NOT NULL")


def _set_aside_copies(connection: duckdb.DuckDBPyConnection, event_type: EventType) -> int:
    """Keep of each id the copy received first (then the smallest digest); how many others were the same event."""
    key = event_type.id_field
    connection.execute(
        f"CREATE TABLE losers AS SELECT place, same FROM (SELECT rowid AS place, "
        f"row_number() OVER copies > 1 AS loses, digest = first_value(digest) OVER copies AS same FROM events "
        f"WHERE {key} IN (SELECT {key} FROM events GROUP BY {key} HAVING count(*) > 1) "
        f"WINDOW copies AS (PARTITION BY {key} ORDER BY received_at, digest, segment)) WHERE loses"
    )
    return _set_aside(connection, event_type, EARLIER)


def _set_aside_known(
    connection: duckdb.DuckDBPyConnection, lake: Storage, event_type: EventType, day: dt.date
) -> int | None:
    """Set aside new copies of known ids; how many were the same event. None where a new copy is the one that counts."""
    key = event_type.id_field
    connection.execute("CREATE TABLE known (id VARCHAR, received_at TIMESTAMP, digest VARCHAR)")
    for path in keys.key_files(lake, event_type.name).get(day, ()):
        with lake.local_copy(path) as file:
            connection.execute(
                "INSERT INTO known SELECT old.id, old.received_at, old.digest FROM read_parquet(?) AS old "
                "JOIN keys ON old.id_hash = keys.id_hash AND old.id = keys.id",
                [str(file)],
            )
    pairs = f"FROM events JOIN known ON known.id = events.{key}"
    newer = "(known.received_at, known.digest) <= (events.received_at, events.digest)"
    if connection.execute(f"SELECT 1 {pairs} WHERE NOT {newer} LIMIT 1").fetchone():
        return None
    connection.execute(
        f"CREATE OR REPLACE TABLE losers AS SELECT events.rowid AS place, events.digest = known.digest AS same {pairs}"
    )
    same = _set_aside(connection, event_type, EARLIER)
    connection.execute("DELETE FROM keys WHERE id IN (SELECT id FROM known)")
    return same


def _set_aside_rivals(
    connection: duckdb.DuckDBPyConnection, lake: Storage, event_type: EventType, day: dt.date
) -> tuple[int, tuple[dt.date, ...]]:
    """Set aside ids whose copy on another day counts; how many were the same event, and days that lost theirs."""
    keys.create_rivals(connection, lake, event_type.name, day)
    if _count(connection, "rivals") == 0:
        return 0, ()
    key = event_type.id_field
    theirs = "(rivals.received_at, rivals.digest, rivals.day)"
    ours = f"(events.received_at, events.digest, DATE '{day}')"
    connection.execute(
        "CREATE OR REPLACE TABLE losers AS SELECT events.rowid AS place, bool_or(events.digest = rivals.digest) AS same "
        f"FROM events JOIN rivals ON rivals.id = events.{key} WHERE {theirs} < {ours} GROUP BY 1"
    )
    beaten = connection.execute(
        f"SELECT DISTINCT rivals.day FROM rivals JOIN events ON rivals.id = events.{key} "
        f"WHERE {theirs} > {ours} ORDER BY 1"
    ).fetchall()
    restated = tuple(other for (other,) in beaten if _holds_any(connection, lake, event_type, other))
    same = _set_aside(connection, event_type, "another event with this id, on another day, was received first")
    return same, restated


def _holds_any(connection: duckdb.DuckDBPyConnection, lake: Storage, event_type: EventType, day: dt.date) -> bool:
    held = lakes.read(lake, event_type.name, [day], [event_type.id_field])
    connection.register("held", held)
    found = connection.execute(
        f"SELECT 1 FROM held JOIN rivals ON held.{event_type.id_field} = rivals.id JOIN events "
        f"ON rivals.id = events.{event_type.id_field} WHERE rivals.day = ? LIMIT 1",
        [day],
    ).fetchone()
    connection.unregister("held")
    return found is not None


def _set_aside(connection: duckdb.DuckDBPyConnection, event_type: EventType, reason: str) -> int:
    same = connection.execute("SELECT count(*) FROM losers WHERE same").fetchone()
    connection.execute(
        f"INSERT INTO aside SELECT {event_type.id_field}, source, received_at, ?, digest, segment FROM events "
        "WHERE rowid IN (SELECT place FROM losers WHERE NOT same)",
        [f"{event_type.id_field}: {reason}"],
    )
    connection.execute("DELETE FROM events WHERE rowid IN (SELECT place FROM losers)")
    return int(same[0]) if same else 0


def _create_keys(connection: duckdb.DuckDBPyConnection, event_type: EventType) -> None:
    """Table `keys` of every valid id, before another day's copies are weighed."""
    trace = "trace_id" if "trace_id" in event_type.field_names else "NULL::VARCHAR"
    key = event_type.id_field
    connection.execute(
        f"CREATE TABLE keys AS SELECT {key} AS id, md5_number_lower({key}) AS id_hash, {trace} AS trace_id, "
        f"received_at, digest, {event_type.time_field} AS started_at FROM events"
    )


def _copy_out(
    connection: duckdb.DuckDBPyConnection,
    lake: Storage,
    event_type: EventType,
    day: dt.date,
    part: str,
    parts: list[str],
) -> dict[str, str]:
    """Write the part's files and remove parts nobody names; returns the digests of the facts' files."""
    name, order = event_type.name, f"{event_type.time_field}, {event_type.id_field}"
    facts = ", ".join(f'"{each.name}"' for each in (*event_type.fields, *ENVELOPE))
    outputs = {f"{lakes.folder(name, day)}/{part}.parquet": f"SELECT {facts} FROM events ORDER BY {order}"}
    folders = [lakes.folder(name, day)]
    if event_type is INFERENCE:
        texts = ", ".join(f'"{each.name}"' for each in event_type.contents)
        path = f"{lakes.folder('contents', day)}/{part}.parquet"
        outputs[path] = f"SELECT {event_type.id_field}, {texts} FROM events ORDER BY {order}"
        folders.append(lakes.folder("contents", day))
    outputs[keys.key_path(name, day, part)] = "SELECT * FROM keys ORDER BY id_hash, id"
    folders.append(f"{keys.KEYS}/{name}/day={day.isoformat()}")
    digests = {}
    with tempfile.TemporaryDirectory(prefix="canonry-") as scratch:
        for path, query in reversed(outputs.items()):
            local = Path(scratch, "part.parquet")
            connection.execute(f"COPY ({query}) TO '{local}' (FORMAT parquet, COMPRESSION zstd)")
            with open(local, "rb") as data:
                digests[path] = hashlib.file_digest(data, "sha256").hexdigest()
            lake.put_file(path, local)
    for folder in folders:
        wanted = {f"{folder}/{each}.parquet" for each in parts}
        for entry in list(lake.list(folder)):
            if entry.path.endswith(".parquet") and entry.path not in wanted:
                lake.delete(entry.path)
    facts_path = f"{lakes.folder(name, day)}/{part}.parquet"
    return {f"{part}.parquet": digests[facts_path]}


def _same(before: dict[str, Any], segments: list[Segment], over: bool) -> bool:
    sizes = {path: seen[1] for path, seen in before["segments"].items()}
    unchanged = sizes == {segment.path: segment.size for segment in segments}
    return unchanged and before["code"] == CODE_VERSION and (before["compacted"] or not over)


def _part_name(consumed: dict[str, int]) -> str:
    return "part-" + hashlib.sha256(json.dumps(consumed, sort_keys=True).encode()).hexdigest()[:12]


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0


def _report(
    event_type: EventType,
    day: dt.date,
    manifest: dict[str, Any],
    *,
    changed: bool,
    restated: tuple[dt.date, ...] = (),
) -> DayReport:
    counts = manifest["rows"], manifest["duplicates"], manifest["rejected"]
    return DayReport(event_type.name, day, *counts, changed=changed, restated=restated)

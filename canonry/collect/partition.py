"""Collects one day of one kind of event: from segments in landing to a partition in the lake.

While a day lasts, each run adds a file made from what arrived since the run before. Once the day is over it
is made whole: one sorted file, a function of the day's segments alone, in whatever order they were collected.

The manifest is the point of no return. Files are written before it under names it does not know yet, and what it
no longer names is removed after it; a run that breaks off is made good by the next one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from canonry import lake as lakes
from canonry.collect import copies, keys, news
from canonry.collect.parts import Output, write_narrow, write_sorted
from canonry.collect.reconcile import Reconciled, known_nearby, reconcile
from canonry.collect.rejected import DAMAGED, TORN, PiecesOfSegment, sweep_rejected, write_rejected
from canonry.collect.validate import CollectError, Read, engine, load_events
from canonry.events import EVENT_TYPES, FEEDBACK, INFERENCE, EventType
from canonry.landing import Segment, segments_of
from canonry.storage import Storage, Zones

CODE_VERSION = 4
"""Raised when the same segments would give other rows; part of every manifest."""


@dataclass(frozen=True)
class DayReport:
    """What collecting a day came to: rows in the partition, identical copies, rejected rows, days told to restate.

    `reconciled` counts sightings of calls that were seen before, by something else: they are no rows of their own.
    """

    kind: str
    day: dt.date
    rows: int
    duplicates: int
    rejected: int
    changed: bool
    reconciled: int = 0
    restated: tuple[dt.date, ...] = field(default=())


def collect_day(zones: Zones, kind: str, day: dt.date, *, today: dt.date) -> DayReport:
    """Bring a partition up to date with landing. Raises CollectError, and leaves what stands, where it cannot.

    Days of a kind are collected one at a time: each weighs its ids against those of the others.
    """
    event_type = EVENT_TYPES[kind]
    over = day < today
    with news.taking(zones.lake, kind, day) as asked:
        before = lakes.manifest(zones.lake, kind, day)
        segments = segments_of(zones.landing, kind, day)
        if before is None and not segments:
            return DayReport(kind, day, 0, 0, 0, changed=False)
        if before:
            _refuse_loss(zones.landing, before, segments)
            if not asked and _same(before, segments, over):
                _sweep(zones.lake, event_type, day, before["parts"])
                return _report(event_type, day, before, changed=False)
        adds = before is not None and not over and not asked and before["code"] == CODE_VERSION
        made = _make(zones, event_type, day, segments, before if adds else None, over)
        if made is None:
            made = _make(zones, event_type, day, segments, None, over)
            assert made is not None
        manifest, restated = made
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
    kind = event_type.name
    consumed = {path: seen[0] for path, seen in before["segments"].items()} if before else {}
    with engine() as connection:
        read = load_events(connection, zones.landing, event_type, day, segments, consumed)
        copies.set_aside_wrong(connection, event_type)
        duplicates = copies.set_aside_copies(connection, event_type)
        keys.create_keys(connection, event_type)
        if before:
            known = copies.set_aside_known(connection, zones.lake, event_type, day, before["parts"])
            if known is None:
                return None
            duplicates += known
            if event_type is INFERENCE and known_nearby(connection, zones, day, before["parts"]):
                return None
        more, restated = copies.set_aside_rivals(connection, zones.lake, event_type, day)
        duplicates += more
        seen = reconcile(connection, zones, day) if event_type is INFERENCE else Reconciled(0, {}, ())
        part = _part_name(read.consumed, adds=before is not None)
        rejected = write_rejected(connection, zones, kind, day, part, _pieces(read, over))
        digests = _write_part(connection, zones.lake, event_type, day, part)
        rows = _count(connection, "events")
        concerned = [day]
        if event_type is FEEDBACK:
            concerned = keys.days_of_inferences(connection, zones.lake, "SELECT inference_id, trace_id FROM events")
    _tell_tables(zones.lake, concerned, f"{kind} of {day}")
    for other in restated:
        news.tell(zones.lake, kind, other, f"{day} has an earlier copy of an id")
    for other in seen.restated:
        news.tell(zones.lake, kind, other, f"{day} saw calls that {other} saw, too")
    restated = tuple(sorted({*restated, *seen.restated}))
    old = before or {"parts": [], "duplicates": 0, "rejected": 0, "reconciled": 0, "rows": 0, "files": {}}
    parts = sorted({*old["parts"], part})
    if contents := lakes.CONTENTS.get(kind):
        texts = (lakes.manifest(zones.lake, contents, day) or {"files": {}}) if before else {"files": {}}
        files = {**texts["files"], f"{part}.parquet": digests[contents]}
        named = {f"{each}.parquet" for each in parts}
        files = {name: digest for name, digest in files.items() if name in named}
        lakes.put_manifest(zones.lake, contents, day, {"code": CODE_VERSION, "files": files})
    sizes = {segment.path: segment.size for segment in segments}
    manifest: dict[str, Any] = {
        "beside": {**old.get("beside", {}), **seen.beside},
        "code": CODE_VERSION,
        "compacted": over,
        "duplicates": duplicates + old["duplicates"],
        "files": {**old["files"], f"{part}.parquet": digests[kind]},
        "parts": parts,
        "reconciled": seen.sightings + old["reconciled"],
        "rejected": rejected + old["rejected"],
        "rows": rows + old["rows"],
        "segments": {path: [end, sizes.get(path, end)] for path, end in sorted(read.consumed.items())},
    }
    lakes.put_manifest(zones.lake, kind, day, manifest)
    # Said before, lest a crash forget it, and again, lest tables that were being computed meanwhile have taken it.
    _tell_tables(zones.lake, concerned, f"{kind} of {day}")
    _sweep(zones.lake, event_type, day, parts)
    return manifest, restated


def _tell_tables(lake: Storage, days: Iterable[dt.date], because: str) -> None:
    for day in days:
        news.tell(lake, news.OUTCOMES, day, because)


def _pieces(read: Read, over: bool) -> list[PiecesOfSegment]:
    """What is not events. A torn end may still be growing while the day lasts."""
    pieces = [PiecesOfSegment(path, DAMAGED, data) for path, data in read.damaged]
    return pieces + [PiecesOfSegment(path, TORN, data) for path, data in read.torn.items() if over]


def _write_part(
    connection: duckdb.DuckDBPyConnection, lake: Storage, event_type: EventType, day: dt.date, part: str
) -> dict[str, str]:
    """Write the part's files, keys first and facts last; returns their digests by kind."""
    name = event_type.name
    kinds = (lakes.CONTENTS[name], name) if name in lakes.CONTENTS else (name,)
    with tempfile.TemporaryDirectory(prefix="canonry-") as scratch, ThreadPoolExecutor(1) as beside:
        key_file = Output(Path(scratch, keys.KEYS), keys.SCHEMA)
        writing_keys = beside.submit(write_narrow, connection.cursor(), "keys", ("id_hash", "id"), key_file)
        files = [_output(Path(scratch, kind), kind) for kind in kinds]
        write_sorted(connection, "events", (event_type.time_field, event_type.id_field), files)
        writing_keys.result()
        outputs = {keys.KEYS: key_file, **dict(zip(kinds, files, strict=True))}
        found = beside.map(_digest, [output.file for output in outputs.values()])
        for kind, output in outputs.items():
            path = keys.key_path(name, day, part) if kind == keys.KEYS else f"{lakes.folder(kind, day)}/{part}.parquet"
            lake.put_file(path, output.file)
        return dict(zip(outputs, found, strict=True))


def _output(file: Path, kind: str) -> Output:
    """A file of a kind; ids, hashes and texts are never worth a dictionary."""
    schema = lakes.SCHEMAS[kind]
    unique = ("_id", "_hash", "_at", "_ms", "digest")
    repeating = (
        () if kind in lakes.CONTENTS.values() else tuple(name for name in schema.names if not name.endswith(unique))
    )
    return Output(file, schema, repeating)


def _digest(file: Path) -> str:
    with open(file, "rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _sweep(lake: Storage, event_type: EventType, day: dt.date, parts: Iterable[str]) -> None:
    """Remove files of parts that stand no more; the facts last, since it is by them that a broken run is noticed."""
    name = event_type.name
    folders = [keys.key_folder(name, day), lakes.folder(name, day)]
    if name in lakes.CONTENTS:
        folders.insert(1, lakes.folder(lakes.CONTENTS[name], day))
    sweep_rejected(lake, name, day, parts)
    for folder in folders:
        wanted = {f"{folder}/{part}.parquet" for part in parts}
        for entry in list(lake.list(folder)):
            if entry.path.endswith(".parquet") and entry.path not in wanted:
                lake.delete(entry.path)


def _refuse_loss(landing: Storage, before: dict[str, Any], segments: list[Segment]) -> None:
    sizes = {segment.path: segment.size for segment in segments}
    for path, (end, _) in before["segments"].items():
        if sizes.get(path, 0) < end:
            raise CollectError(
                f"{landing.url}/{path}: {end} bytes were collected before and {sizes.get(path, 0)} are left; "
                "restore the file from a backup, or delete the day's partition to collect what remains"
            )


def _same(before: dict[str, Any], segments: list[Segment], over: bool) -> bool:
    sizes = {path: seen[1] for path, seen in before["segments"].items()}
    unchanged = sizes == {segment.path: segment.size for segment in segments}
    return unchanged and before["code"] == CODE_VERSION and (before["compacted"] or not over)


def _part_name(consumed: dict[str, int], *, adds: bool) -> str:
    """A name that no other part of the day has: it says what was read, and whether that is all of it."""
    told = json.dumps([adds, consumed], sort_keys=True)
    return "part-" + hashlib.sha256(told.encode()).hexdigest()[:12]


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
    reconciled = manifest["reconciled"]
    return DayReport(event_type.name, day, *counts, changed=changed, reconciled=reconciled, restated=restated)

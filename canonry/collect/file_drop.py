"""File drops: foreign files become events by the expressions of a source's YAML, and go in by the one door.

A file is taken once. What was taken lies in `journal/file_drops`; a file that has changed is taken again, and
events it held before are found to be copies by their ids.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from canonry.catalog import SourceSpec
from canonry.catalog.specs import Emit
from canonry.collect.foreign import ForeignFileError, create_rows
from canonry.collect.landing import LandingWriter
from canonry.collect.validate import engine
from canonry.events import EVENT_TYPES
from canonry.locations import LocationError, expand, local_files
from canonry.progress import track
from canonry.storage import Entry, Storage, Zones, open_storage

_BATCH_ROWS = 5_000


class FileDropError(Exception):
    """A source that cannot be read at all; the message names its YAML, the field and what to do."""


@dataclass
class DropReport:
    """What one look at a file drop came to: files taken, events by kind, unreadable ones, and files left with why."""

    files: int = 0
    events: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    problems: dict[str, str] = field(default_factory=dict)


def take_files(zones: Zones, name: str, spec: SourceSpec, *, now: dt.datetime) -> DropReport:
    """Take every file at the source's location that was not taken yet.

    One damaged file is reported, and tried again once it has changed; the others are taken all the same.
    """
    report = DropReport()
    try:
        location = expand(spec.location or "", {"CANONRY_HOME": zones.home})
    except LocationError:
        if spec.optional:
            return report
        raise
    found = list(_found(location))
    if not found and not spec.optional:
        raise FileDropError(f"assets/sources/{name}.yaml: location: no file at {location}")
    for storage, entry in found:
        digest = hashlib.sha256(f"{storage.url}/{entry.path}".encode()).hexdigest()[:16]
        mark = f"file_drops/{name}/{digest}-{hashlib.sha256(entry.etag.encode()).hexdigest()[:16]}.json"
        if zones.journal.head(mark):
            continue
        record: dict[str, object] = {"file": f"{storage.url}/{entry.path}", "size": entry.size, "taken_at": str(now)}
        before = report.unreadable
        with storage.local_copy(entry.path) as file:
            try:
                events = _take(zones, name, spec, file, report, now)
                record |= {"events": events, "unreadable": report.unreadable - before}
                report.files += 1
            except (ForeignFileError, duckdb.Error) as error:
                report.problems[f"{storage.url}/{entry.path}"] = str(error)
                record["problem"] = str(error)
        zones.journal.put_if_absent(mark, json.dumps(record, indent=1, sort_keys=True).encode())
    return report


def _found(location: str) -> Iterator[tuple[Storage, Entry]]:
    if "://" in location:
        storage = open_storage(location)
        yield from ((storage, entry) for entry in storage.list())
        return
    for path in local_files(location):
        storage = open_storage(str(path.parent))
        entry = storage.head(path.name)
        if entry:
            yield storage, entry


def _take(
    zones: Zones, name: str, spec: SourceSpec, file: Path, report: DropReport, now: dt.datetime
) -> dict[str, int]:
    """Write one file's events to landing; returns how many of each kind."""
    writer = LandingWriter(zones.landing, name, clock=lambda: now)
    counts: dict[str, int] = {}
    assert spec.format
    with engine() as connection:
        unreadable = create_rows(connection, "rows", file, spec.format)
        joins = _create_lookups(connection, zones, name, spec)
        if unreadable:
            report.unreadable += len(writer.append(spec.emits[0].event, unreadable).unreadable)
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        for emit in spec.emits:
            query = _query(emit, joins)
            total = connection.execute(f"SELECT count(*) FROM ({query})").fetchone()
            result = connection.execute(query)
            for _ in track(range(0, total[0] if total else 0, _BATCH_ROWS), f"{name}: {file.name} → {emit.event}"):
                lines = [line.encode() for (line,) in result.fetchmany(_BATCH_ROWS)]
                receipt = writer.append(emit.event, lines)
                counts[emit.event] = counts.get(emit.event, 0) + receipt.accepted
                report.unreadable += len(receipt.unreadable)
    for kind, count in counts.items():
        report.events[kind] = report.events.get(kind, 0) + count
    return counts


def _create_lookups(connection: duckdb.DuckDBPyConnection, zones: Zones, name: str, spec: SourceSpec) -> str:
    joins = ""
    for alias, lookup in spec.lookups.items():
        location = expand(lookup.location, {"CANONRY_HOME": zones.home})
        files = list(_found(location))
        where = f"assets/sources/{name}.yaml: lookups.{alias}"
        if len(files) != 1:
            raise FileDropError(f"{where}.location: expected one file at {location}, found {len(files)}")
        storage, entry = files[0]
        with storage.local_copy(entry.path) as file:
            if unreadable := create_rows(connection, alias, file, lookup.format):
                raise ForeignFileError(f"{where}: {location} has {len(unreadable)} rows that cannot be read")
        on = _quoted(lookup.key)
        repeated = connection.execute(
            f"SELECT {on} FROM {_quoted(alias)} GROUP BY 1 HAVING count(*) > 1 LIMIT 1"
        ).fetchone()
        if repeated:
            raise FileDropError(
                f"{where}.key: {lookup.key} is not unique in {location}: {repeated[0]!r} is there twice"
            )
        joins += f" LEFT JOIN {_quoted(alias)} ON rows.{on} = {_quoted(alias)}.{on}"
    return joins


def _query(emit: Emit, joins: str) -> str:
    """One JSON object a row. The expressions are governed YAML, checked to be single expressions (canonry.catalog)."""
    fields = ", ".join(f"{_quoted(name)} := ({expression})" for name, expression in emit.fields.items())
    condition = f" WHERE ({emit.where})" if emit.where else ""
    assert emit.event in EVENT_TYPES
    return f"SELECT CAST(to_json(struct_pack({fields})) AS VARCHAR) FROM rows{joins}{condition} ORDER BY rows.file_row"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

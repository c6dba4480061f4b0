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
from canonry.collect.validate import engine
from canonry.events import EVENT_TYPES
from canonry.landing import LandingWriter
from canonry.locations import LocationError, expand, stored_files
from canonry.people import hash_key
from canonry.progress import track
from canonry.redact import Redactor
from canonry.storage import Entry, NotFound, Storage, Zones

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


@dataclass(frozen=True)
class Waiting:
    """A file to take, and where the journal will say that it was taken, or why not."""

    storage: Storage
    entry: Entry
    taken: str
    failed: str

    @property
    def file(self) -> str:
        """Its URL."""
        return f"{self.storage.url}/{self.entry.path}"


def waiting_files(zones: Zones, name: str, spec: SourceSpec) -> Iterator[Waiting]:
    """Files at the source's location that were not taken yet. Raises FileDropError, or LocationError."""
    try:
        location = expand(spec.location or "", {"CANONRY_HOME": zones.home})
    except LocationError:
        if spec.optional:
            return
        raise
    found = list(stored_files(location))
    if not found and not spec.optional:
        raise FileDropError(f"assets/sources/{name}.yaml: location: no file at {location}")
    for storage, entry in found:
        taken = f"file_drops/{name}/{_short(f'{storage.url}/{entry.path}')}-{_short(entry.etag)}.json"
        failed = taken.removesuffix(".json") + f".problem-{_short(spec.model_dump_json())}.json"
        if not zones.journal.head(taken) and not zones.journal.head(failed):
            yield Waiting(storage, entry, taken, failed)


def take_files(zones: Zones, name: str, spec: SourceSpec, *, now: dt.datetime) -> DropReport:
    """Take every file at the source's location that was not taken yet.

    One damaged file is reported, and tried again once it or the source's YAML has changed; the others are taken all
    the same. Raises FileDropError, or LocationError, for what is wrong with the source itself.
    """
    report = DropReport()
    redact = Redactor.from_spec(spec.redaction, hash_key())
    for waiting in waiting_files(zones, name, spec):
        storage, entry, file = waiting.storage, waiting.entry, waiting.file
        record: dict[str, object] = {"file": file, "size": entry.size, "taken_at": str(now)}
        try:
            with storage.local_copy(entry.path) as copy:
                events, unreadable = _take(zones, name, spec, copy, redact, now)
        except (ForeignFileError, NotFound) as error:
            # DuckDB quotes the value that it could not convert.
            problem = report.problems[file] = redact.reason(str(error))
            _note(zones, waiting.failed, {**record, "problem": problem})
            continue
        report.files += 1
        report.unreadable += unreadable
        for kind, count in events.items():
            report.events[kind] = report.events.get(kind, 0) + count
        _note(zones, waiting.taken, {**record, "events": events, "unreadable": unreadable})
    return report


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _note(zones: Zones, path: str, record: dict[str, object]) -> None:
    zones.journal.put_if_absent(path, json.dumps(record, indent=1, sort_keys=True).encode())


def _take(
    zones: Zones, name: str, spec: SourceSpec, file: Path, redact: Redactor, now: dt.datetime
) -> tuple[dict[str, int], int]:
    """Write one file's events to landing; returns how many of each kind, and how many rows were unreadable."""
    writer = LandingWriter(zones.landing, name, redact=redact, clock=lambda: now)
    counts: dict[str, int] = {}
    left = 0
    assert spec.format
    with engine() as connection:
        unreadable = create_rows(connection, "rows", file, spec.format)
        joins = _create_lookups(connection, zones, name, spec)
        if unreadable:
            left += len(writer.append(spec.emits[0].event, unreadable).unreadable)
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        for number, emit in enumerate(spec.emits):
            try:
                for lines in _lines(connection, emit, joins, f"{name}: {file.name} → {emit.event}"):
                    receipt = writer.append(emit.event, lines)
                    counts[emit.event] = counts.get(emit.event, 0) + receipt.accepted
                    left += len(receipt.unreadable)
            except duckdb.Error as error:
                told = " ".join(str(error).split("\n\n")[0].split())
                raise ForeignFileError(f"{file}: assets/sources/{name}.yaml: emits.{number}: {told}") from None
    return counts, left


def _lines(connection: duckdb.DuckDBPyConnection, emit: Emit, joins: str, description: str) -> Iterator[list[bytes]]:
    """One JSON object a row, in batches."""
    query = _query(emit, joins)
    total = connection.execute(f"SELECT count(*) FROM ({query})").fetchone()
    result = connection.execute(query)
    for _ in track(range(0, total[0] if total else 0, _BATCH_ROWS), description):
        yield [line.encode() for (line,) in result.fetchmany(_BATCH_ROWS)]


def _create_lookups(connection: duckdb.DuckDBPyConnection, zones: Zones, name: str, spec: SourceSpec) -> str:
    """Create a table for each lookup; returns the joins. What is wrong with one is wrong with the source."""
    joins = ""
    for alias, lookup in spec.lookups.items():
        where = f"assets/sources/{name}.yaml: lookups.{alias}"
        location = expand(lookup.location, {"CANONRY_HOME": zones.home})
        files = list(stored_files(location))
        if len(files) != 1:
            raise FileDropError(f"{where}.location: expected one file at {location}, found {len(files)}")
        storage, entry = files[0]
        with storage.local_copy(entry.path) as file:
            try:
                unreadable = create_rows(connection, alias, file, lookup.format)
            except ForeignFileError as error:
                raise FileDropError(f"{where}.location: {error}") from None
        if unreadable:
            raise FileDropError(f"{where}.location: {location} has {len(unreadable)} rows that cannot be read")
        table, key = _quoted(alias), _quoted(lookup.key)
        for each in ("rows", table):
            if lookup.key not in _columns(connection, each):
                raise FileDropError(f"{where}.key: {each.strip(chr(34))} has no column {lookup.key}")
        repeated = connection.execute(f"SELECT {key} FROM {table} GROUP BY 1 HAVING count(*) > 1 LIMIT 1").fetchone()
        if repeated:
            message = f"{lookup.key} is not unique in {location}: {repeated[0]!r} is there twice"
            raise FileDropError(f"{where}.key: {message}")
        joins += f" LEFT JOIN {table} ON rows.{key} = {table}.{key}"
    return joins


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    return {name for name, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}


def _query(emit: Emit, joins: str) -> str:
    """One JSON object a row. The expressions are governed YAML, checked to be single expressions (canonry.catalog)."""
    fields = ", ".join(f"{_quoted(name)} := ({expression})" for name, expression in emit.fields.items())
    condition = f" WHERE ({emit.where})" if emit.where else ""
    assert emit.event in EVENT_TYPES
    return f"SELECT CAST(to_json(struct_pack({fields})) AS VARCHAR) FROM rows{joins}{condition} ORDER BY rows.file_row"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

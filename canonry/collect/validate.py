"""Reads committed landing bytes into a typed DuckDB table, each row with the reason it is wrong, if any.

Every field is read as text and cast with TRY_CAST, so that one bad value costs its own row and no other.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from canonry.events import ENVELOPE, EventType, Field
from canonry.landing import Committed, Segment, read_committed
from canonry.storage import Storage

_SQL_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "real": "DOUBLE",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP",
    "json": "VARCHAR",
    "retrieved": "STRUCT(chunk_id VARCHAR, score DOUBLE, text VARCHAR)[]",
}
_NOUNS = {"integer": "a whole number", "real": "a number", "boolean": "true or false", "time": "a time"}


class CollectError(Exception):
    """A day could not be collected; what was there before still stands."""


@dataclass(frozen=True)
class Read:
    """What was read: bytes consumed by segment, pieces that are damaged, and bytes torn off at ends."""

    consumed: dict[str, int]
    damaged: list[tuple[str, bytes]]
    torn: dict[str, bytes]


@contextmanager
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory that spills to a folder of its own and touches nothing else's state."""
    with tempfile.TemporaryDirectory(prefix="canonry-") as folder, duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET temp_directory = ?", [folder])
        connection.execute("SET enable_progress_bar = false")
        yield connection


def load_events(
    connection: duckdb.DuckDBPyConnection,
    landing: Storage,
    event_type: EventType,
    day: dt.date,
    segments: Iterable[Segment],
    consumed: dict[str, int],
) -> Read:
    """Create table `events` from segments, each from the byte offset in `consumed` on.

    Columns: those of the lake, then `reason` (NULL where the row is good) and `filename`. Rows lie in the order of
    segments. Table `names` has the segment of each filename.
    """
    read = Read(dict(consumed), [], {})
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="canonry-") as scratch:
        files: dict[str, str] = {}
        segments = list(segments)
        starts = [consumed.get(segment.path, 0) for segment in segments]
        copies = [stack.enter_context(landing.local_copy(segment.path)) for segment in segments]
        # Checksums leave Python's lock alone.
        checking = stack.enter_context(ThreadPoolExecutor(os.cpu_count()))
        checked = checking.map(read_committed, copies, starts)
        for number, (segment, local, start, found) in enumerate(zip(segments, copies, starts, checked, strict=True)):
            read.consumed[segment.path] = found.end
            if found.torn:
                read.torn[segment.path] = _bytes(local, found.end, found.end + found.torn)
            read.damaged.extend(
                (segment.path, _bytes(local, each.start, each.end)) for each in found.batches if not each.intact
            )
            files[_readable(local, start, found, Path(scratch, f"{number}.jsonl"))] = segment.path
        _create(connection, event_type, day, files)
    return read


def load_lines(
    connection: duckdb.DuckDBPyConnection, event_type: EventType, day: dt.date, lines: Iterable[bytes], table: str
) -> None:
    """Create a table like `events` from lines of a day as they lie in landing."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(b"".join(line + b"\n" for line in lines))
        file.flush()
        connection.execute(
            f"CREATE TABLE {table} AS {_select(event_type, day)}",
            {"files": [file.name], "columns": _columns(event_type)},
        )


def raw_lines(landing: Storage, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    """Lines as they lie in landing, by segment and digest: a second pass, paid only where rows were rejected."""
    lines: dict[tuple[str, str], bytes] = {}
    for path in sorted({segment for segment, _ in wanted}):
        with landing.local_copy(path) as local:
            for batch in read_committed(local).batches:
                for line in _bytes(local, batch.start, batch.end).split(b"\n") if batch.intact else ():
                    # The digest is the last thing the landing writer puts on a line.
                    digest = line.rpartition(b'"digest":"')[2][:32].decode(errors="replace")
                    if (path, digest) in wanted:
                        lines[path, digest] = line
    return lines


def _create(connection: duckdb.DuckDBPyConnection, event_type: EventType, day: dt.date, files: dict[str, str]) -> None:
    connection.execute("CREATE TABLE names (filename VARCHAR, segment VARCHAR)")
    if files:
        connection.executemany("INSERT INTO names VALUES (?, ?)", list(files.items()))
        connection.execute(
            f"CREATE TABLE events AS {_select(event_type, day)}",
            {"files": list(files), "columns": _columns(event_type)},
        )
    else:
        fields = (*event_type.all_fields, *ENVELOPE)
        declared = ", ".join(f'"{field.name}" {_SQL_TYPES[field.type]}' for field in fields)
        connection.execute(f"CREATE TABLE events ({declared}, reason VARCHAR, filename VARCHAR)")


def _columns(event_type: EventType) -> dict[str, str]:
    """Columns of a line of landing, as they are first read; the header of a batch has one of its own."""
    fields = (*event_type.all_fields, *ENVELOPE)
    return {field.name: "JSON" if field.type in ("json", "retrieved") else "VARCHAR" for field in fields} | {
        "batch": "JSON"
    }


def _select(event_type: EventType, day: dt.date) -> str:
    """SQL that reads lines of `$files` as typed rows, each with the reason it is wrong."""
    fields = (*event_type.all_fields, *ENVELOPE)
    typed = ", ".join(f'{_cast(field)} AS "{field.name}"' for field in fields)
    reasons = [reason for field in fields for reason in _reasons(field)]
    reasons.append(
        f"CASE WHEN TRY_CAST({event_type.time_field} AS DATE) <> DATE '{day}' "
        f"THEN '{event_type.time_field}: ' || {event_type.time_field} || ' is not on {day}, its segment''s day' END"
    )
    return (
        f"SELECT {typed}, coalesce({', '.join(reasons)}) AS reason, raw.filename FROM "
        "read_json($files, format = 'newline_delimited', columns = $columns, filename = true) AS raw "
        "WHERE raw.batch IS NULL"
    )


def _cast(field: Field) -> str:
    if field.type == "text":
        return f'"{field.name}"'
    return f'TRY_CAST("{field.name}" AS {_SQL_TYPES[field.type]})'


def _reasons(field: Field) -> Iterator[str]:
    """SQL that gives the reason a value is wrong, or NULL. Names and bounds are ours; only values come from outside."""
    name = f'"{field.name}"'
    shown = f"'{field.name}: ' || coalesce('''' || left({name}, 80) || '''', 'nothing')"
    if field.required:
        yield f"CASE WHEN {name} IS NULL OR {name} = '' THEN '{field.name}: missing' END"
    if noun := _NOUNS.get(field.type):
        wrong = f"{_cast(field)} IS NULL"
        if field.type in ("real", "time"):
            wrong = f"coalesce(NOT isfinite({_cast(field)}), true)"
        yield f"CASE WHEN {name} IS NOT NULL AND {wrong} THEN {shown} || ' is not {noun}' END"
    if field.type == "integer":
        yield f"CASE WHEN TRY_CAST({name} AS DOUBLE) <> TRY_CAST({name} AS BIGINT) THEN {shown} || ' is not whole' END"
    if field.type == "retrieved":
        yield (
            f"CASE WHEN {name} IS NOT NULL AND {_cast(field)} IS NULL "
            f"THEN '{field.name}: is not a list of chunk_id, score, text' END"
        )
    if field.minimum is not None:
        yield f"CASE WHEN {_cast(field)} < {field.minimum} THEN {shown} || ' is below {field.minimum:g}' END"
    if field.maximum is not None:
        yield f"CASE WHEN {_cast(field)} > {field.maximum} THEN {shown} || ' is above {field.maximum:g}' END"
    for signal, numbers in field.of_signal:
        expected = " or ".join(f"{number:g}" for number in numbers)
        yield (
            f"CASE WHEN signal = '{signal}' AND {_cast(field)} NOT IN ({', '.join(map(str, numbers))}) "
            f"THEN {shown} || ' is not {expected}, as {signal} needs' END"
        )
    if field.one_of:
        choices = ", ".join(f"'{choice}'" for choice in field.one_of)
        yield f"CASE WHEN {name} NOT IN ({choices}) THEN {shown} || ' is none of {', '.join(field.one_of)}' END"


def _readable(local: Path, start: int, found: Committed, scratch: Path) -> str:
    """The segment itself where all of it is to be read; else a copy of the batches that are."""
    if start == 0 and not found.torn and all(batch.intact for batch in found.batches):
        return str(local)
    with open(scratch, "wb") as copy:
        for batch in found.batches:
            if batch.intact:
                copy.write(_bytes(local, batch.start, batch.end))
    return str(scratch)


def _bytes(file: Path, start: int, end: int) -> bytes:
    with open(file, "rb") as stream:
        stream.seek(start)
        return stream.read(end - start)

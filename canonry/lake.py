"""What a lake partition is: `KIND/day=D/*.parquet`, its schema, and the manifest that names what it was made from."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from canonry.code import code_version
from canonry.lake_schemas import CONTENTS, MONEY, SCHEMAS, TIME
from canonry.storage import NotFound, Storage

__all__ = [
    "CONTENTS",
    "MANIFEST",
    "MONEY",
    "SCHEMAS",
    "TIME",
    "commit",
    "days",
    "ensure_anchors",
    "folder",
    "manifest",
    "parquet_bytes",
    "put_manifest",
    "read",
    "write",
]

MANIFEST = "manifest.json"

ANCHOR_DAY = dt.date(1970, 1, 1)
"""Day of an empty partition that gives every reader the schema before the first event arrives."""


def folder(kind: str, day: dt.date) -> str:
    """Path of a partition in the lake."""
    return f"{kind}/day={day.isoformat()}"


def ensure_anchors(lake: Storage) -> None:
    """Write the empty partitions that give readers each kind's current schema."""
    for kind, schema in SCHEMAS.items():
        data = parquet_bytes(schema.empty_table())
        path = f"{folder(kind, ANCHOR_DAY)}/empty-{hashlib.sha256(data).hexdigest()[:12]}.parquet"
        if lake.put_if_absent(path, data):
            for entry in list(lake.list(folder(kind, ANCHOR_DAY))):
                if entry.path != path:
                    lake.delete(entry.path)


def manifest(lake: Storage, kind: str, day: dt.date) -> dict[str, Any] | None:
    """What a partition was made from, or None where there is none yet."""
    try:
        return json.loads(lake.read(f"{folder(kind, day)}/{MANIFEST}"))
    except NotFound:
        return None


def put_manifest(lake: Storage, kind: str, day: dt.date, document: Mapping[str, Any]) -> None:
    """Say what a partition was made from: the last step of writing it."""
    lake.put(f"{folder(kind, day)}/{MANIFEST}", json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")


def days(lake: Storage, kind: str) -> list[dt.date]:
    """Days that have rows of this kind, in order."""
    found = {entry.path.split("/")[1].removeprefix("day=") for entry in lake.list(kind)}
    return sorted(day for day in map(dt.date.fromisoformat, found) if day != ANCHOR_DAY)


def write(lake: Storage, kind: str, day: dt.date, table: pa.Table, made_from: Mapping[str, Any]) -> bool:
    """Replace a partition by one file of these rows. False where it already was exactly this.

    `table` needs the columns of SCHEMAS[kind] in any order; its rows are written in the order given. The manifest names
    the code beside what it was made from.
    """
    data = parquet_bytes(table.select(SCHEMAS[kind].names).cast(SCHEMAS[kind]))
    named = {"code": code_version(), **made_from, "rows": table.num_rows}
    return commit(lake, kind, day, {"part-0.parquet": data}, named)


def commit(lake: Storage, kind: str, day: dt.date, files: Mapping[str, bytes], made_from: Mapping[str, Any]) -> bool:
    """Make these files the partition: files first, then the manifest, then away with what it no longer names."""
    base = folder(kind, day)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    document = {**made_from, "files": digests}
    present = {entry.path for entry in lake.list(base)}
    wanted = {f"{base}/{name}" for name in (*files, MANIFEST)}
    if manifest(lake, kind, day) == document and present == wanted:
        return False
    for name, data in files.items():
        lake.put(f"{base}/{name}", data)
    put_manifest(lake, kind, day, document)
    for path in present - wanted:
        lake.delete(path)
    return True


def read(
    lake: Storage, kind: str, days: Iterable[dt.date], columns: list[str] | None = None, *, with_day: bool = False
) -> pa.Table:
    """Rows of a kind on these days, in order of day and file; with a `day` column when asked."""
    schema = SCHEMAS[kind]
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    parts = []
    for day in days:
        for path in _data_files(lake, kind, day):
            with lake.local_copy(path) as file:
                part = _conform(pq.read_table(file, columns=columns, partitioning=None), schema)
            if with_day:
                part = part.append_column("day", pa.array([day] * part.num_rows, pa.date32()))
            parts.append(part)
    if not parts:
        parts = [(schema.append(pa.field("day", pa.date32())) if with_day else schema).empty_table()]
    return pa.concat_tables(parts)


def parquet_bytes(table: pa.Table) -> bytes:
    """The same bytes for the same rows."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", store_schema=False)
    return buffer.getvalue()


def _data_files(lake: Storage, kind: str, day: dt.date) -> Iterator[str]:
    """Files the manifest names: beside them may lie what a run that broke off has left. Without names, every file."""
    named = (manifest(lake, kind, day) or {}).get("files")
    if named is not None:
        yield from (f"{folder(kind, day)}/{name}" for name in sorted(named))
        return
    for entry in lake.list(folder(kind, day)):
        if entry.path.endswith(".parquet"):
            yield entry.path


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)

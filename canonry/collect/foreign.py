"""Reads a foreign file (JSON Lines, CSV, Parquet; plain or gzip) into a DuckDB table, bad rows apart."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import duckdb
import orjson

MAX_LINE_BYTES = 16 << 20
"""DuckDB reads no larger JSON object at once; a longer line is kept as unreadable."""


class ForeignFileError(Exception):
    """A file that is not what its source says; the message names it and the row."""


def create_rows(connection: duckdb.DuckDBPyConnection, table: str, file: Path, form: str) -> list[bytes]:
    """Create a table of the file's rows, with `file_row` (from 1) first; returns rows that could not be read.

    Raises ForeignFileError where the file as a whole cannot be read.
    """
    name = '"' + table.replace('"', '""') + '"'
    try:
        if form == "jsonl":
            return _jsonl(connection, name, file)
        if form == "csv":
            return _csv(connection, name, file)
        connection.execute(
            f"CREATE TABLE {name} AS SELECT row_number() OVER () AS file_row, * FROM read_parquet(?)", [str(file)]
        )
        return []
    except (OSError, EOFError, zlib.error, duckdb.Error) as error:
        raise ForeignFileError(f"{file}: cannot be read as {form}: {str(error).splitlines()[0]}") from None


def _jsonl(connection: duckdb.DuckDBPyConnection, name: str, file: Path) -> list[bytes]:
    unreadable: list[bytes] = []
    with tempfile.TemporaryDirectory(prefix="canonry-") as scratch:
        clean = Path(scratch, "rows.jsonl")
        rows = 0
        with _open(file) as lines, open(clean, "wb") as out:
            for line in lines:
                if not line.strip():
                    continue
                rows += 1
                if _is_object(line):
                    out.write(b'{"file_row":%d,' % rows + line.strip()[1:].lstrip() + b"\n")
                else:
                    unreadable.append(line.rstrip(b"\n"))
        if clean.stat().st_size == 0:
            raise ForeignFileError(f"{file}: none of its {rows} lines is a JSON object")
        connection.execute(
            f"CREATE TABLE {name} AS SELECT * FROM read_json(?, format = 'newline_delimited', sample_size = -1, "
            "convert_strings_to_integers = false, maximum_object_size = 33554432)",
            [str(clean)],
        )
    return unreadable


def _csv(connection: duckdb.DuckDBPyConnection, name: str, file: Path) -> list[bytes]:
    with tempfile.TemporaryDirectory(prefix="canonry-") as scratch, _open(file) as packed:
        # Unpacked here, because DuckDB takes the part of a gzip file that was cut off for the whole.
        plain = Path(scratch, "rows.csv")
        with open(plain, "wb") as out:
            shutil.copyfileobj(packed, out)
        connection.execute(
            f"CREATE TABLE {name} AS SELECT row_number() OVER () AS file_row, * FROM "
            "read_csv(?, header = true, all_varchar = true, store_rejects = true)",
            [str(plain)],
        )
    found = connection.execute("SELECT DISTINCT line, csv_line FROM reject_errors ORDER BY line").fetchall()
    connection.execute("DROP TABLE reject_errors")
    connection.execute("DROP TABLE reject_scans")
    return [(text or "").encode() for _, text in found]


def _open(file: Path) -> BinaryIO:
    with open(file, "rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(file, "rb")) if compressed else open(file, "rb")


def _is_object(line: bytes) -> bool:
    if len(line) > MAX_LINE_BYTES:
        return False
    try:
        return isinstance(orjson.loads(line), dict) and line.strip() != b"{}"
    except orjson.JSONDecodeError:
        return False

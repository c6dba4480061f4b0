"""`lake/keys`: every id's day, so that one id on two days is found, and the call a late thumb belongs to.

One file a kind and day, written with the day's partition. It holds every valid id seen on that day, those
that another day wins included: so each day can tell by itself whether its copy is the one that counts.
"""

from __future__ import annotations

import datetime as dt

import duckdb

from canonry.storage import Storage

KEYS = "keys"


def key_path(kind: str, day: dt.date, part: str) -> str:
    """Path of a keys file in the lake."""
    return f"{KEYS}/{kind}/day={day.isoformat()}/{part}.parquet"


def key_files(lake: Storage, kind: str) -> dict[dt.date, list[str]]:
    """Keys files of a kind by day."""
    files: dict[dt.date, list[str]] = {}
    for entry in lake.list(f"{KEYS}/{kind}"):
        day = dt.date.fromisoformat(entry.path.split("day=")[1].partition("/")[0])
        files.setdefault(day, []).append(entry.path)
    return files


def create_rivals(connection: duckdb.DuckDBPyConnection, lake: Storage, kind: str, day: dt.date) -> None:
    """Create table `rivals`: the copies on other days of ids in table `keys`.

    Columns: id, day, received_at, digest. Compares 64-bit hashes first: a day's cost hardly grows with history.
    """
    connection.execute("CREATE TABLE rivals (id VARCHAR, day DATE, received_at TIMESTAMP, digest VARCHAR)")
    for other, paths in sorted(key_files(lake, kind).items()):
        if other == day:
            continue
        for path in paths:
            with lake.local_copy(path) as file:
                connection.execute(
                    "INSERT INTO rivals SELECT other.id, ?, other.received_at, other.digest "
                    "FROM read_parquet(?) AS other JOIN keys ON other.id_hash = keys.id_hash AND other.id = keys.id",
                    [other, str(file)],
                )


def days_of_inferences(connection: duckdb.DuckDBPyConnection, lake: Storage, ids: str) -> list[dt.date]:
    """Days of the calls that rows of the query `ids` (columns inference_id, trace_id) are about."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE sought AS {ids}")
    days = []
    for day, paths in sorted(key_files(lake, "inferences").items()):
        for path in paths:
            with lake.local_copy(path) as file:
                found = connection.execute(
                    "SELECT 1 FROM read_parquet(?) AS k WHERE k.id IN (SELECT inference_id FROM sought) "
                    "OR k.trace_id IN (SELECT trace_id FROM sought WHERE inference_id IS NULL) LIMIT 1",
                    [str(file)],
                ).fetchone()
            if found and day not in days:
                days.append(day)
    return days

"""`lake/keys`: every id's day, so that one id on two days is found, and the call a late thumb belongs to.

One file a kind and day, written with the day's partition. It holds every valid id seen on that day, those
that another day wins included: so each day can tell by itself whether its copy is the one that counts.
"""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import duckdb
import pyarrow as pa

from canonry import lake as lakes
from canonry.events import INFERENCE, EventType
from canonry.storage import Storage

KEYS = "keys"

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("id_hash", pa.uint64()),
        ("trace_id", pa.string()),
        ("received_at", lakes.TIME),
        ("digest", pa.string()),
        ("started_at", lakes.TIME),
        ("ended_at", lakes.TIME),
        ("response_id", pa.string()),
        ("response_hash", pa.uint64()),
        ("source", pa.string()),
        ("logged_by", pa.string()),
        ("cache_hit", pa.bool_()),
        ("segment", pa.string()),
        ("counts", pa.bool_()),
        ("call_day", pa.date32()),
    ]
)
"""Columns of a keys file. `id_hash` is the lower half of the id's MD5: the same in every engine and version.

`counts` is whether this day's copy of the id is the one that counts. From `response_id` on, what tells of two ids
whether they are one call; `call_day` is the day of that call's row where it is another day.
"""

_DAY = re.compile(r"day=(\d{4}-\d\d-\d\d)")
_FILES_AT_ONCE = 64


def key_folder(kind: str, day: dt.date) -> str:
    """Folder in the lake of a day's keys files."""
    return f"{KEYS}/{kind}/day={day.isoformat()}"


def key_path(kind: str, day: dt.date, part: str) -> str:
    """Path of a keys file in the lake."""
    return f"{key_folder(kind, day)}/{part}.parquet"


def create_keys(connection: duckdb.DuckDBPyConnection, event_type: EventType) -> None:
    """Create table `keys` of every valid id in `events`, before another day's copies are weighed."""
    key, began = event_type.id_field, event_type.time_field
    seen = {
        "trace_id": "trace_id" if "trace_id" in event_type.field_names else "NULL::VARCHAR",
        "ended_at": "NULL::TIMESTAMP",
        "response_id": "NULL::VARCHAR",
        "response_hash": "NULL::UBIGINT",
        "logged_by": "NULL::VARCHAR",
        "cache_hit": "NULL::BOOLEAN",
    }
    if event_type is INFERENCE:
        seen["ended_at"] = f"{began} + to_microseconds(TRY_CAST(round(least(latency_ms, 1e12) * 1000) AS BIGINT))"
        seen["response_id"] = "nullif(provider_response_id, '')"
        seen["response_hash"] = "md5_number_lower(nullif(provider_response_id, ''))"
        seen |= {"logged_by": "logged_by", "cache_hit": "cache_hit"}
    columns = ", ".join(f"{expression} AS {name}" for name, expression in seen.items())
    connection.execute(
        f"CREATE TABLE keys AS SELECT {key} AS id, md5_number_lower({key}) AS id_hash, received_at, digest, "
        f"{began} AS started_at, {columns}, source, segment, true AS counts, NULL::DATE AS call_day "
        "FROM events JOIN names USING (filename)"
    )


def create_known(
    connection: duckdb.DuckDBPyConnection, lake: Storage, kind: str, day: dt.date, parts: Iterable[str]
) -> None:
    """Create table `known`: what the day's parts already hold of the ids in table `keys`."""
    connection.execute("CREATE TABLE known (id VARCHAR, received_at TIMESTAMP, digest VARCHAR)")
    for part in parts:
        with lake.local_copy(key_path(kind, day, part)) as file:
            connection.execute(
                "INSERT INTO known SELECT old.id, old.received_at, old.digest FROM read_parquet(?) AS old "
                "JOIN keys ON old.id_hash = keys.id_hash AND old.id = keys.id",
                [str(file)],
            )


def create_rivals(connection: duckdb.DuckDBPyConnection, lake: Storage, kind: str, day: dt.date) -> None:
    """Create table `rivals`: the copies on other days of ids in table `keys`.

    Columns: id, day, received_at, digest. Of history only the 64-bit hashes are read, until one is found.
    """
    connection.execute("CREATE TABLE rivals (id VARCHAR, day DATE, received_at TIMESTAMP, digest VARCHAR)")
    for other, file in _files_that_hold(connection, lake, kind, "id_hash IN (SELECT id_hash FROM keys)", besides=day):
        connection.execute(
            "INSERT INTO rivals SELECT other.id, ?, other.received_at, other.digest "
            "FROM read_parquet(?) AS other JOIN keys ON other.id_hash = keys.id_hash AND other.id = keys.id",
            [other, file],
        )


def create_seen(
    connection: duckdb.DuckDBPyConnection,
    lake: Storage,
    day: dt.date,
    parts: Iterable[str],
    hashes: Iterable[int],
    start: dt.datetime,
    end: dt.datetime,
) -> None:
    """Create table `seen`: rows of a day's keys that count, of responses of these hashes, begun in an interval.

    Columns are those of SCHEMA. `parts` are the day's, as its manifest names them.
    """
    empty = SCHEMA.empty_table()
    connection.register("no_keys", empty)
    connection.execute("CREATE OR REPLACE TABLE seen AS SELECT * FROM no_keys")
    connection.unregister("no_keys")
    sought = list(hashes)
    for part in parts if sought else ():
        with lake.local_copy(key_path(INFERENCE.name, day, part)) as file, _all_columns() as columns:
            connection.execute(
                "INSERT INTO seen BY NAME SELECT * FROM read_parquet(?, union_by_name = true) "
                "WHERE counts AND started_at BETWEEN ? AND ? AND response_hash IN (SELECT unnest(?::UBIGINT[]))",
                [[columns, str(file)], start, end, sought],
            )


def days_of_inferences(connection: duckdb.DuckDBPyConnection, lake: Storage, ids: str) -> list[dt.date]:
    """Days of the calls that rows of the query `ids` (columns inference_id, trace_id) are about.

    A call is found by any id under which it was logged, and by the provider's id of its response; where it is not, or
    none is named, its trace stands in for it.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE sought AS SELECT DISTINCT md5_number_lower(inference_id) AS id_hash, trace_id "
        f"FROM ({ids})"
    )
    connection.execute("CREATE OR REPLACE TEMP TABLE found (day DATE, id_hash UBIGINT, response_hash UBIGINT)")
    named = "(SELECT id_hash FROM sought WHERE id_hash IS NOT NULL)"
    _find(connection, lake, named, f"id_hash IN {named} OR response_hash IN {named}")
    known = "(SELECT unnest([id_hash, response_hash]) AS each FROM found) WHERE each IS NOT NULL"
    # A copy: what is found by traces must not change which of them are sought.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE sought_traces AS SELECT DISTINCT trace_id FROM sought "
        f"WHERE trace_id IS NOT NULL AND (id_hash IN (SELECT each FROM {known})) IS NOT TRUE"
    )
    traces = "(SELECT trace_id FROM sought_traces)"
    _find(connection, lake, traces, f"trace_id IN {traces}")
    return [day for (day,) in connection.execute("SELECT DISTINCT day FROM found ORDER BY day").fetchall()]


def _find(connection: duckdb.DuckDBPyConnection, lake: Storage, sought: str, condition: str) -> None:
    """Add calls that meet the condition to table `found`; no file is looked into where nothing is sought."""
    if not connection.execute(f"SELECT 1 FROM {sought} LIMIT 1").fetchone():
        return
    for day, file in _files_that_hold(connection, lake, INFERENCE.name, condition):
        with _all_columns() as empty:
            connection.execute(
                "INSERT INTO found SELECT DISTINCT coalesce(call_day, ?), id_hash, response_hash "
                f"FROM read_parquet(?, union_by_name = true) WHERE {condition}",
                [day, [empty, file]],
            )


def _files_that_hold(
    connection: duckdb.DuckDBPyConnection,
    lake: Storage,
    kind: str,
    condition: str,
    *,
    besides: dt.date | None = None,
) -> Iterator[tuple[dt.date, str]]:
    """Keys files with a row that meets the condition, as local files; only the columns it names are read."""
    entries = [(dt.date.fromisoformat(_DAY.findall(each.path)[-1]), each.path) for each in lake.list(f"{KEYS}/{kind}")]
    others = [(day, path) for day, path in entries if day != besides]
    for start in range(0, len(others), _FILES_AT_ONCE):
        batch = others[start : start + _FILES_AT_ONCE]
        with ExitStack() as stack:
            days = {str(stack.enter_context(lake.local_copy(path))): day for day, path in batch}
            found = connection.execute(
                "SELECT DISTINCT filename FROM read_parquet(?, filename = true, union_by_name = true) "
                f"WHERE {condition} ORDER BY 1",
                [[stack.enter_context(_all_columns()), *days]],
            ).fetchall()
            yield from ((days[file], file) for (file,) in found)


@contextmanager
def _all_columns() -> Iterator[str]:
    """An empty keys file: read with those of an earlier version, it gives them the columns that they lack."""
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(lakes.parquet_bytes(SCHEMA.empty_table()))
        file.flush()
        yield file.name

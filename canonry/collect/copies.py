"""Of events with one id, one counts: the copy received first, then the one with the smallest digest.

Works on the tables `events` and `keys` of one connection. What does not count goes to the table `aside`, except
identical copies, which are only counted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import duckdb

from canonry import lake as lakes
from canonry.collect import keys
from canonry.events import EventType
from canonry.storage import Storage

_EARLIER = "another event with this id was received first"
_EARLIER_ELSEWHERE = "another event with this id, on another day, was received first"


def set_aside_wrong(connection: duckdb.DuckDBPyConnection, event_type: EventType) -> None:
    """Create table `aside` of the rows that validation found wrong."""
    connection.execute(
        f"CREATE TABLE aside AS SELECT {event_type.id_field} AS event_id, source, received_at, reason, digest, segment "
        "FROM events JOIN names USING (filename) WHERE reason IS NOT NULL"
    )
    connection.execute("DELETE FROM events WHERE reason IS NOT NULL")


def set_aside_copies(connection: duckdb.DuckDBPyConnection, event_type: EventType) -> int:
    """Keep of each id the copy that counts; how many others were the same event."""
    key = event_type.id_field
    connection.execute(
        f"CREATE TABLE losers AS SELECT place, same FROM (SELECT rowid AS place, "
        f"row_number() OVER copies > 1 AS loses, digest = first_value(digest) OVER copies AS same FROM events "
        f"WHERE {key} IN (SELECT {key} FROM events GROUP BY {key} HAVING count(*) > 1) "
        f"WINDOW copies AS (PARTITION BY {key} ORDER BY received_at, digest, rowid)) WHERE loses"
    )
    return _set_aside(connection, event_type, _EARLIER)


def set_aside_known(
    connection: duckdb.DuckDBPyConnection, lake: Storage, event_type: EventType, day: dt.date, parts: Iterable[str]
) -> int | None:
    """Set aside copies of what the day's parts hold; how many were the same event. None where a new copy counts."""
    keys.create_known(connection, lake, event_type.name, day, parts)
    pairs = f"FROM events JOIN known ON known.id = events.{event_type.id_field}"
    older = "(known.received_at, known.digest) <= (events.received_at, events.digest)"
    if connection.execute(f"SELECT 1 {pairs} WHERE NOT {older} LIMIT 1").fetchone():
        return None
    connection.execute(
        f"CREATE OR REPLACE TABLE losers AS SELECT events.rowid AS place, events.digest = known.digest AS same {pairs}"
    )
    same = _set_aside(connection, event_type, _EARLIER)
    connection.execute("DELETE FROM keys WHERE id IN (SELECT id FROM known)")
    return same


def set_aside_rivals(
    connection: duckdb.DuckDBPyConnection, lake: Storage, event_type: EventType, day: dt.date
) -> tuple[int, tuple[dt.date, ...]]:
    """Set aside ids whose copy on another day counts; how many were the same event, and days that lost theirs."""
    keys.create_rivals(connection, lake, event_type.name, day)
    if not connection.execute("SELECT 1 FROM rivals LIMIT 1").fetchone():
        return 0, ()
    pairs = f"FROM events JOIN rivals ON rivals.id = events.{event_type.id_field}"
    theirs = "(rivals.received_at, rivals.digest, rivals.day)"
    ours = f"(events.received_at, events.digest, DATE '{day}')"
    connection.execute(
        "CREATE OR REPLACE TABLE losers AS SELECT events.rowid AS place, "
        f"bool_or(events.digest = rivals.digest) AS same {pairs} WHERE {theirs} < {ours} GROUP BY 1"
    )
    beaten = connection.execute(
        f"SELECT DISTINCT rivals.day {pairs} WHERE {theirs} > {ours} ORDER BY rivals.day"
    ).fetchall()
    restated = tuple(other for (other,) in beaten if _holds_any(connection, lake, event_type, other))
    return _set_aside(connection, event_type, _EARLIER_ELSEWHERE), restated


def _holds_any(connection: duckdb.DuckDBPyConnection, lake: Storage, event_type: EventType, day: dt.date) -> bool:
    """Whether a day's partition still holds an id whose copy there does not count."""
    key = event_type.id_field
    connection.register("held", lakes.read(lake, event_type.name, [day], [key, "received_at", "digest"]))
    found = connection.execute(
        f"SELECT 1 FROM held JOIN events USING ({key}) "
        "WHERE (events.received_at, events.digest) < (held.received_at, held.digest) LIMIT 1"
    ).fetchone()
    connection.unregister("held")
    return found is not None


def _set_aside(connection: duckdb.DuckDBPyConnection, event_type: EventType, reason: str) -> int:
    """Move the rows of table `losers` out of `events`; how many were identical copies."""
    same = connection.execute("SELECT count(*) FROM losers WHERE same").fetchone()
    connection.execute(
        f"INSERT INTO aside SELECT {event_type.id_field}, source, received_at, ?, digest, segment FROM events "
        "JOIN names USING (filename) WHERE events.rowid IN (SELECT place FROM losers WHERE NOT same)",
        [f"{event_type.id_field}: {reason}"],
    )
    connection.execute("DELETE FROM events WHERE rowid IN (SELECT place FROM losers)")
    return int(same[0]) if same else 0

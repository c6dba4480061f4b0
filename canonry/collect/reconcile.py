"""One call that was logged twice, under two ids, becomes one row: the sighting received first, filled from the others.

Works on the tables `events` and `keys` of one connection, after copies of one id are set aside. The ids of the others
are kept in `other_ids` and in lake/keys, so that feedback that names them finds the call.

Two machines' clocks may put the sightings of a call on two days. Each of the two days finds such calls by itself, from
what both saw within an hour of midnight, and so they agree; the day whose sighting counts reads the others' from
landing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import duckdb

from canonry import lake as lakes
from canonry.collect import keys
from canonry.collect.sightings import SLACK, Sighting, calls, digest
from canonry.collect.validate import load_lines, raw_lines
from canonry.events import ENVELOPE, INFERENCE
from canonry.storage import Zones

EDGE = dt.timedelta(hours=1)
"""How near to midnight a call must begin, for both days to look for it."""

BESIDE = "beside"
"""In a manifest: digest of what was seen of a neighbouring day's calls, by day."""

_ONE_DAY = dt.timedelta(days=1)
_FAR = 1_000_000
_OWN = ("inference_id", "started_at", "logged_by", *(field.name for field in ENVELOPE), "reason", "filename")
"""Columns that are those of the sighting that counts, whether it says them or not."""

_FOR_WHOM = ("product", "team", "feature", "environment")
"""Columns that the product knows better than a gateway that serves all of them."""

_GATEWAY = "litellm"

_COUNTED_TOGETHER = (("input_tokens", "cache_read_tokens", "cache_write_tokens"), ("output_tokens", "reasoning_tokens"))
"""Counts that mean something together alone: they are those of the sighting that says most of them."""


@dataclass(frozen=True)
class Reconciled:
    """What came of it: sightings that are no row of their own, what was seen of other days, and days to do again."""

    sightings: int
    beside: Mapping[str, str]
    restated: tuple[dt.date, ...]


def known_nearby(connection: duckdb.DuckDBPyConnection, zones: Zones, day: dt.date, parts: Iterable[str]) -> bool:
    """Whether calls in `keys` may be calls that the day's parts, or a neighbouring day's, hold under another id."""
    window = connection.execute("SELECT min(started_at), max(coalesce(ended_at, started_at)) FROM keys").fetchone()
    if window is None or window[0] is None:
        return False
    keys.create_seen(connection, zones.lake, day, parts, _hashes(connection), dt.datetime.min, dt.datetime.max)
    near = (
        f"SELECT 1 FROM keys JOIN seen USING (response_id) WHERE keys.id <> seen.id "
        f"AND seen.started_at <= coalesce(keys.ended_at, keys.started_at) + {_slack()} "
        f"AND keys.started_at <= coalesce(seen.ended_at, seen.started_at) + {_slack()} LIMIT 1"
    )
    if connection.execute(near).fetchone():
        return True
    return any(_beside(connection, zones, day, other) for other in (day - _ONE_DAY, day + _ONE_DAY))


def reconcile(connection: duckdb.DuckDBPyConnection, zones: Zones, day: dt.date) -> Reconciled:
    """Make one row of the sightings of each call. Adds the column `other_ids` to `events`."""
    key = INFERENCE.id_field
    connection.execute("ALTER TABLE events ADD COLUMN other_ids VARCHAR[]")
    connection.execute(f"UPDATE keys SET counts = false WHERE id NOT IN (SELECT {key} FROM events)")
    neighbours = {other: _beside(connection, zones, day, other) for other in (day - _ONE_DAY, day + _ONE_DAY)}
    theirs = {each.response_id for seen in neighbours.values() for each in seen}
    ours = _ours(connection, day, theirs)
    across: list[list[Sighting]] = []
    restated: list[dt.date] = []
    beside: dict[str, str] = {}
    for other, seen in neighbours.items():
        responses = {each.response_id for each in seen}
        shown = [each for each in ours if each.response_id in responses and _near(each.started_at, day, other)]
        across += [call for call in calls([*shown, *seen]) if len({each.day for each in call}) > 1]
        if seen:
            beside[other.isoformat()] = str(digest(seen))
        manifest = lakes.manifest(zones.lake, INFERENCE.name, other)
        if manifest is not None and manifest.get(BESIDE, {}).get(day.isoformat()) != digest(shown):
            restated.append(other)
    taken = {each.id for call in across for each in call}
    found = across + [call for call in calls(each for each in ours if each.id not in taken) if len(call) > 1]
    aside = _merge(connection, zones, day, found)
    return Reconciled(aside, beside, tuple(restated))


def _ours(connection: duckdb.DuckDBPyConnection, day: dt.date, theirs: set[str]) -> list[Sighting]:
    """Sightings of the day that may be of a call that was seen twice."""
    twice = "SELECT response_id FROM keys WHERE counts GROUP BY response_id HAVING count(*) > 1"
    rows = f"keys WHERE counts AND (response_id IN ({twice}) OR response_id IN (SELECT unnest($theirs::VARCHAR[])))"
    return _sightings(connection, day, rows, {"theirs": sorted(theirs)})


def _beside(connection: duckdb.DuckDBPyConnection, zones: Zones, day: dt.date, other: dt.date) -> list[Sighting]:
    """What the neighbouring day holds near the midnight between, of responses that the day saw near it, too."""
    start, end = _edge(day, other)
    hashes = connection.execute(
        "SELECT DISTINCT response_hash FROM keys WHERE counts AND response_hash IS NOT NULL "
        "AND started_at BETWEEN ? AND ?",
        [start, end],
    ).fetchall()
    manifest = lakes.manifest(zones.lake, INFERENCE.name, other) if hashes else None
    if manifest is None:
        return []
    keys.create_seen(connection, zones.lake, other, manifest["parts"], [each for (each,) in hashes], start, end)
    return _sightings(connection, other, "seen", {})


def _sightings(
    connection: duckdb.DuckDBPyConnection, day: dt.date, source: str, values: Mapping[str, object]
) -> list[Sighting]:
    names = [field.name for field in fields(Sighting) if field.name != "day"]
    rows = connection.execute(f"SELECT {', '.join(names)} FROM {source}", dict(values)).fetchall()
    return [Sighting(**dict(zip(names, row, strict=True)), day=day) for row in rows]


def _merge(connection: duckdb.DuckDBPyConnection, zones: Zones, day: dt.date, found: list[list[Sighting]]) -> int:
    """Replace the rows of each call by one, or by none where its row lies on another day; how many went."""
    if not found:
        return 0
    mine = [call for call in found if call[0].day == day]
    rows = [(each.id, call[0].id, place, each.day != day) for call in mine for place, each in enumerate(call)]
    _fill_table(connection, "members", "id VARCHAR, call VARCHAR, place INTEGER, foreign_row BOOLEAN", rows)
    elsewhere = [(each.id, call[0].day) for call in found for each in call if each.day == day and call[0].day != day]
    _fill_table(connection, "elsewhere", "id VARCHAR, call_day DATE", elsewhere)
    connection.execute("UPDATE keys SET call_day = elsewhere.call_day FROM elsewhere WHERE keys.id = elsewhere.id")
    connection.execute("DELETE FROM events WHERE inference_id IN (SELECT id FROM elsewhere)")
    wanted = [each for call in mine for each in call if each.day != day]
    columns = [name for (name,) in connection.execute("SELECT column_name FROM (DESCRIBE events)").fetchall()]
    sources = ["SELECT * FROM events JOIN members ON inference_id = id WHERE NOT foreign_row"]
    for number, other in enumerate(sorted({each.day for each in wanted})):
        lines = raw_lines(zones.landing, {(each.segment, each.digest) for each in wanted if each.day == other})
        table = f"foreign_{number}"
        load_lines(connection, INFERENCE, other, lines.values(), table)
        # A line may hold more than one copy of an id; one is enough.
        sources.append(
            f"SELECT * FROM (SELECT DISTINCT ON (inference_id) * FROM {table}) JOIN members ON inference_id = id "
            "WHERE foreign_row"
        )
    connection.execute(f"CREATE TABLE merged AS {_merged(columns, sources)}")
    connection.execute("DELETE FROM events WHERE inference_id IN (SELECT id FROM members WHERE NOT foreign_row)")
    connection.execute("INSERT INTO events BY NAME SELECT * FROM merged")
    return len(elsewhere) + sum(each.day == day for call in mine for each in call[1:])


def _merged(columns: list[str], sources: list[str]) -> str:
    """SQL of one row a call: what the sighting that counts says, then the next, where it says nothing, and so on."""
    chosen = []
    for name in columns:
        if name in _OWN:
            chosen.append(f'arg_min_null("{name}", place) AS "{name}"')
        elif group := next((each for each in _COUNTED_TOGETHER if name in each), None):
            said = " + ".join(f"({each} IS NOT NULL)::INTEGER" for each in group)
            chosen.append(f'arg_min_null("{name}", place - {_FAR} * ({said})) AS "{name}"')
        elif name == "response_model":
            # One that says again what was asked for, an alias, tells least of what answered.
            alias = f"{_FAR} * coalesce(response_model = request_model, false)::INTEGER"
            chosen.append(f'arg_min("{name}", place + {alias}) AS "{name}"')
        elif name in _FOR_WHOM:
            last = f"{_FAR} * coalesce(logged_by = '{_GATEWAY}', false)::INTEGER"
            chosen.append(f'arg_min("{name}", place + {last}) AS "{name}"')
        elif name == "attributes":
            # Each name is taken from the first that has it.
            texts = "list(attributes ORDER BY place DESC) FILTER (attributes IS NOT NULL)"
            chosen.append(f"list_reduce({texts}, lambda one, other: json_merge_patch(one, other)) AS attributes")
        elif name != "other_ids":
            chosen.append(f'arg_min("{name}", place) AS "{name}"')
    ids = "(SELECT call, list(id ORDER BY place) AS other_ids FROM members WHERE place > 0 GROUP BY call)"
    union = " UNION ALL BY NAME ".join(sources)
    rows = f"({union}) AS seen JOIN {ids} AS others USING (call) GROUP BY call"
    return f"SELECT {', '.join(chosen)}, any_value(others.other_ids) AS other_ids FROM {rows}"


def _fill_table(
    connection: duckdb.DuckDBPyConnection, name: str, declared: str, rows: Sequence[tuple[object, ...]]
) -> None:
    connection.execute(f"CREATE TABLE {name} ({declared})")
    if rows:
        columns = list(zip(*rows, strict=True))
        unnested = ", ".join(f"unnest(${number})" for number in range(1, len(columns) + 1))
        connection.execute(f"INSERT INTO {name} SELECT {unnested}", [list(column) for column in columns])


def _hashes(connection: duckdb.DuckDBPyConnection) -> list[int]:
    rows = connection.execute("SELECT DISTINCT response_hash FROM keys WHERE response_hash IS NOT NULL").fetchall()
    return [each for (each,) in rows]


def _near(moment: dt.datetime, day: dt.date, other: dt.date) -> bool:
    start, end = _edge(day, other)
    return start <= moment <= end


def _edge(day: dt.date, other: dt.date) -> tuple[dt.datetime, dt.datetime]:
    midnight = dt.datetime.combine(max(day, other), dt.time.min)
    return midnight - EDGE, midnight + EDGE


def _slack() -> str:
    return f"INTERVAL {int(SLACK.total_seconds())} SECOND"

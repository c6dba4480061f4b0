"""Where a row of a published table comes from: its release, the lake partitions, and all that those were made from."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from canonry import lake, release
from canonry.labels import list_draws, read_draw, stratum_name
from canonry.publish.tables import FILE, MADE_FROM
from canonry.storage import NotFound, Storage, Zones

State = Literal["as recorded", "changed since", "gone", "there"]
"""Of an input: whether it is what its reader recorded; `there` where no digest was recorded."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Input:
    """A partition, journal entry, asset or segment, and what it was itself made from."""

    path: str
    """With its zone first: lake/labels/day=2026-11-15."""
    state: State
    code: str | None = None
    """Version of the code that made it."""
    rows: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    """What else its manifest says."""
    inputs: tuple[Input, ...] = ()


@dataclass(frozen=True)
class Trace:
    """A row, the release that has it, and where it comes from."""

    table: str
    version: str
    moved_at: dt.datetime
    lineage: Mapping[str, Any]
    """What the release says it was made from: the code, and the SQL of the tables."""
    row: Row
    in_lake: bool | None
    """Whether the lake has the row as it is published; None of tables that are counted and summed."""
    inputs: tuple[Input, ...]


def trace(zones: Zones, table: str, day: dt.date, where: Mapping[str, str | None]) -> Trace:
    """The one row of a table in production with this day and these values, and where it comes from.

    Raises LookupError for an unknown table or column, and where not exactly one row is meant; ReleaseError.
    """
    if table not in MADE_FROM:
        raise LookupError(f"{table}: no published table that can be traced; there are {', '.join(sorted(MADE_FROM))}")
    found = release.resolve(zones.published, "tables", table)
    move = release.last_move(zones.published, "tables", table)
    assert move is not None
    row = _the_row(pq.read_table(release.local_files(found)[FILE]), table, day, where)
    seen: dict[str, Input] = {}
    inputs = tuple(_partition(zones, f"lake/{lake.folder(kind, day)}", None, seen) for kind in MADE_FROM[table])
    lineage = found.manifest.lineage
    return Trace(table, found.version, move.moved_at, lineage, row, _in_lake(zones.lake, table, day, row), inputs)


def drawn_items(zones: Zones, scheme: str, row: Row) -> list[dict[str, Any]]:
    """The drawn items that a row of quality_daily was estimated from, with their probability and what people said.

    Of a slice that cuts through strata, those that lie in it.
    """
    fields = [name for name in row["slice"].split(",") if name != "all"]
    found = []
    for version, day in list_draws(zones.journal, scheme):
        draw = read_draw(zones.journal, scheme, version, day)
        inside = str(version) == row["scheme_version"] and row["window_start"] <= day <= row["window_end"]
        if draw is None or not inside or draw.for_training_only:
            continue
        shared = {item.same_as.day for item in draw.items if item.same_as}
        said = _said(zones.lake, sorted({day, *shared}))
        for item in draw.items:
            if any(item.fields.get(name) != row[name] for name in fields):
                continue
            asked = item.same_as.item_id if item.same_as else item.item_id
            found.append(
                {
                    "draw_id": draw.draw_id,
                    "item_id": item.item_id,
                    "inference_id": item.inference_id,
                    "stratum": stratum_name(draw.strata[item.stratum].values),
                    "inclusion_probability": item.inclusion_probability,
                    "answers": said.get(asked, []),
                }
            )
    return found


def _said(zone: Storage, days: Sequence[dt.date]) -> dict[str, list[str]]:
    """Answers by item: what each person's label says, in order of annotation."""
    columns = ["annotation_id", "item_id", "result", "cancelled", "deleted_at"]
    found: dict[str, list[str]] = {}
    for each in lake.read(zone, "labels", days, columns).sort_by("annotation_id").to_pylist():
        if each["result"] and each["deleted_at"] is None and not each["cancelled"]:
            found.setdefault(each["item_id"], []).append(each["result"])
    return found


def flat(inputs: Sequence[Input]) -> Iterator[Input]:
    """Every input once, those read directly first."""
    seen: set[str] = set()
    waiting = list(inputs)
    while waiting:
        each = waiting.pop(0)
        if each.path not in seen:
            seen.add(each.path)
            yield each
            waiting += each.inputs


def _the_row(found: pa.Table, table: str, day: dt.date, where: Mapping[str, str | None]) -> Row:
    for name in where:
        if name not in found.column_names:
            raise LookupError(f"{table}: has no column {name}; it has {', '.join(found.column_names)}")
    rows = found.filter(pc.equal(found["day"], pa.scalar(day, pa.date32()))).to_pylist()
    rows = [row for row in rows if all(_is(row[name], value) for name, value in where.items())]
    if len(rows) == 1:
        return rows[0]
    given = ", ".join(f"{name}={'' if value is None else value}" for name, value in where.items()) or "nothing more"
    if not rows:
        raise LookupError(f"{table}: no row of {day} with {given}")
    apart = [name for name in found.column_names if len({str(row[name]) for row in rows}) > 1]
    raise LookupError(
        f"{table}: {len(rows)} rows of {day} with {given}; say which with --where: they differ in {', '.join(apart)}"
    )


def _is(value: Any, text: str | None) -> bool:
    if value is None or text is None:
        return value is text
    if isinstance(value, dt.datetime):
        try:
            return value == dt.datetime.fromisoformat(text)
        except ValueError:
            return False
    return str(value).lower() == text.lower() if isinstance(value, bool) else str(value) == text


def _in_lake(zone: Storage, table: str, day: dt.date, row: Row) -> bool | None:
    """Whether a row that the table takes as it is from the lake is there still, equal in every column they share."""
    if len(MADE_FROM[table]) > 1 or table == "latency_hourly":
        return None
    rows = lake.read(zone, MADE_FROM[table][0], [day]).to_pylist()
    shared = sorted((row.keys() & lake.SCHEMAS[MADE_FROM[table][0]].names) - _FILLED)
    return any(all(each[name] == row[name] for name in shared) for each in rows)


_FILLED = {"estimator", "preferred", "simulated", "estimand_kind"}
"""Columns that staging fills where a partition of an earlier version of the platform does not say them."""


def _partition(zones: Zones, path: str, recorded: str | None, seen: dict[str, Input]) -> Input:
    if path in seen:
        return seen[path]
    kind, day = path.removeprefix("lake/").split("/day=")
    document = lake.manifest(zones.lake, kind, dt.date.fromisoformat(day))
    if document is None:
        return Input(path, "gone")
    digest = hashlib.sha256(zones.lake.read(f"{lake.folder(kind, dt.date.fromisoformat(day))}/{lake.MANIFEST}"))
    state = _state(recorded, digest.hexdigest())
    facts = {name: str(document[name]) for name in _FACTS if name in document}
    inputs = tuple(_input(zones, *each, seen) for each in _inputs(document, day))
    code = document.get("code")
    seen[path] = Input(path, state, None if code is None else str(code), document.get("rows"), facts, inputs)
    return seen[path]


_FACTS = ("price_snapshot", "price_digest", "own_prices", "scorers", "duplicates", "rejected")


def _inputs(document: Mapping[str, Any], day: str) -> Iterator[tuple[str, str | None]]:
    """Path and recorded digest of what a manifest names."""
    for path, digest in sorted((document.get("inputs") or {}).items()):
        yield path.removesuffix(f"/{lake.MANIFEST}"), digest
    for path in document.get("annotations", ()):
        yield f"journal/{path}", None
    for path, digest in sorted((document.get("draws") or {}).items()):
        yield f"journal/{path}", digest
    for path in sorted(document.get("segments") or {}):
        yield f"landing/{path}", None
    for kind in ("inferences", "contents"):
        if isinstance(document.get(kind), str):
            yield f"lake/{kind}/day={day}", None


def _input(zones: Zones, path: str, recorded: str | None, seen: dict[str, Input]) -> Input:
    zone, _, rest = path.partition("/")
    if zone == "lake" and "/day=" in rest:
        return _partition(zones, path, recorded, seen)
    if zone not in ("journal", "landing"):
        return Input(path, "there", facts={"recorded": recorded or ""})
    storage: Storage = getattr(zones, zone)
    try:
        digest = hashlib.sha256(storage.read(rest)).hexdigest() if recorded else None
        here = storage.head(rest) is not None
    except NotFound:
        here, digest = False, None
    return Input(path, _state(recorded, digest) if here else "gone")


def _state(recorded: str | None, digest: str | None) -> State:
    return "there" if recorded is None else "as recorded" if recorded == digest else "changed since"

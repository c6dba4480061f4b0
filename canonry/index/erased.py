"""Whose words are erased: they stay out of every index from now on.

`journal/erasures/MOMENT.json` says so by ids and never by words. Documents that come from a query over the lake or from
a gold set, golden queries and coverage gaps leave out what is named there.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.storage import Storage, Zones

FOLDER = "erasures"


@dataclass(frozen=True)
class Erased:
    """Whose words are erased. Empty where nobody's are."""

    calls: frozenset[str] = frozenset()
    traces: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    remarked: frozenset[str] = frozenset()
    """Calls of other people that these users gave feedback on: documents made of it name those calls."""

    def without(self, table: pa.Table) -> pa.Table:
        """Rows of the lake's that are not theirs."""
        names = table.column_names
        theirs = [
            _is_in(table, column, values)
            for column, values in (("inference_id", self.calls), ("user_hash", self.users))
            if column in names
        ]
        if "trace_id" in names:
            of_traces = _is_in(table, "trace_id", self.traces)
            # Another call of the same trace may be another person's.
            unsaid = pc.is_null(table["inference_id"]) if "inference_id" in names else True
            theirs.append(pc.and_(of_traces, unsaid))
        return table.filter(pc.invert(reduce(pc.or_, theirs))) if theirs else table


def erased(zones: Zones) -> Erased:
    """Everything that was ever erased, and what has come of these users since."""
    found = [json.loads(zones.journal.read(entry.path)) for entry in zones.journal.list(FOLDER)]
    calls, traces, users, remarked = (
        frozenset(each for one in found for each in one[field]) for field in ("calls", "traces", "users", "remarked")
    )
    since = whose(zones.lake, calls, users) if users else Erased()
    return Erased(calls | since.calls, traces | since.traces, users, remarked | since.remarked)


def whose(lake_zone: Storage, calls: Iterable[str], users: Iterable[str]) -> Erased:
    """These calls and everything of these users, as far as the lake knows it."""
    wanted, people = set(calls), frozenset(users)
    traces: set[str] = set()
    remarked: set[str] = set()
    for day in lake.days(lake_zone, "inferences"):
        table = lake.read(lake_zone, "inferences", [day], ["inference_id", "trace_id", "user_hash"])
        theirs = pc.or_kleene(_is_in(table, "inference_id", wanted), _is_in(table, "user_hash", people))
        for row in table.filter(theirs).to_pylist():
            wanted.add(row["inference_id"])
            if row["trace_id"]:
                traces.add(row["trace_id"])
    for day in lake.days(lake_zone, "feedback") if people else ():
        table = lake.read(lake_zone, "feedback", [day], ["inference_id", "user_hash"])
        remarked |= set(table.filter(_is_in(table, "user_hash", people))["inference_id"].drop_null().to_pylist())
    return Erased(frozenset(wanted), frozenset(traces), people, frozenset(remarked - wanted))


def keep(journal: Storage, erasure: Erased, reason: str, now: dt.datetime) -> None:
    """Write down what is erased: every index leaves it out from now on."""
    named = {field: sorted(values) for field, values in asdict(erasure).items()}
    document = {**named, "reason": reason, "erased_at": now.astimezone(dt.UTC).isoformat()}
    path = f"{FOLDER}/{now.astimezone(dt.UTC):%Y%m%dT%H%M%S.%fZ}.json"
    journal.put_if_absent(path, json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")


def _is_in(table: pa.Table, column: str, values: Iterable[str]) -> pa.ChunkedArray:
    return pc.is_in(table[column], value_set=_texts(values))


def _texts(values: Iterable[str]) -> pa.Array:
    return pa.array(sorted(values), pa.string())

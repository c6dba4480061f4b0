"""Small steps from a table's rows to groups and days."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from canonry.publish.scorecard import formats
from canonry.publish.scorecard.parts import Missing, Row

Key = TypeVar("Key")

MOST_PANELS = 6
"""Charts beside each other; what is left out is in the table."""


def grouped(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    """Rows by key, keys in order of appearance."""
    groups: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def by_name(rows: Iterable[Row], field: str) -> dict[str, list[Row]]:
    """Rows by the name in a field, in order of name."""
    return dict(sorted(grouped(rows, lambda row: formats.named(row[field])).items()))


def largest(groups: Mapping[Key, list[Row]], size: Callable[[Sequence[Row]], Any]) -> dict[Key, list[Row]]:
    """The largest groups, as many as there is room for as charts, in the order they had."""
    kept = sorted(groups, key=lambda key: -size(groups[key]))[:MOST_PANELS]
    return {key: rows for key, rows in groups.items() if key in kept}


def every_day(days: tuple[dt.date, dt.date]) -> list[dt.date]:
    """Days from the first to the last."""
    return [days[0] + dt.timedelta(days=each) for each in range((days[1] - days[0]).days + 1)]


def caption(text: str, groups: int, shown: int) -> str:
    """A caption that says what the charts leave out."""
    return text if groups <= shown else f"{text} The {shown} largest of {groups}; the tables have all."


def missing(table: str) -> Missing:
    """Says that a table is not published, and how it comes to be."""
    return Missing(
        f"The table {table} is not published yet, or has no rows. The loop publishes it once calls have come in; the "
        "demo brings its own calls.",
        "make demo",
    )

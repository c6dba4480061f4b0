"""Reviewers: what each answers a day, and how long an item takes."""

from __future__ import annotations

from collections.abc import Sequence

from canonry.publish.scorecard import formats
from canonry.publish.scorecard.parts import Block, Row, Table

_NAME = 8
"""Digits of a reviewer's hash: enough to tell few apart."""


def blocks(rows: Sequence[Row]) -> list[Block]:
    """Each reviewer's last weeks, by scheme and version; nothing where nobody answered."""
    if not rows:
        return []
    columns = ("scheme", "reviewer", "answered", "a day", "skipped", "median time", "90 % within", "last", "labels by")
    return [Table("Reviewers, four weeks up to the newest answer", columns, [_cells(row) for row in rows], 2)]


def _cells(row: Row) -> tuple[str, ...]:
    return (
        f"{row['scheme']} {row['scheme_version']}",
        row["annotator_hash"][:_NAME],
        formats.count(row["labeled"]),
        f"{row['labeled'] / row['days']:,.1f}",
        formats.count(row["skipped"]),
        _seconds(row["median_s"]),
        _seconds(row["p90_s"]),
        formats.day(row["last_day"]),
        "a program" if row["simulated"] else "people",
    )


def _seconds(value: float | None) -> str:
    return "not said" if value is None else f"{value:,.0f} s"

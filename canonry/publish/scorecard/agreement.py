"""Agreement: how far reviewers agree beyond chance, of the last quarter measured, with its interval."""

from __future__ import annotations

from collections.abc import Sequence

from canonry.publish.scorecard import charts, formats
from canonry.publish.scorecard.charts import Interval
from canonry.publish.scorecard.parts import Block, Panel, Panels, Row, Table
from canonry.publish.scorecard.rows import MOST_PANELS, grouped

_QUARTER = 91
_TEXT = (
    "Krippendorff's alpha with its interval: 1 where reviewers always agree, 0 where they agree as chance would have "
    "it. Below 0.67 labels carry little; n is the number of items that at least two reviewers answered."
)


def blocks(rows: Sequence[Row]) -> list[Block]:
    """The latest figures of each scheme, version and field; nothing where none was measured."""
    alphas = [row for row in rows if row["metric"] == "alpha"]
    by_field = grouped(alphas, lambda row: (row["scheme"], row["scheme_version"] or "", row["field"]))
    latest = [max(each, key=lambda row: (row["day"], row["window_days"])) for each in by_field.values()]
    latest.sort(key=lambda row: (row["scheme"], row["scheme_version"] or "", row["field"]))
    shown = [row for row in latest if row["window_days"] == _QUARTER]
    if not shown:
        return []
    panels = [
        Panel(
            f"{formats.named(scheme)}, version {formats.named(version)}",
            charts.forest([(None, [_interval(row) for row in each])], top=1.0, unit="~g", says=_says(each)),
        )
        for (scheme, version), each in list(grouped(shown, lambda row: (row["scheme"], row["scheme_version"])).items())[
            :MOST_PANELS
        ]
    ]
    columns = ("scheme", "field", "alpha", "interval", "items", "reviewers", "window", "labels by")
    table = Table("Agreement of reviewers in figures", columns, [_cells(row) for row in shown], numbers_from=2)
    return [Panels("Agreement of reviewers", _TEXT, panels), table]


def _cells(row: Row) -> tuple[str, ...]:
    known = row["value"] is not None
    return (
        f"{row['scheme']} {row['scheme_version']}",
        formats.named(row["field"]),
        f"{row['value']:.2f}" if known else "refused",
        f"{row['interval_low']:.2f} to {row['interval_high']:.2f}" if known else row["refused"],
        formats.count(row["items"]),
        formats.count(row["annotators"]),
        formats.days(row["window_start"], row["window_end"]),
        "a program" if row["simulated"] else "people",
    )


def _interval(row: Row) -> Interval:
    label = formats.shortened(formats.named(row["field"]), 22)
    if row["value"] is None:
        return Interval(None, label, None, 0.0, 0.0, "refused")
    # The scale begins at chance: what lies below it is in the figures.
    low, value, high = (max(row[name], 0.0) for name in ("interval_low", "value", "interval_high"))
    said = f"{row['value']:.2f} ({row['interval_low']:.2f}–{row['interval_high']:.2f})  n {row['items']}"
    return Interval(None, label, value, low, high, said)


def _says(rows: Sequence[Row]) -> str:
    return "Agreement of reviewers: " + "; ".join(" ".join(_cells(row)[1:5]) for row in rows)

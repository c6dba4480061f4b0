"""One estimate on the page: in a table, as an interval of a chart, and in words."""

from __future__ import annotations

from collections.abc import Sequence

from canonry.publish.scorecard import formats
from canonry.publish.scorecard.charts import Interval
from canonry.publish.scorecard.parts import Cell, Row, Table
from canonry.publish.scorecard.versions import Versions

MODEL = "response_model"
_PARTS = {
    "product": "",
    "team": "team ",
    "feature": "feature ",
    "prompt_name": "prompt ",
    "prompt_version": "prompt version ",
}


def table(caption: str, rows: Sequence[Row], versions: Versions) -> Table:
    """Every estimate with its interval and counts, what it was made from, and whether it differs from the rest."""
    columns = (
        *("part", "model version", "rate", "interval", "labels of drawn", "answers", "window", "labels by"),
        *("made from", "beside the rest"),
    )
    return Table(
        caption,
        columns,
        [
            (
                part(row) or "all",
                versions[row[MODEL]] if MODEL in fields(row) else "all",
                *figures(row),
                formats.days(row["window_start"], row["window_end"]),
                "a program" if row["simulated"] else "people",
                _made_from(row),
                beside_the_rest(row),
            )
            for row in rows
        ],
        numbers_from=2,
    )


def figures(row: Row) -> tuple[Cell, ...]:
    """The rate and its interval, or why not; labels of drawn; answers."""
    counts = (f"{row['labels']:,} of {row['drawn']:,}", formats.count(row["population"]))
    if row["value"] is None:
        return ("refused", row["refused"], *counts)
    return (formats.share(row["value"]), formats.interval(row["interval_low"], row["interval_high"]), *counts)


def fields(row: Row) -> list[str]:
    """Fields that the row's slice is by."""
    return [name for name in row["slice"].split(",") if name != "all"]


def part(row: Row) -> str:
    """The slice's values but for the model version; empty where it has no others."""
    named = [(name, row.get(name)) for name in fields(row) if name != MODEL]
    return ", ".join(f"{_PARTS[name]}{formats.named(value)}" for name, value in named)


def beside_the_rest(row: Row) -> str:
    """Whether it surely differs from everything outside the slice."""
    differs = row.get("differs")
    if differs is None:
        return "not compared"
    rest = f"{formats.share(row['rest_value'])} ({formats.interval(row['rest_low'], row['rest_high'])})"
    return f"open: {rest}" if differs == "open" else f"surely {differs} than {rest}"


def saved(row: Row) -> float:
    """Labels that scores were worth beyond those there are; 0 without scores."""
    worth = row.get("labels_worth")
    return max(worth - row["labels"], 0.0) if worth is not None else 0.0


def _made_from(row: Row) -> str:
    if row.get("estimator") != "prediction_powered":
        return "labels alone"
    worth = row.get("labels_worth")
    if worth is None:
        return "labels and scores"
    return f"labels and scores, as narrow as {worth:,.0f} labels alone: {saved(row):,.0f} saved"


def interval(row: Row, versions: Versions) -> Interval:
    """The row as a line of a forest; the one that is not preferred is drawn thin."""
    by = fields(row)
    model = versions[row[MODEL]] if MODEL in by else None
    label = formats.shortened(model.name if model else part(row) or "all model versions", 22)
    second = row.get("preferred") is False
    if second:
        label = "from labels alone" if row["estimator"] == "human_only" else "from labels and scores"
    if row["value"] is None:
        return Interval(model, label, None, 0.0, 0.0, f"refused: {row['refused']}")
    low, high = (f"{row[name] * 100:.1f}" for name in ("interval_low", "interval_high"))
    said = f"{formats.share(row['value'])} ({low}–{high})  n {row['labels']}"
    said += f" +{saved(row):,.0f}" if saved(row) >= 1 else ""
    return Interval(model, label, row["value"], row["interval_low"], row["interval_high"], said, hollow=second)


def said(rows: Sequence[Row]) -> str:
    """The rows in words, for who cannot see the chart."""
    return "; ".join(
        f"{' '.join(formats.named(row.get(name)) for name in fields(row)) or 'all'} "
        + (
            f"{formats.share(row['value'])}, {formats.interval(row['interval_low'], row['interval_high'])}, "
            f"{row['labels']} labels"
            if row["value"] is not None
            else f"refused, {row['refused']}"
        )
        for row in rows
    )

"""What an asset shows of itself in the UI: previews as tables, small plots, counts by name, its YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from canonry.label.progress import LabelProgress
from canonry.label.reviewers import ReviewerProgress
from dagster_project.resources import ASSETS

PREVIEW_ROWS = 5
PREVIEW_COLUMNS = 8
_WIDTH = 24
_LEVELS = " ▁▂▃▄▅▆▇█"
_CELL = 60


def preview(
    table: pa.Table, columns: Sequence[str] | None = None, rows: int = PREVIEW_ROWS
) -> dg.MarkdownMetadataValue:
    """The first rows as a Markdown table, by default of columns that hold anything; text is cut and escaped."""
    filled = [name for name in table.column_names if table[name].null_count < table.num_rows]
    shown = table.select(columns or filled[:PREVIEW_COLUMNS]).slice(0, rows)
    header = f"| {' | '.join(shown.column_names)} |\n|{'---|' * shown.num_columns}\n"
    lines = ("| " + " | ".join(_cell(value) for value in row.values()) + " |" for row in shown.to_pylist())
    return dg.MetadataValue.md(header + "\n".join(lines))


def counts(numbers: Mapping[str, int]) -> dg.MarkdownMetadataValue:
    """Counts by name, the largest first."""
    ordered = sorted(numbers.items(), key=lambda each: -each[1])
    return dg.MetadataValue.md("\n".join(f"- {_cell(name)}: {count:,}" for name, count in ordered) or "none")


def labeling(progress: Sequence[LabelProgress], reviewers: Sequence[ReviewerProgress]) -> dict[str, Any]:
    """How far a scheme's labeling is, since when items wait, and what each reviewer did lately."""
    words = ("drawn", "exported", "labeled", "skipped", "recalled")
    shown: dict[str, Any] = {word: sum(getattr(each, word) for each in progress) for word in words}
    if since := [each.oldest_waits_since for each in progress if each.oldest_waits_since]:
        shown["oldest_waits_since"] = min(since).isoformat()
    if reviewers:
        rows = pa.Table.from_pylist([{**asdict(each), "per_day": each.per_day} for each in reviewers])
        columns = ["annotator_hash", "labeled", "skipped", "per_day", "median_s", "p90_s", "last_day"]
        shown["reviewers"] = preview(rows, columns, rows=rows.num_rows)
    return shown


def bars(numbers: Mapping[str, float], unit: str = "") -> dg.MarkdownMetadataValue:
    """A bar for each name, the largest first."""
    longest = max(numbers.values(), default=0) or 1
    ordered = sorted(numbers.items(), key=lambda each: (-each[1], each[0]))
    return _plot(
        (name, "█" * max(1, round(_WIDTH * value / longest)), f"{value:,.6g}{unit}") for name, value in ordered if value
    )


def by_hour(moments: pa.ChunkedArray) -> dg.MarkdownMetadataValue:
    """How many fell into each hour of the day, as a line of 24 columns."""
    found = pc.value_counts(pc.hour(moments.drop_null())).to_pylist()
    fell = {each["values"]: each["counts"] for each in found}
    highest = max(fell.values(), default=0)
    columns = "".join(_LEVELS[-(-fell.get(hour, 0) * (len(_LEVELS) - 1) // max(highest, 1))] for hour in range(24))
    scale = " 0     6     12    18    "
    return _plot([("", f"│{columns}│", f"highest {highest:,} in an hour"), ("", scale, "hour, UTC")])


def intervals(rows: Sequence[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    """Each row's `value` between its bounds, drawn to one scale from 0 to the highest bound."""
    drawn = [row for row in rows if row["value"] is not None]
    top = max((row["interval_high"] for row in drawn), default=0) or 1

    def line(row: Mapping[str, Any]) -> str:
        low, at, high = (round(_WIDTH * row[name] / top) for name in ("interval_low", "value", "interval_high"))
        dashes = [" "] * low + ["─"] * (high - low + 1)
        dashes[low], dashes[-1], dashes[at] = "├", "┤", "●"
        return "".join(dashes).ljust(_WIDTH + 1)

    return _plot(
        (
            " ".join(str(row[name]) for name in ("product", "response_model") if row[name]) or "all",
            line(row),
            f"{row['value']:.1%} [{row['interval_low']:.1%}, {row['interval_high']:.1%}] n={row['labels']}",
        )
        for row in drawn
    )


def matrix(rows: Sequence[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    """Each row's `value` and count where its `annotator` and its `other_annotator` meet; a dash where it is refused."""
    names = sorted({row[side] for row in rows for side in ("annotator", "other_annotator")})
    found = {frozenset((row["annotator"], row["other_annotator"])): row for row in rows}

    def meeting(one: str, other: str) -> str:
        row = found.get(frozenset((one, other)))
        if row is None or one == other:
            return ""
        return f"– ({row['items']})" if row["value"] is None else f"{row['value']:.2f} ({row['items']})"

    header = f"| | {' | '.join(_cell(name[:8]) for name in names)} |\n|{'---|' * (len(names) + 1)}\n"
    lines = (f"| {_cell(one[:8])} | {' | '.join(meeting(one, other) for other in names)} |" for one in names)
    return dg.MetadataValue.md(header + "\n".join(lines))


def gated(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What an index's gate measured, as figures that the UI draws from release to release, and said, in a list."""
    figures = {name: each["candidate"] for name, each in answer["measures"].items()}
    if answer["recall_at_10"]:
        figures["recall_at_10"] = answer["recall_at_10"]["value"]
    if answer["hit_rate_at_10"]:
        figures["hit_rate_at_10"] = answer["hit_rate_at_10"]["candidate"]
    said = [*answer["reasons"], *(each["message"] for each in answer["checks"] if each["passed"]), *answer["flags"]]
    return {**figures, "gate": dg.MetadataValue.md("\n".join(f"- {_escaped(each)}" for each in said))}


def governed(kind: str, name: str) -> dict[str, Any]:
    """Metadata that leads from an asset to the YAML it is made from."""
    path = Path(ASSETS, kind, f"{name}.yaml").absolute()
    source = dg.LocalFileCodeReference(file_path=str(path), line_number=1, label=f"assets/{kind}/{name}.yaml")
    references = dg.CodeReferencesMetadataValue(code_references=[source])
    return {"governed_by": dg.MetadataValue.path(str(path)), "dagster/code_references": references}


def owners(owner: str) -> list[str]:
    """An owner of the catalog as Dagster writes it: a team, or a person's address."""
    return [owner if "@" in owner else f"team:{owner.replace('-', '_')}"]


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return _escaped(text if len(text) <= _CELL else text[: _CELL - 1] + "…")


def _escaped(text: str) -> str:
    """Text from outside inside Markdown."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _plot(lines: Iterable[tuple[str, str, str]]) -> dg.MarkdownMetadataValue:
    """Lines of name, drawing and figure, in columns."""
    rows = [(_plain(name), drawing, figure) for name, drawing, figure in lines]
    widest, broadest = (max((len(row[place]) for row in rows), default=0) for place in (0, 1))
    text = "\n".join(f"{name:{widest}}  {drawing:{broadest}}  {figure}" for name, drawing, figure in rows)
    return dg.MetadataValue.md(f"```\n{text}\n```" if rows else "nothing to draw")


def _plain(name: str) -> str:
    """A name inside a fence: nothing in it may end the fence."""
    return name[:_CELL].replace("`", "'").replace("\n", " ")

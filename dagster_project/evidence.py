"""What an asset shows of itself in the UI: previews as tables, counts by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from dagster_project.resources import ASSETS

PREVIEW_ROWS = 5
_CELL = 60


def preview(table: pa.Table, columns: Sequence[str] | None = None) -> dg.MarkdownMetadataValue:
    """The first rows as a Markdown table; text is cut and escaped."""
    shown = table.select(columns or table.column_names[:8]).slice(0, PREVIEW_ROWS)
    header = f"| {' | '.join(shown.column_names)} |\n|{'---|' * shown.num_columns}\n"
    rows = ("| " + " | ".join(_cell(value) for value in row.values()) + " |" for row in shown.to_pylist())
    return dg.MetadataValue.md(header + "\n".join(rows))


def counts(numbers: Mapping[str, int]) -> dg.MarkdownMetadataValue:
    """Counts by name, the largest first."""
    ordered = sorted(numbers.items(), key=lambda each: -each[1])
    return dg.MetadataValue.md("\n".join(f"- {_cell(name)}: {count:,}" for name, count in ordered) or "none")


def governed(kind: str, name: str) -> dict[str, Any]:
    """Metadata that leads from an asset to the YAML it is made from."""
    path = Path(ASSETS, kind, f"{name}.yaml")
    return {"governed_by": dg.MetadataValue.path(str(path))}


def owners(owner: str) -> list[str]:
    """An owner of the catalog as Dagster writes it: a team, or a person's address."""
    return [owner if "@" in owner else f"team:{owner.replace('-', '_')}"]


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    text = text if len(text) <= _CELL else text[: _CELL - 1] + "…"
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")

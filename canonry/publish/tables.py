"""Tables people read, released as Parquet: the same rows give the same bytes and so the same version."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from canonry import lake
from canonry.publish.moves import Outcome, release_and_promote
from canonry.storage import Zones

FILE = "table.parquet"

MADE_FROM: dict[str, tuple[str, ...]] = {
    "agreement_daily": ("agreement",),
    "consistency_daily": ("consistency",),
    "cost_daily": ("inferences", "charges"),
    "drift_daily": ("drift",),
    "feedback_daily": ("feedback_rates",),
    "latency_hourly": ("inferences",),
    "prompt_drift_daily": ("prompt_drift",),
    "quality_daily": ("estimates",),
}
"""Kinds of the lake whose partition of the row's day each table is computed from."""


def publish_tables(
    zones: Zones,
    tables: Mapping[str, pa.Table],
    *,
    now: dt.datetime,
    lineage: Mapping[str, Any],
    reason: str = "recomputed",
    descriptions: Mapping[str, str] | None = None,
) -> dict[str, Outcome]:
    """Release each table under its name and point production to it; the outcome of each, by name.

    Rows are written in the order given: sort them, or the version changes with their order.
    """
    return {
        name: release_and_promote(
            zones,
            "tables",
            name,
            {FILE: lake.parquet_bytes(table)},
            metadata={
                "description": (descriptions or {}).get(name, ""),
                "rows": table.num_rows,
                "columns": {field.name: str(field.type) for field in table.schema},
            },
            lineage=lineage,
            reason=reason,
            now=now,
        )
        for name, table in tables.items()
    }

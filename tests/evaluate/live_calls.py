"""Generated calls of a few weeks, written into a lake as the collect and cost stages write them; not real."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from canonry import lake
from canonry.catalog import Catalog
from canonry.catalog.specs import MonitorSpec
from canonry.storage import Zones

MONDAY = dt.date(2026, 10, 5)
RUNBOOK = {"description": "It does not change.", "owner": "a-team", "runbook": "docs/runbooks.md#live"}

Change = Callable[[pd.DataFrame], pd.DataFrame]


def monitor(measure: str, **said: Any) -> MonitorSpec:
    """A monitor of a measure."""
    return MonitorSpec.model_validate({**RUNBOOK, "measure": measure, **said})


def catalog_of(**monitors: MonitorSpec) -> Catalog:
    """A catalog with these monitors alone."""
    return Catalog(Path("assets"), monitors=dict(monitors))


def generated(days: int, seed: int = 1, a_day: int = 240, change: Change = lambda calls: calls) -> pd.DataFrame:
    """Calls of two products that ask one model, in hours of the day and the week."""
    chance = np.random.default_rng(seed)
    parts = []
    for number in range(days):
        day = MONDAY + dt.timedelta(days=number)
        count = int(chance.poisson(a_day * (0.5 if day.weekday() >= 5 else 1.0)))
        seconds = np.sort(chance.beta(2, 2, count)) * 86_399
        tokens = chance.gamma(4, 50, count).round() + 1
        parts.append(
            pd.DataFrame(
                {
                    "inference_id": [f"{day}-{each}" for each in range(count)],
                    "started_at": pd.Timestamp(day) + pd.to_timedelta(seconds.round(3), unit="s"),
                    "product": chance.choice(["search", "support"], count, p=[0.7, 0.3]),
                    "team": "docs",
                    "request_model": "gpt-4o",
                    "response_model": "gpt-4o-2024-08-06",
                    "system_fingerprint": "fp_a",
                    "prompt_version": "3",
                    "latency_ms": np.exp(6.5 + 0.5 * chance.normal(size=count)),
                    "output_tokens": tokens,
                    "cost": tokens * 1e-5,
                    "error_type": np.where(chance.random(count) < 0.02, "timeout", None),
                    "cache_hit": False,
                    "source": "docs-assistant",
                }
            )
        )
    calls = change(pd.concat(parts, ignore_index=True))
    return calls.assign(received_at=calls["started_at"] + pd.Timedelta(minutes=5))


def write(zones: Zones, calls: pd.DataFrame) -> None:
    """Write calls and their charges into the lake, each on its day."""
    for day, each in calls.groupby(calls["started_at"].dt.date):
        charges = pd.DataFrame({"inference_id": each["inference_id"], "status": "priced"})
        charges["quantity"] = each["output_tokens"]
        charges["amount"] = [Decimal(f"{cost:.12f}") for cost in each["cost"]]
        for kind, rows in (("inferences", each), ("charges", charges)):
            lake.write(zones.lake, kind, day, _table(rows, lake.SCHEMAS[kind]), {})


def _table(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Rows under a schema, null where they say nothing."""
    columns = [
        pa.array(rows[name], field.type, from_pandas=True)
        if (name := field.name) in rows
        else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def since(number: int, hour: int = 0) -> Callable[[pd.DataFrame], pd.Series]:
    """Which calls began on or after an hour of the day of this number."""
    moment = pd.Timestamp(MONDAY + dt.timedelta(days=number)) + pd.Timedelta(hours=hour)
    return lambda calls: calls["started_at"] >= moment


def end_of(number: int) -> dt.datetime:
    """Midnight after the day of this number."""
    return dt.datetime.combine(MONDAY + dt.timedelta(days=number + 1), dt.time())

"""Calls written to a lake as the collect stage would."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from canonry import lake
from canonry.cost import PriceSnapshot, price_snapshot
from canonry.storage import Zones

DAY = dt.date(2026, 11, 3)

DEFAULTS = {
    "started_at": dt.datetime(2026, 11, 3, 12),
    "product": "search",
    "team": "discovery",
    "operation": "chat",
    "provider": "openai",
    "request_model": "gpt-4o",
    "response_model": "gpt-4o-2024-08-06",
    "input_tokens": 1000,
    "output_tokens": 100,
    "received_at": dt.datetime(2026, 11, 3, 12),
    "source": "test",
    "schema_version": 1,
    "digest": "0",
}


@pytest.fixture
def write_calls(zones: Zones) -> Callable[..., None]:
    """Writes a day of calls: each a dict of what differs from an ordinary one."""

    def write(*calls: dict[str, Any], day: dt.date = DAY) -> None:
        time = {"started_at": dt.datetime.combine(day, dt.time(12))}
        rows = [{"inference_id": f"call-{number:06}", **DEFAULTS, **time, **call} for number, call in enumerate(calls)]
        lake.write(zones.lake, "inferences", day, pa.Table.from_pylist(rows, lake.SCHEMAS["inferences"]), {})

    return write


@pytest.fixture
def snapshot(zones: Zones) -> PriceSnapshot:
    return price_snapshot(zones, dt.datetime(2026, 11, 4, 1, tzinfo=dt.UTC))

"""A home with a few days of events in landing, and what the loop made of them."""

from __future__ import annotations

import datetime as dt
import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from canonry.landing import LandingWriter
from canonry.publish.tables import MADE_FROM
from canonry.storage import open_zones

DAYS = [dt.date(2026, 11, day) for day in (2, 3, 4)]

Start = Callable[..., subprocess.Popen[bytes]]


def send_events(home: Path) -> None:
    """Three days of calls of two products, thumbs a day late among them, and one event without a time."""
    zones = open_zones(home)
    for number, day in enumerate(DAYS):
        now = dt.datetime.combine(day, dt.time(12))
        writer = LandingWriter(zones.landing, "docs-assistant", clock=lambda now=now: now)
        calls = [
            {
                "inference_id": f"{day}-{call}",
                "trace_id": f"{day}-{call}",
                "started_at": (now - dt.timedelta(minutes=call)).isoformat(),
                "product": f"product-{call % 2}",
                "team": "docs-experience",
                "operation": "chat",
                "provider": "canonry-demo",
                "response_model": "docs-extractive-1.0",
                "input_tokens": 100 + call,
                "output_tokens": 20,
                "latency_ms": 5.5 + call,
                "input_messages": [{"role": "user", "content": "Which one?"}],
                "output_messages": [{"role": "assistant", "content": "This one."}],
            }
            for call in range(30)
        ]
        writer.append("inferences", [*calls, calls[0], {"inference_id": "without-time"}])
        about = DAYS[max(number - 1, 0)]
        thumbs = [
            {
                "feedback_id": f"{day}-{call}",
                "inference_id": f"{about}-{call}",
                "given_at": now.isoformat(),
                "origin": "user",
                "signal": "thumb",
                "value": 1 if call % 3 else -1,
            }
            for call in range(9)
        ]
        writer.append("feedback", thumbs)


def lake_digests(home: Path) -> dict[str, str]:
    """Digest of every Parquet file of the lake by path, but of vectors, whose files depend on when each was added."""
    files = sorted(path for path in (home / "lake").rglob("*.parquet") if "embeddings" not in path.parts)
    return {str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def embedded_texts(home: Path) -> set[tuple[str, str]]:
    """Encoder and digest of every text that has a vector in the lake."""
    files = (home / "lake" / "embeddings").rglob("*.parquet")
    tables = {path: pq.read_table(path, columns=["text_digest"], partitioning=None) for path in files}
    return {(path.parent.name, text) for path, table in tables.items() for text in table["text_digest"].to_pylist()}


def mart_rows(home: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every mart, in order."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        return {mart: warehouse.execute(f"SELECT * FROM {mart} ORDER BY ALL").fetchall() for mart in MADE_FROM}

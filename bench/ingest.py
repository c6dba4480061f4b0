"""Ingest: a day from landing to the lake, against bare DuckDB reading the same bytes into Parquet.

Ours checks, types, deduplicates, sorts, splits facts from contents, and keeps keys; DuckDB's `read_json` with typed
columns and `COPY` to Parquet does none of that. Both write zstd (DuckDB's level 3, Arrow's level 1: see the bytes).
The segments are written once before, through the landing writer; events of one second come in any order. pandas reads
the same rows, or the stated share of them, scaled up.
"""

from __future__ import annotations

import datetime as dt
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from bench._report import arguments, report
from canonry.collect.partition import collect_day
from canonry.events import ENVELOPE, INFERENCE
from canonry.landing import LandingWriter, segments_of
from canonry.progress import track
from canonry.storage import Zones, open_zones

DAY = dt.date(2026, 3, 1)
BATCH = 1_000
ROUNDS = 3
PANDAS_ROWS = 200_000

_TYPES = {"integer": "BIGINT", "real": "DOUBLE", "boolean": "BOOLEAN", "time": "TIMESTAMP", "json": "JSON"}


def main() -> None:
    """Write the segments, run both sides in turn, print what each took."""
    options = arguments(__doc__, rows=1_000_000, quick_rows=100_000)
    with tempfile.TemporaryDirectory(prefix="canonry-bench-") as folder:
        zones = open_zones(folder)
        _land(zones, options.rows)
        segments = [str(Path(zones.landing.url, each.path)) for each in segments_of(zones.landing, "inferences", DAY)]
        size = sum(Path(each).stat().st_size for each in segments)
        bare_file = Path(folder, "bare.parquet")
        ours, bare = [], []
        for _ in track(range(ROUNDS), "ingest: rounds"):
            shutil.rmtree(zones.lake.url, ignore_errors=True)
            ours.append(_seconds(lambda: _collect(zones, options.rows)))
            bare.append(_seconds(lambda: _copy(segments, bare_file)))
        lake_size = sum(entry.size for entry in zones.lake.list())
        pandas_rows = min(options.rows, PANDAS_ROWS)
        pandas = _seconds(lambda: _pandas(segments, pandas_rows, Path(folder, "pandas.parquet")))
        pandas *= options.rows / pandas_rows
        bare_size = bare_file.stat().st_size
    share = "" if pandas_rows == options.rows else f" ({pandas_rows:,} rows, scaled up)"
    print(f"{min(ours):.1f} s for {options.rows:,} rows: {pandas / min(ours):.1f} times faster than pandas{share}")
    report(
        "ingest",
        min(ours) / min(bare),
        "lower",
        ("side", "best s", "worst s", "rows a second", "MB a second", "MB written"),
        [
            (name, min(times), max(times), round(options.rows / min(times)), size / min(times) / 1e6, written / 1e6)
            for name, times, written in (("collect_day", ours, lake_size), ("DuckDB", bare, bare_size))
        ],
    )


def _land(zones: Zones, rows: int) -> None:
    writer = LandingWriter(zones.landing, "bench", clock=lambda: dt.datetime.combine(DAY, dt.time(23)))
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(5_000)]
    for start in track(range(0, rows, BATCH), "ingest: landing"):
        writer.append("inferences", _events(chance, words, start, min(start + BATCH, rows), rows))


def _events(chance: random.Random, words: list[str], start: int, end: int, rows: int) -> Iterator[dict[str, Any]]:
    """Calls of about 1 KB of JSON each, spread over the day."""
    midnight = dt.datetime.combine(DAY, dt.time())
    for number in range(start, end):
        at = midnight + dt.timedelta(seconds=86_000 * number / rows + chance.random())
        text = " ".join(chance.choices(words, k=70))
        yield {
            "inference_id": f"{chance.getrandbits(128):032x}",
            "trace_id": f"{chance.getrandbits(64):016x}",
            "started_at": at.isoformat(),
            "product": f"product-{number % 7}",
            "team": f"team-{number % 3}",
            "operation": "chat",
            "provider": "openai",
            "request_model": "gpt-4o",
            "response_model": "gpt-4o-2024-08-06",
            "input_tokens": chance.randint(10, 3_000),
            "output_tokens": chance.randint(1, 800),
            "latency_ms": round(chance.expovariate(1 / 900), 3),
            "finish_reason": "stop",
            "user_hash": f"{chance.getrandbits(64):016x}",
            "input_messages": [{"role": "user", "content": text[:150]}],
            "output_messages": [{"role": "assistant", "content": text[150:]}],
        }


def _collect(zones: Zones, rows: int) -> None:
    made = collect_day(zones, "inferences", DAY, today=DAY + dt.timedelta(days=1))
    assert (made.rows, made.rejected) == (rows, 0), made


def _copy(segments: list[str], file: Path) -> None:
    fields = (*INFERENCE.all_fields, *ENVELOPE)
    columns = {field.name: _TYPES.get(field.type, "VARCHAR") for field in fields} | {"retrieved": "JSON"}
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(
            f"COPY (SELECT * FROM read_json($files, format = 'newline_delimited', columns = $columns)) "
            f"TO '{file}' (FORMAT parquet, COMPRESSION zstd)",
            {"files": segments, "columns": columns},
        )


def _pandas(segments: list[str], rows: int, file: Path) -> None:
    import pandas

    left, frames = rows, []
    for segment in segments:
        with pandas.read_json(segment, lines=True, chunksize=left) as reader:
            frame = next(reader)
        frames.append(frame)
        left -= len(frame)
        if left <= 0:
            break
    together = pandas.concat(frames)
    together = together[together["inference_id"].notna()].drop(columns=["batch"], errors="ignore")
    together.to_parquet(file, compression="zstd")


def _seconds(act: Callable[[], None]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

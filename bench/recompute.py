"""One day's recompute (charges, then dbt's tables) with 30 days of history against the same day with one.

Both homes hold the same last day. Runs alternate between them, with dbt warm and its project parsed, as inside a
run of the platform. `--rows` is calls a day.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench._report import arguments, report
from canonry import lake
from canonry.catalog import Catalog
from canonry.cost import PriceSnapshot, charge_day, price_snapshot
from canonry.storage import Zones, open_zones

PROJECT = Path(__file__).parents[1] / "dbt"
LAST = dt.date(2026, 11, 30)
HISTORY = 30
STEPS = (["staging", "intermediate"], ["marts"])
MODELS = np.array(["gpt-4o-2024-08-06", "gpt-4o-mini", "gpt-4.1", "of-nobody"])


def main() -> None:
    """Build both homes, alternate, print."""
    options = arguments(__doc__, rows=20_000, quick_rows=2_000)
    repeats = 3 if options.quick else 5
    with tempfile.TemporaryDirectory(prefix="canonry-bench-") as folder:
        long = Home.build(Path(folder, "long"), HISTORY, options.rows)
        short = Home.build(Path(folder, "short"), 1, options.rows)
        seconds: dict[str, list[tuple[float, float]]] = {"30 days": [], "1 day": []}
        for _ in range(repeats):
            for name, home in (("1 day", short), ("30 days", long)):
                seconds[name].append((timed(home.charge, LAST), timed(home.tables, LAST, LAST)))
    totals = {name: statistics.median(map(sum, runs)) for name, runs in seconds.items()}
    rows = [
        [f"history of {name}", *(statistics.median(part) for part in zip(*runs, strict=True)), totals[name]]
        for name, runs in seconds.items()
    ]
    header = [f"{options.rows:,} calls a day, median of {repeats}", "charges, s", "dbt, s", "together, s"]
    report("recompute", totals["30 days"] / totals["1 day"], "lower", header, rows)


@dataclass
class Home:
    """Zones filled with days up to LAST, and dbt's project parsed for them."""

    zones: Zones
    snapshot: PriceSnapshot
    manifest: Any

    @classmethod
    def build(cls, path: Path, history: int, rows: int) -> Home:
        """Write the lake, charge every day, make every table."""
        zones = open_zones(path)
        lake.ensure_anchors(zones.lake)
        days = [LAST - dt.timedelta(days=back) for back in reversed(range(history))]
        for day in days:
            for kind, table in made_up_day(day, rows).items():
                lake.write(zones.lake, kind, day, table, {})
        home = cls(zones, price_snapshot(zones, dt.datetime(2026, 12, 1)), None)
        for day in days:
            home.charge(day)
        home.manifest = home.dbt("parse").result
        home.tables(days[0], LAST)
        return home

    def charge(self, day: dt.date) -> None:
        """Charges of one day."""
        charge_day(self.zones, Catalog(Path("assets")), day, self.snapshot)

    def tables(self, first: dt.date, last: dt.date) -> None:
        """Tables of some days, in the two steps of a tick."""
        until = last + dt.timedelta(days=1)
        days = ["--event-time-start", str(first), "--event-time-end", str(until)]
        for selected in STEPS:
            self.dbt("build", "--select", *selected, "--exclude-resource-type", "unit_test", *days)

    def dbt(self, command: str, *more: str) -> Any:
        """One dbt command in this process."""
        from dbt.cli.main import dbtRunner

        target = ["--target-path", f"{self.zones.home}/target", "--log-path", f"{self.zones.home}/logs"]
        project = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--quiet"]
        with environment(CANONRY_LAKE=self.zones.lake.url, CANONRY_WAREHOUSE=str(self.zones.warehouse)):
            found = dbtRunner(manifest=self.manifest).invoke([command, *project, *target, *more])
        if not found.success:
            raise SystemExit(f"dbt {command} failed: {found.exception or found.result}")
        return found


def made_up_day(day: dt.date, rows: int) -> dict[str, pa.Table]:
    """Calls of a day by ten products; one in twenty has feedback, one in two a score, one in a hundred a label."""
    random = np.random.default_rng(day.toordinal())
    midnight = np.datetime64(day, "us")
    ids = [f"{day:%Y%m%d}-{number:08}" for number in range(rows)]
    started = midnight + np.sort(random.integers(0, 86_400_000_000, rows)).astype("timedelta64[us]")
    product = random.integers(0, 10, rows)
    calls: dict[str, Any] = {
        "inference_id": ids,
        "trace_id": [f"trace-{each[:-1]}" for each in ids],
        "started_at": started,
        "product": [f"product-{each}" for each in product],
        "team": [f"team-{each % 3}" for each in product],
        "feature": ["answers"] * rows,
        "operation": ["chat"] * rows,
        "provider": ["openai"] * rows,
        "response_model": MODELS[random.integers(0, len(MODELS), rows)],
        "input_tokens": random.integers(10, 8000, rows),
        "output_tokens": random.integers(1, 900, rows),
        "latency_ms": random.gamma(2, 700, rows),
        "received_at": started,
        "source": ["bench"] * rows,
        "schema_version": np.ones(rows, np.int64),
        "digest": ids,
    }
    thumbs, scores, labels = (random.choice(rows, max(rows // part, 1), replace=False) for part in (20, 2, 100))
    thumb = {"given_at": started[thumbs], "origin": ["user"] * len(thumbs), "signal": ["thumb"] * len(thumbs)}
    # Half of the thumbs name their call, half its trace.
    thumb |= {"inference_id": [ids[each] if each % 2 else None for each in thumbs]}
    thumb |= {
        "trace_id": [calls["trace_id"][each] for each in thumbs],
        "value": random.choice([-1.0, 1.0], len(thumbs)),
    }
    score = {"inference_id": [ids[each] for each in scores], "value": random.random(len(scores))}
    score |= {"scored_at": started[scores], **{name: ["s"] * len(scores) for name in ("scorer", "metric")}}
    label = {"inference_id": [ids[each] for each in labels], "created_at": started[labels]}
    return {
        "inferences": conform("inferences", calls),
        "feedback": conform("feedback", {"feedback_id": [f"f{ids[each]}" for each in thumbs], **thumb}),
        "scores": conform("scores", score),
        "labels": conform("labels", {"annotation_id": [f"a{ids[each]}" for each in labels], **label}),
    }


def conform(kind: str, columns: dict[str, Any]) -> pa.Table:
    """A table with all of a kind's columns, NULL where none is given."""
    rows = len(next(iter(columns.values())))
    schema = lake.SCHEMAS[kind]
    arrays = [
        pa.array(columns[field.name]).cast(field.type) if field.name in columns else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def timed(do: Callable[..., None], *what: Any) -> float:
    """Seconds a call takes."""
    start = time.perf_counter()
    do(*what)
    return time.perf_counter() - start


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Variables set for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


if __name__ == "__main__":
    main()

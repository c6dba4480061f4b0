"""A small lake of four days, the tables dbt makes of it, and a way to run dbt again."""

from __future__ import annotations

import datetime as dt
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from canonry import lake
from canonry.catalog import Catalog
from canonry.cost import charge_day, price_snapshot
from canonry.storage import Zones, open_zones

PROJECT = Path(__file__).parents[2] / "dbt"
DAYS = [dt.date(2026, 11, day) for day in (1, 2, 3, 4)]
MODELS = [("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("nobody", "m-1"), (None, None)]
ENVELOPE = {"received_at": dt.datetime(2026, 11, 5), "source": "test", "schema_version": 1, "digest": "0"}

Row = dict[str, Any]


@dataclass
class World:
    """What was written, as rows by kind: what the tests compute from, by other means than SQL."""

    inferences: list[Row] = field(default_factory=list)
    feedback: list[Row] = field(default_factory=list)
    annotations: list[Row] = field(default_factory=list)
    labels: list[Row] = field(default_factory=list)
    scores: list[Row] = field(default_factory=list)
    estimates: list[Row] = field(default_factory=list)
    agreement: list[Row] = field(default_factory=list)
    feedback_rates: list[Row] = field(default_factory=list)
    drift: list[Row] = field(default_factory=list)
    consistency: list[Row] = field(default_factory=list)
    prompt_drift: list[Row] = field(default_factory=list)


TIMES = {
    "inferences": "started_at",
    "feedback": "given_at",
    "annotations": "created_at",
    "labels": "created_at",
    "scores": "scored_at",
}


@dataclass
class Tables:
    """A home with its lake, and the warehouse dbt made from it."""

    zones: Zones
    world: World
    target: Path

    def run(self, first: dt.date, last: dt.date) -> None:
        """dbt build of days `first` to `last`, in this process."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CANONRY_LAKE", self.zones.lake.url)
            patch.setenv("CANONRY_WAREHOUSE", str(self.zones.warehouse))
            command = ["build", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--quiet"]
            command += ["--target-path", str(self.target), "--log-path", str(self.target)]
            command += ["--event-time-start", str(first), "--event-time-end", str(last + dt.timedelta(days=1))]
            result = dbtRunner().invoke(command)
            DuckDBConnectionManager.close_all_connections()
        failed = [each.node.name for each in result.result or () if each.status not in ("success", "pass")]
        assert result.success and not failed, f"dbt failed: {failed or result.exception}"

    def rows(self, table: str, order: str = "ALL") -> list[Row]:
        """Rows of a table, in order."""
        with duckdb.connect(str(self.zones.warehouse), read_only=True) as connection:
            return connection.execute(f"SELECT * FROM {table} ORDER BY {order}").to_arrow_table().to_pylist()

    def write(self, kind: str, day: dt.date) -> None:
        """Write what the world has of a kind on a day."""
        time = TIMES.get(kind)
        rows = [row for row in getattr(self.world, kind) if (row[time].date() if time else row["window_end"]) == day]
        lake.write(self.zones.lake, kind, day, pa.Table.from_pylist(rows, lake.SCHEMAS[kind]), {"test": len(rows)})

    def copy(self, home: Path) -> Tables:
        """The same lake and warehouse in another home."""
        shutil.copytree(self.zones.home, home)
        rows = {kind: list(rows) for kind, rows in vars(self.world).items()}
        return Tables(open_zones(home), World(**rows), self.target)


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    """The lake of four days and everything dbt makes of it, built once."""
    home = tmp_path_factory.mktemp("tables") / "home"
    made = Tables(open_zones(home), make_world(random.Random(7)), home.parent / "target")
    lake.ensure_anchors(made.zones.lake)
    snapshot = price_snapshot(made.zones, dt.datetime(2026, 11, 5))
    for day in DAYS:
        for kind in vars(made.world):
            made.write(kind, day)
        charge_day(made.zones, Catalog(Path("assets")), day, snapshot)
    made.run(DAYS[0], DAYS[-1])
    yield made


def make_world(choose: random.Random) -> World:
    """Calls in traces that may pass midnight; feedback on calls and traces, up to three days late; labels; scores."""
    world = World()
    for number in range(500):
        began = dt.datetime(2026, 11, 1) + dt.timedelta(seconds=choose.randrange(4 * 86400 - 600))
        if number % 10 == 0:
            began = dt.datetime(2026, 11, choose.choice([2, 3, 4])) - dt.timedelta(seconds=choose.randrange(1, 150))
        team, product = choose.choice([("discovery", "search"), ("support", "helpdesk"), ("support", "search")])
        for step in range(choose.choice([1, 1, 2, 3])):
            provider, model = choose.choice(MODELS)
            started_at = min(began + dt.timedelta(seconds=100 * step), dt.datetime(2026, 11, 4, 23, 59, 59))
            world.inferences.append(
                {
                    "inference_id": f"call-{number:04}-{step}",
                    "trace_id": f"trace-{number:04}",
                    "started_at": started_at,
                    "team": team,
                    "product": product,
                    "feature": choose.choice([None, "answers"]),
                    "operation": choose.choice(["chat", "chat", None, "embeddings"]),
                    "provider": provider,
                    "response_model": model,
                    "prompt_name": "docs-answer",
                    "prompt_version": choose.choice(["v1", "v2"]),
                    "input_tokens": choose.randrange(5000),
                    "cache_read_tokens": None,
                    "output_tokens": choose.choice([None, 0, 50, 700]),
                    "latency_ms": choose.choice([None, choose.uniform(5, 9000)]),
                    "cache_hit": choose.choice([None, False, False, True]),
                    "error_type": choose.choice([None, None, None, "timeout"]),
                    **ENVELOPE,
                }
            )
        if choose.random() < 0.4:
            given_at = min(began + dt.timedelta(hours=choose.randrange(72)), dt.datetime(2026, 11, 4, 23, 59, 59))
            about = {"trace_id": f"trace-{number:04}"}
            if choose.random() < 0.5:
                about = {"inference_id": f"call-{number:04}-0"}
            world.feedback.append(
                {
                    "feedback_id": f"feedback-{number:04}",
                    "given_at": given_at,
                    "origin": choose.choice(["user", "implicit"]),
                    "signal": "thumb",
                    "value": choose.choice([1.0, -1.0, 0.3, None]),
                    "attributes": choose.choice([None, '{"simulated": true}', '{"simulated": "no"}']),
                    **about,
                    **ENVELOPE,
                }
            )
        if choose.random() < 0.2:
            scored_at = min(began + dt.timedelta(hours=1), dt.datetime(2026, 11, 4, 23, 59, 59))
            score = {"inference_id": f"call-{number:04}-0", "scorer": "nli", "scorer_version": "1"}
            world.scores.append({**score, "metric": "grounded", "value": choose.random(), "scored_at": scored_at})
            label = {"annotation_id": str(number), "scheme": "groundedness", "item_id": str(number)}
            label |= {"inference_id": f"call-{number:04}-0", "created_at": scored_at, "cancelled": number % 2 == 0}
            label |= {"result": f'{{"groundedness": "{number}"}}'}
            if number % 4 < 2:
                world.annotations.append({**label, **ENVELOPE})
            else:
                world.labels.append({**label, "created_at": began, "draw_id": "d", "inclusion_probability": 0.5})
    for day in DAYS:
        common = {"eval": "hallucination-rate", "metric": "hallucination_rate", "estimand": "these calls"}
        common |= {"window_start": DAYS[0], "window_end": day, "method": "stratified", "simulated": True}
        figures = {"value": 0.2, "interval_low": 0.1, "interval_high": 0.3, "confidence": 0.95, "labels": 40}
        world.estimates.append({**common, **figures, "slice": "product", "product": "search"})
        powered = {"estimator": "prediction_powered", "preferred": True, "labels_worth": 72.5, "differs": "higher"}
        powered |= {"interval_low": 0.13, "interval_high": 0.27, "rest_value": 0.1, "p_value": 0.001, "clusters": 31}
        world.estimates.append({**common, **figures, **powered, "slice": "product", "product": "search"})
        world.estimates.append({**common, "slice": "product", "product": "helpdesk", "refused": "too few labels"})
        measured = {"scheme": "groundedness", "scheme_version": "1", "field": "groundedness", "window_days": 7}
        measured |= {"window_end": day, "value": 0.8, "interval_low": 0.7, "interval_high": 0.9, "items": 40}
        world.agreement.append({**measured, "metric": "alpha"})
        rate = {
            "signal": "thumb",
            "window_days": 28,
            "window_end": day,
            "estimand": "of these",
            "answers": 90,
            "known": 40,
        }
        rate |= {"raw_value": 0.8, "raw_low": 0.7, "raw_high": 0.9, "confidence": 0.95}
        known = {"value": 0.7, "interval_low": 0.5, "interval_high": 0.85, "effective": 31.5, "simulated": True}
        world.feedback_rates.append({**rate, **known, "slice": "all"})
        world.feedback_rates.append({**rate, "slice": "team,product", "product": "search", "refused": "no overlap"})
        tested = {"drift": "docs", "product": "search", "measure": "embedding", "level": 2e-5, "window_end": day}
        tested |= {"reference_start": DAYS[0], "window_start": DAYS[0], "reference_askers": 60, "window_askers": 30}
        figure = {"value": 2.5, "typical": 1.0, "noise": 1.4, "p_value": 1e-6, "alarm": True}
        world.drift.append({**tested, **figure, "part": "questions"})
        world.drift.append({**tested, "part": "answers", "refused": "12 askers, at least 30 are needed"})
        week = {"questions": 54, "disagreeing_questions": 10, "pairs": 180, "confidence": 0.95, "window_end": day}
        surely = {"value": 0.185, "interval_low": 0.104, "interval_high": 0.308, "method": "t over questions"}
        world.consistency.append({**week, **surely, "across": "models"})
        world.consistency.append({**week, "across": "same", "product": "search", "refused": "54 are too few"})
        asked = {"product": "search", "prompt_name": "answer", "of_calls": 40, "window_end": day}
        near = {"nearest_name": "answer", "nearest_version": "2", "similarity": 0.9, "changes": "+ Be brief."}
        world.prompt_drift.append({**asked, "status": "registered", "calls": 33, "example": "i-1"})
        world.prompt_drift.append({**asked, **near, "status": "changed", "calls": 5, "example": "i-2"})
        world.prompt_drift.append({**asked, "status": "changed", "calls": 2, "example": "i-3"})
        world.agreement.append({**measured, "metric": "kappa", "annotator": "1", "other_annotator": "2"})
    return world

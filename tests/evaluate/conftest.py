"""A product whose true quality is known, drawn from and labeled through the real exchange of files."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from canonry import lake
from canonry.catalog import Catalog, EvalSpec, MonitorSpec, SchemeSpec
from canonry.label.draws import draw_day
from canonry.label.inbox import import_annotations
from canonry.label.partition import write_labels
from canonry.label.tasks import export_tasks
from canonry.storage import Zones
from tests.completions.stand_in import StandIn, serving
from tests.evaluate.judge_stand_in import judging_with, sensible

NOW = dt.datetime(2026, 11, 30)


@pytest.fixture
def catalog() -> Catalog:
    said = {"description": "Made for this test only.", "owner": "ai-quality"}
    scheme = {
        **said,
        "version": 1,
        "instructions": "Read all of it, then decide.",
        "choices": [{"name": "groundedness", "question": "Supported?", "choices": ["grounded", "hallucinated"]}],
        "sampling": {"strata": ["product", "response_model"], "per_stratum": 6},
    }
    spec = {
        **said,
        "metric": "hallucination_rate",
        "scheme": "groundedness",
        "field": "groundedness",
        "positive": "hallucinated",
        "slices": [[], ["response_model"], ["product", "response_model"]],
    }
    monitor = {
        **said,
        "measure": "quality",
        "of": "hallucination-rate",
        "slice": ["response_model"],
        "limit": {"at_most": 0.2},
        "runbook": "docs/runbooks.md#quality",
    }
    return Catalog(
        Path("assets"),
        schemes={"groundedness": SchemeSpec.model_validate(scheme)},
        evals={"hallucination-rate": EvalSpec.model_validate(spec)},
        monitors={"hallucination-by-model": MonitorSpec.model_validate(monitor)},
    )


@pytest.fixture
def server() -> Iterator[StandIn]:
    """A judge that works, over real HTTP."""
    with serving(judging_with(sensible)) as found:
        yield found


@pytest.fixture
def live_day(zones: Zones, catalog: Catalog) -> Callable[..., None]:
    """Writes a day of calls, draws from it, and has each drawn item labeled as `truth` (by inference_id) says.

    An item that truth does not name is not labeled; several answers are of several reviewers, None of one
    who skipped it.
    """

    def live(
        day: dt.date, calls: list[dict[str, Any]], truth: Mapping[str, list[str | None]], *, simulated: bool = False
    ) -> None:
        scheme = catalog.schemes["groundedness"]
        _write_calls(zones, day, calls)
        draw = draw_day(zones, "groundedness", scheme, day, NOW)
        assert draw is not None
        export = export_tasks(zones, "groundedness", scheme, draw)
        inferences = {item.item_id: item.inference_id for item in draw.items}
        tasks = json.loads(zones.exchange.read(export.path))
        for number, task in enumerate(tasks):
            answers = truth.get(inferences[task["data"]["item_id"]], [])
            task["annotations"] = [_annotation(number, who, answer, simulated) for who, answer in enumerate(answers)]
        zones.exchange.put(f"label-studio/groundedness/in/{day}.json", json.dumps(tasks).encode())
        assert not import_annotations(zones, "groundedness", scheme).problems
        write_labels(zones, day)

    return live


def _write_calls(zones: Zones, day: dt.date, calls: list[dict[str, Any]]) -> None:
    empty = dict.fromkeys(lake.SCHEMAS["inferences"].names)
    facts = [{**empty, "started_at": dt.datetime.combine(day, dt.time(9)), "team": "docs", **call} for call in calls]
    texts = [
        {"inference_id": call["inference_id"], "input_messages": '"Why?"', "output_messages": '"So."', "retrieved": []}
        for call in calls
    ]
    lake.write(zones.lake, "inferences", day, pa.Table.from_pylist(facts, lake.SCHEMAS["inferences"]), {})
    lake.write(zones.lake, "contents", day, pa.Table.from_pylist(texts, lake.SCHEMAS["contents"]), {})


def _annotation(number: int, who: int, answer: str | None, simulated: bool) -> dict[str, Any]:
    value = {"choices": [answer]}
    marked = {"from_name": "groundedness", "to_name": "answer", "type": "choices", "value": value}
    return {
        "id": 100 * number + who,
        "completed_by": who,
        "created_at": "2026-11-20T08:00:00Z",
        "updated_at": "2026-11-20T08:00:00Z",
        "was_cancelled": answer is None,
        "result": [] if answer is None else [marked],
        **({"meta": {"simulated": True}} if simulated else {}),
    }

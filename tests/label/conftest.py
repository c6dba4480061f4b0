"""A small lake of calls to draw from, and reviewers that answer in Label Studio's export format."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from canonry import lake
from canonry.catalog import SchemeSpec
from canonry.label.draws import draw_day
from canonry.label.gold import gold_set
from canonry.label.inbox import import_annotations
from canonry.label.partition import write_labels
from canonry.label.tasks import make_tasks, read_texts
from canonry.labels import read_draw
from canonry.storage import Zones

DAY = dt.date(2026, 11, 9)


@pytest.fixture
def scheme() -> SchemeSpec:
    return SchemeSpec.model_validate(
        {
            "description": "Does the answer say only what the passages support?",
            "owner": "ai-quality",
            "version": 1,
            "instructions": "Read all of it, then decide.",
            "choices": [{"name": "groundedness", "question": "Supported?", "choices": ["grounded", "hallucinated"]}],
            "spans": ["unsupported"],
            "sampling": {"strata": ["product", "response_model"], "per_stratum": 3},
        }
    )


@pytest.fixture
def write_calls(zones: Zones) -> Callable[..., None]:
    """Writes a day of calls: (inference_id, product, response_model) or more fields as a dict."""

    def write(calls: list[dict[str, Any]], day: dt.date = DAY) -> None:
        rows, texts = [], []
        for call in calls:
            row = dict.fromkeys(lake.SCHEMAS["inferences"].names)
            row |= {"started_at": dt.datetime.combine(day, dt.time(9)), "team": "docs", "product": "site"}
            row |= {name: value for name, value in call.items() if name in row}
            rows.append(row)
            answer = call.get("answer", "An answer.")
            texts.append(
                {
                    "inference_id": call["inference_id"],
                    "input_messages": json.dumps([{"role": "user", "content": call.get("question", "A question?")}]),
                    "output_messages": answer and json.dumps([{"role": "assistant", "content": answer}]),
                    "retrieved": [{"chunk_id": "c1", "score": 0.5, "text": "A passage."}],
                }
            )
        lake.write(zones.lake, "inferences", day, pa.Table.from_pylist(rows, lake.SCHEMAS["inferences"]), {})
        lake.write(zones.lake, "contents", day, pa.Table.from_pylist(texts, lake.SCHEMAS["contents"]), {})

    return write


@pytest.fixture
def annotate() -> Callable[..., dict[str, Any]]:
    """An annotation as Label Studio exports it."""

    def make(identifier: int, answer: str | None, reviewer: int = 1, **more: Any) -> dict[str, Any]:
        value = {"choices": [answer]}
        region = {"id": "r1", "from_name": "groundedness", "to_name": "answer", "type": "choices", "value": value}
        return {
            "id": identifier,
            "completed_by": reviewer,
            "created_at": "2026-11-10T08:00:00.000000Z",
            "updated_at": "2026-11-10T08:00:05.000000Z",
            "lead_time": 12.5,
            "was_cancelled": answer is None,
            "result": [region] if answer else [],
        } | more

    return make


@pytest.fixture
def put_export(zones: Zones) -> Callable[..., None]:
    """Puts an export into the scheme's inbox."""

    def put(tasks: Any, file: str = "export.json") -> None:
        data = tasks if isinstance(tasks, bytes) else json.dumps(tasks).encode()
        zones.exchange.put(f"label-studio/groundedness/in/{file}", data)

    return put


@pytest.fixture
def labeled(zones, scheme, write_calls, annotate, put_export):
    """Makes a gold set of 60 calls that two reviewers answered; they disagree on so many."""

    def make(disagree: int, **more):
        questions = [f"Question {number // 2}? <b>|x|</b>" for number in range(60)]
        write_calls([{"inference_id": f"c{n}", "product": "<i>site|</i>", "question": q} | more
                     for n, q in enumerate(questions)])  # fmt: skip
        many = scheme.model_copy(update={"sampling": scheme.sampling.model_copy(update={"per_stratum": 100})})
        now = dt.datetime(2026, 11, 10)
        draw_day(zones, "groundedness", many, DAY, now)
        draw = read_draw(zones.journal, "groundedness", 1, DAY)
        tasks = make_tasks(draw, read_texts(zones.lake, draw))
        for number, task in enumerate(tasks):
            first = ("grounded", "hallucinated")[number % 2]
            second = first if number >= disagree else ("hallucinated", "grounded")[number % 2]
            task["annotations"] = [annotate(2 * number, first, 1), annotate(2 * number + 1, second, 2)]
        put_export(tasks)
        import_annotations(zones, "groundedness", many)
        write_labels(zones, DAY)
        return gold_set(zones.lake, zones.journal, "groundedness", many, [DAY])

    return make

"""Real answers of six models with real labels: imported they get no interval, drawn from they get one that holds."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections import defaultdict

import pytest

from canonry.catalog import load
from canonry.collect.file_drop import take_files
from canonry.collect.partition import collect_day
from canonry.evaluate.estimates import estimate_day
from canonry.label.draws import draw_day
from canonry.label.inbox import import_annotations
from canonry.label.partition import write_labels
from canonry.label.tasks import export_tasks

DAY = dt.date(2026, 1, 5)
NOW = dt.datetime(2026, 11, 20)
EVAL = "hallucination-rate"


@pytest.fixture
def governed(zones, shared_data, monkeypatch):
    """RAGTruth collected through its YAML; the governed scheme with more items a draw."""
    monkeypatch.setenv("CANONRY_DATA", str(shared_data))
    catalog = load("assets")
    take_files(zones, "ragtruth", catalog.sources["ragtruth"], now=NOW)
    for kind in ("inferences", "annotations"):
        collect_day(zones, kind, DAY, today=NOW.date())
    scheme = catalog.schemes["groundedness"]
    sampling = scheme.sampling.model_copy(update={"per_stratum": 40})
    catalog.schemes["groundedness"] = scheme.model_copy(update={"sampling": sampling})
    return catalog


def _truth(shared_data):
    with gzip.open(shared_data / "ragtruth" / "responses.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return {f"ragtruth-{row['source_id']}-{row['model']}": (row["model"], bool(row["labels"])) for row in rows}


def test_labels_that_were_not_drawn_are_refused_an_interval(zones, governed):
    rows = estimate_day(zones, governed, EVAL, DAY)
    assert {row["refused"] for row in rows} == {"no inclusion probability: these 1,652 labels were not drawn"}


def test_a_draw_from_real_answers_finds_each_models_real_rate(zones, governed, shared_data):
    truth = _truth(shared_data)
    scheme = governed.schemes["groundedness"]
    draw = draw_day(zones, "groundedness", scheme, DAY, NOW)
    inferences = {item.item_id: item.inference_id for item in draw.items}
    tasks = json.loads(zones.exchange.read(export_tasks(zones, "groundedness", scheme, draw).path))
    assert all(task["data"]["question"] and task["data"]["answer"] for task in tasks)
    for number, task in enumerate(tasks):
        hallucinated = truth[inferences[task["data"]["item_id"]]][1]
        value = {"choices": ["hallucinated" if hallucinated else "grounded"]}
        task["annotations"] = [
            {
                "id": number,
                "completed_by": 1,
                "created_at": "2026-11-20T08:00:00Z",
                "result": [{"from_name": "groundedness", "to_name": "answer", "type": "choices", "value": value}],
            }
        ]
    zones.exchange.put("label-studio/groundedness/in/all.json", json.dumps(tasks).encode())
    assert not import_annotations(zones, "groundedness", scheme).problems
    write_labels(zones, DAY)

    real = defaultdict(list)
    for model, hallucinated in truth.values():
        real[model].append(hallucinated)
        real[None].append(hallucinated)
    rows = [row for row in estimate_day(zones, governed, EVAL, DAY) if row["slice"] in ("all", "response_model")]
    scored = [row for row in rows if row["estimator"] == "prediction_powered"]
    assert scored and all(row["refused"] for row in scored), "nothing was scored"
    rows = [row for row in rows if row["estimator"] == "human_only"]
    assert {row.get("response_model") for row in rows} == set(real)
    for row in rows:
        answers = real[row.get("response_model")]
        assert row["population"] == len(answers)
        assert row["interval_low"] <= sum(answers) / len(answers) <= row["interval_high"]
        assert "1,652 imported annotations left out" in row["method"]

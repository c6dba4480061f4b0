"""Experts' real preferences as thumbs, of which simulated users give some: composed, and named so.

Each question has a person's answer and a model's, and an expert prefers one. Had every answer a thumb, half would be
up, since one of each pair is preferred; the model's answer is in four of five pairs. Who gives a thumb is simulated.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from canonry import lake
from canonry.evaluate.feedback import COLUMNS, DAY, feedback_rates

TODAY = dt.date(2026, 11, 28)
NO_RETRIES = lake.SCHEMAS["retries"].empty_table()


@pytest.fixture(scope="module")
def thumbs(shared_data: Path) -> list[dict[str, Any]]:
    """Two answers a question, each with the thumb that its expert's preference amounts to."""
    with gzip.open(shared_data / "haluquestqa" / "HaluQuestQA.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        {
            "inference_id": f"{number:04}-{side}",
            "response_model": row[f"ans{side}_label"],
            "feature": row["category"],
            "output_tokens": len(row[f"ans{side}_text"].split()),
            "user_hash": row["annotator"],
            "thumb": 1 if row["ans_preference"] == f"Answer {side}" else -1,
        }
        for number, row in enumerate(rows)
        for side in (1, 2)
    ]


def figures(thumbs: list[dict[str, Any]], seed: int, said: dict[str, float]) -> dict[str, Any]:
    """The row of all answers, where each model's users give a thumb with the chance that is said, in law half of it."""
    generator = np.random.default_rng(seed)
    rows = []
    for each in thumbs:
        chance = said[each["response_model"]] * (0.5 if each["feature"] == "law" else 1)
        signals = json.dumps({"thumb": each["thumb"]}) if generator.random() < chance else None
        rows.append(
            {**each, "signals": signals, "product": "qa", "day": TODAY, "started_at": dt.datetime(2026, 11, 28)}
        )
    types = dict.fromkeys(COLUMNS, pa.string()) | {"day": pa.date32(), "started_at": lake.TIME}
    types |= {"latency_ms": pa.float64(), "output_tokens": pa.int64(), "simulated_feedback": pa.int64()}
    table = pa.Table.from_pylist(rows, pa.schema(list(types.items())))
    return next(row for row in feedback_rates(table, NO_RETRIES, TODAY, DAY) if row["slice"] == "all")


def test_on_real_preferences_reweighting_finds_what_self_selected_thumbs_hide(thumbs: list[dict[str, Any]]) -> None:
    preferred = [each for each in thumbs if each["thumb"] == 1]
    assert (len(thumbs), len(preferred)) == (1396, 698)
    assert sum(each["response_model"] == "model_answer" for each in preferred) == 563
    found = [figures(thumbs, seed, {"model_answer": 0.4, "human_answer": 0.15}) for seed in range(25)]
    assert all(row["value"] is not None and row["raw_low"] > 0.5 for row in found)
    assert sum(row["interval_low"] <= 0.5 <= row["interval_high"] for row in found) >= 22
    mean, raw_mean = (np.mean([row[name] for row in found]) for name in ("value", "raw_value"))
    assert abs(mean - 0.5) < 0.02
    assert raw_mean > 0.6

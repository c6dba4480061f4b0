"""A judge of this folder's tests: its prompt, model and catalog, and days of calls for it to judge."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from canonry import lake, release
from canonry.catalog import Catalog, ModelSpec, PromptSpec
from canonry.catalog.specs import JudgeSpec
from canonry.completions import Endpoint, Patience
from canonry.evaluate.definitions import definition_files
from canonry.evaluate.ready import Prepared, prepare_scorer
from canonry.storage import Zones

NOW = dt.datetime(2026, 11, 20, 9)
DAY = dt.date(2026, 11, 19)
PROMPT = PromptSpec.model_validate(
    {
        "description": "Made for this test only.",
        "owner": "ai-quality",
        "variables": ["question", "passages", "answer"],
        "versions": [
            {"since": "2026-01-01", "change": "First.", "template": "Asked {question}\nGiven {passages}\n{answer}"},
            {"since": "2026-06-01", "change": "Strict.", "template": "{question}\n{passages}\n{answer}\nBe strict."},
        ],
    }
)
MODEL = ModelSpec.model_validate(
    {
        "description": "A judge that stands in for one.",
        "owner": "ai-platform",
        "role": "chat",
        "provider": "house",
        "versions": ["judge-1"],
        "stages": [{"stage": "production", "since": "2026-01-01", "reason": "made for this test"}],
        "prices": [{"valid_from": "2026-01-01", "input_mtok": "10", "output_mtok": "20", "reason": "made for this"}],
    }
)
QUICK = Patience(attempts=2, answer=0.3, first_wait=0.01, longest_wait=0.02)


def judge(**fields: Any) -> JudgeSpec:
    document = {
        "description": "Whether the passages support the answer.",
        "owner": "ai-quality",
        "metric": "unsupported",
        "prompt": "judge",
        "prompt_version": 1,
        "model": "judge-1",
        "provider": "house",
        "verdicts": {"supported": 0, "unsupported": 1},
        "budget": {"calls_a_day": 1_000},
        **fields,
    }
    return JudgeSpec.model_validate(document)


def catalog_of(spec: JudgeSpec, models: dict[str, ModelSpec] | None = None) -> Catalog:
    known = {"judge-1": MODEL} if models is None else models
    return Catalog(Path("assets"), scorers={"support": spec}, prompts={"judge": PROMPT}, models=known)


def prepared(zones: Zones, spec: JudgeSpec, url: str, now: dt.datetime = NOW) -> Prepared:
    catalog = catalog_of(spec)
    files = definition_files("support", spec, catalog, zones.home)
    at = NOW.replace(tzinfo=dt.UTC)
    made = release.publish(zones.published, "scorers", "support", files, metadata={}, lineage={}, now=at)
    found = prepare_scorer(
        zones, catalog, "support", now, version=made.version, endpoint=lambda: Endpoint(url, "k-secret-7")
    )
    assert found.judging
    found.judging.patience = QUICK
    return found


def write_calls(zones: Zones, answers: list[str], day: dt.date = DAY) -> None:
    at = dt.datetime.combine(day, dt.time(12))
    calls = [{"inference_id": f"c{each}", "operation": "chat", "started_at": at} for each in range(len(answers))]
    contents = [
        {
            "inference_id": f"c{each}",
            "input_messages": json.dumps([{"role": "user", "content": f"Question {each}?"}]),
            "output_messages": json.dumps([{"role": "assistant", "content": answer}]),
            "retrieved": [{"chunk_id": "p", "score": None, "text": "The harbour opens at nine."}],
        }
        for each, answer in enumerate(answers)
    ]
    for kind, rows in (("inferences", calls), ("contents", contents)):
        lake.write(zones.lake, kind, day, pa.Table.from_pylist(rows, lake.SCHEMAS[kind]), {})


def values(zones: Zones, day: dt.date = DAY) -> dict[str, float]:
    rows = lake.read(zones.lake, "scores", [day]).to_pylist()
    return {row["inference_id"]: row["value"] for row in rows}

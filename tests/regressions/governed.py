"""A small governed catalog and gold set for comparisons: each question has one good answer and one bad one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from canonry import lake, release
from canonry.catalog import Catalog, load
from canonry.storage import Zones

NOW = dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC)

COMMON = {"description": "Made for this test only.", "owner": "a-team"}
SCHEME = {
    **COMMON,
    "version": 1,
    "instructions": "Read it all.",
    "choices": [{"name": "grounded", "question": "Is it?", "choices": ["yes", "no"]}],
    "sampling": {"strata": ["product"], "per_stratum": 5},
}
SCORER = {**COMMON, "metric": "risk", "scheme": "grounded", "field": "grounded", "positive": "no"}
STAGE = {"stage": "production", "since": "2026-01-01", "reason": "first"}
MODEL = {
    **COMMON,
    "role": "chat",
    "provider": "us",
    "versions": ["m-1", "m-2"],
    "stages": [{**STAGE, "version": "m-1"}, {**STAGE, "since": "2026-02-01", "version": "m-2"}],
    "prices": [{"valid_from": "2026-01-01", "input_mtok": "1", "output_mtok": "2", "reason": "internal"}],
}
PROMPT = {
    **COMMON,
    "variables": ["question", "passages"],
    "versions": [{"since": "2026-01-01", "template": "{passages}\n{question}", "change": "First."}],
}
COMPARISON: dict[str, Any] = {
    **COMMON,
    "kind": "comparison",
    "candidate": {"kind": "models", "name": "m"},
    "metric": "grounded_rate",
    "margin": 0.1,
    "gold": {"scheme": "grounded", "splits": ["test"]},
    "outcome": {"field": "grounded", "good": "yes"},
    "answered_with": "p",
}


def governed(root: Path, comparison: dict[str, Any], **changed: dict[str, Any]) -> Catalog:
    """The catalog with this comparison; `changed` files by `folder/name`."""
    files = {"schemes/grounded": SCHEME, "scorers/judge": SCORER, "models/m": MODEL, "prompts/p": PROMPT}
    for path, document in {**files, "evals/c": comparison, **changed}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / f"{path}.yaml").write_text(yaml.safe_dump(document))
    return load(root)


def publish_gold(zones: Zones, questions: int, labeled: Sequence[int] | None = None, split: str = "test") -> str:
    """A promoted gold set; of the questions `labeled` (all) both answers have a label, of others the good one alone."""
    both = set(range(questions) if labeled is None else labeled)
    rows = [
        {
            "item_id": f"item-{number:04d}-{value}",
            "inference_id": f"call-{number:04d}-{value}",
            "split": split if value == "yes" else "calibration",
            "group": f"group-{number}",
            "question": f"What is {number}?",
            "passages": [f"It is {number}."],
            "answer": f"{'It is' if value == 'yes' else 'Not'} {number}.",
            "field": "grounded",
            "value": value,
            "spans": [],
            "simulated": False,
            "product": "docs",
            "team": "a-team",
            "feature": None,
            "response_model": "m-1",
        }
        for number in range(questions)
        for value in ("yes", *(("no",) if number in both else ()))
    ]
    items = lake.parquet_bytes(pa.Table.from_pylist(rows))
    found = release.publish(
        zones.published, "gold", "grounded", {"items.parquet": items}, metadata={}, lineage={}, now=NOW
    )
    release.promote(zones.published, "gold", "grounded", found.version, reason="test", now=NOW)
    return found.version

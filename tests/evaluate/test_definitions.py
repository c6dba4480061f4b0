"""Scorers that nobody trains: released whole, scored by any of their versions, each beside the others."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from canonry import lake, release
from canonry.catalog import Catalog, IndexSpec, ModelSpec
from canonry.catalog.specs import GroundednessSpec, ScorerSpec
from canonry.completions import Endpoint
from canonry.evaluate.answered import document_of
from canonry.evaluate.definitions import DefinitionError, definition_files, read_definition
from canonry.evaluate.ready import prepare_scorer
from canonry.evaluate.scoring import defined_scorer, score_day
from canonry.release import Release
from canonry.storage import Zones

NOW = dt.datetime(2026, 11, 20, 9)
DAY = dt.date(2026, 11, 19)
PASSAGE = {"chunk_id": "guide/reset#3", "score": 0.9, "text": "Hold the red button for ten seconds."}
CALLS = {
    "a": ("How do I reset it?", "Hold the red button.", [PASSAGE]),
    "b": ("How do I  RESET it?", "I'm sorry, but I cannot help with that.", [{**PASSAGE, "chunk_id": "guide/care#0"}]),
    "c": ("What is the weather?", "I do not know.", []),
}
ENCODER = {
    "description": "Made for this test only.",
    "owner": "ai-platform",
    "role": "encoder",
    "provider": "nobody",
    "stages": [{"stage": "production", "since": "2026-01-01", "reason": "made for this test"}],
    "encoder": {"package": "none", "path": "m", "sha256": "0" * 64, "dimension": 2, "max_tokens": 8},
}
INDEX = {
    "description": "Made for this test only.",
    "owner": "docs",
    "documents": {"location": "nowhere"},
    "encoder": "tiny",
    "golden_queries": [{"query": "how do i reset it?", "documents": ["guide/reset", "guide/power"]}],
}


def spec_of(**fields: Any) -> ScorerSpec:
    document = {"description": "Made for this test only.", "owner": "ai-quality", **fields}
    found = ScorerSpec.class_of(document).model_validate(document)
    assert isinstance(found, ScorerSpec)
    return found


def rules(*checks: str) -> ScorerSpec:
    return spec_of(kind="rules", rules=[{"check": each, "metric": each} for each in checks])


def catalog_of(spec: ScorerSpec) -> Catalog:
    models = {"tiny": ModelSpec.model_validate(ENCODER)}
    return Catalog(
        Path("assets"), scorers={"s": spec}, models=models, indexes={"docs": IndexSpec.model_validate(INDEX)}
    )


def publish(zones: Zones, spec: ScorerSpec) -> Release:
    files = definition_files("s", spec, catalog_of(spec), zones.home)
    now = NOW.replace(tzinfo=dt.UTC)
    return release.publish(zones.published, "scorers", "s", files, metadata={}, lineage={}, now=now)


def write_calls(zones: Zones, day: dt.date = DAY) -> None:
    asked = {"operation": "chat", "started_at": dt.datetime.combine(day, dt.time(12))}
    calls = [{"inference_id": each, "product": f"product-{each}", **asked} for each in CALLS]
    calls.append({"inference_id": "judged", "operation": "judge", "product": "canonry-judge"})
    contents = [
        {
            "inference_id": each,
            "input_messages": json.dumps([{"role": "user", "content": question}]),
            "output_messages": json.dumps([{"role": "assistant", "content": answer}]),
            "retrieved": retrieved,
        }
        for each, (question, answer, retrieved) in CALLS.items()
    ]
    sent = {"feedback_id": "f", "inference_id": "a", "given_at": NOW, "correction": "Hold the RED button."}
    for kind, on, rows in (
        ("inferences", day, calls),
        ("contents", day, contents),
        ("feedback", day + dt.timedelta(days=1), [{**sent, "signal": "correction"}]),
    ):
        lake.write(zones.lake, kind, on, pa.Table.from_pylist(rows, lake.SCHEMAS[kind]), {})


def scored(zones: Zones, spec: ScorerSpec, released: Release | None = None) -> dict[str, dict]:
    """Figures by call and metric, of this version alone."""
    released = released or publish(zones, spec)

    def letters(name: str) -> Any:
        assert name == "tiny"
        return lambda texts: np.array([[text.count("e"), text.count("t")] for text in texts], dtype=np.float32)

    ready = defined_scorer(
        "s", released, NOW, letters, lambda definition: lambda calls: [[] for _ in calls], spec.products
    )
    score_day(zones.lake, ready, DAY)
    rows = lake.read(zones.lake, "scores", [DAY])
    rows = rows.filter(pc.equal(rows["scorer_version"], released.version)).to_pylist()
    found: dict[str, dict] = {}
    for row in rows:
        found.setdefault(row["inference_id"], {})[row["metric"]] = row["value"]
    return found


def test_rules_score_every_answer_of_the_products_and_no_judge_s_call(zones: Zones) -> None:
    write_calls(zones)
    found = scored(zones, rules("refusal", "length"))
    assert found == {
        "a": {"refusal": 0, "length": 4},
        "b": {"refusal": 1, "length": 8},
        "c": {"refusal": 1, "length": 4},
    }
    only = rules("length").model_copy(update={"products": ("product-b",)})
    assert scored(zones, only).keys() == {"b"}
    assert set(lake.read(zones.lake, "scores", [DAY])["seen_in_training"].to_pylist()) == {False}


def test_another_version_adds_rows_and_leaves_the_old_ones_as_they_are_byte_for_byte(zones: Zones) -> None:
    write_calls(zones)
    first = publish(zones, rules("refusal"))
    scored(zones, rules("refusal"), first)
    before = lake.read(zones.lake, "scores", [DAY])
    kept = lake.parquet_bytes(before)

    scored(zones, rules("refusal", "length"))
    both = lake.read(zones.lake, "scores", [DAY])
    assert both.num_rows == 3 * before.num_rows
    assert lake.parquet_bytes(both.filter(pc.equal(both["scorer_version"], first.version))) == kept

    # The first version once more: nothing is scored again, and the partition's file is the same one.
    path = f"{lake.folder('scores', DAY)}/part-0.parquet"
    file = zones.lake.read(path)
    scored(zones, rules("refusal"), first)
    assert zones.lake.read(path) == file


def test_only_what_changes_a_figure_makes_another_version(zones: Zones) -> None:
    spec = rules("refusal")
    version = publish(zones, spec).version
    assert publish(zones, spec.model_copy(update={"owner": "somebody", "products": ("x",)})).version == version
    assert publish(zones, rules("length")).version != version


def test_similarity_needs_a_reference_and_comes_again_when_it_is_there(zones: Zones, tmp_path: Path) -> None:
    write_calls(zones)
    spec = spec_of(kind="similarity", metric="near", encoder="tiny", reference="correction")
    found = scored(zones, spec)
    assert found.keys() == {"a"} and found["a"]["near"] == pytest.approx(11 / 130**0.5)

    file = tmp_path / "answers.jsonl"
    file.write_text(json.dumps({"question": "what is the WEATHER?", "answer": "I do not know."}) + "\n")
    spec = spec_of(kind="similarity", metric="near", encoder="tiny", reference="answers", answers=str(file))
    released = publish(zones, spec)
    file.unlink()
    assert scored(zones, spec, released) == {"c": {"near": pytest.approx(1.0)}}


def test_retrieval_is_held_to_the_golden_queries(zones: Zones) -> None:
    write_calls(zones)
    found = scored(zones, spec_of(kind="retrieval", index="docs", metrics=["recall", "reciprocal_rank", "precision"]))
    assert found == {
        "a": {"retrieval_recall": 0.5, "retrieval_reciprocal_rank": 1, "retrieval_precision": 1},
        "b": {"retrieval_recall": 0, "retrieval_reciprocal_rank": 0, "retrieval_precision": 0},
    }
    assert [document_of(each) for each in ("a#b#12", "a#b", "plain")] == ["a#b", "a#b", "plain"]


def test_known_answers_that_cannot_be_read_name_their_line(zones: Zones, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"question": "q", "answer": "a"}\n{"question": "q"}\n')
    spec = spec_of(kind="similarity", metric="near", encoder="tiny", reference="answers", answers=str(file))
    with pytest.raises(DefinitionError, match=r"answers\.jsonl: line 2: answer: expected a text"):
        publish(zones, spec)


def test_a_release_of_other_code_is_refused_and_so_is_a_name_that_changed_its_kind(zones: Zones) -> None:
    spec = rules("refusal")
    files = definition_files("s", spec, catalog_of(spec), zones.home)
    document = {**json.loads(files["definition.json"]), "code_version": 99}
    files["definition.json"] = json.dumps(document).encode()
    now = NOW.replace(tzinfo=dt.UTC)
    other = release.publish(zones.published, "scorers", "s", files, metadata={}, lineage={}, now=now)
    with pytest.raises(DefinitionError, match="code_version 99"):
        read_definition(other)
    trained = GroundednessSpec(
        description="Made for this test only.", owner="x1", metric="m", scheme="s", field="f", positive="p"
    )
    catalog = dataclasses.replace(catalog_of(spec), scorers={"s": trained})
    with pytest.raises(DefinitionError, match="another kind another name"):
        prepare_scorer(zones, catalog, "s", NOW, version=other.version, endpoint=lambda: Endpoint("http://127.0.0.1:1"))

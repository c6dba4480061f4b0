"""Seeded bad builds: each is stopped by the gate that is there for it, and what is released stays as it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import pytest

from canonry import release
from canonry.catalog import IndexSpec
from canonry.catalog.specs import Gate
from canonry.encode import EncoderFiles
from canonry.index import build
from canonry.index.assemble import Assembled
from canonry.index.build import Build, build_index
from canonry.index.errors import IndexBuildError
from canonry.index.gate import GateReport
from canonry.index.judge import release_candidates
from canonry.index.soundness import latency
from canonry.search import TextIndex
from canonry.storage import Zones
from tests.index.conftest import write_lines

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
VERBS = ["billing", "login", "export", "search", "backup", "import", "audit", "quota", "mail", "report"]
ROWS = [
    {"id": f"d{n:02d}", "text": f"How {verb} works in part {part} of {n}.", "at": f"2026-01-0{part + 1}"}
    for n, (part, verb) in enumerate((part, verb) for part in range(3) for verb in VERBS)
]
GOLDEN = [{"query": row["text"], "documents": [row["id"]]} for row in ROWS]
ALL_ALLOWED = {"hit_rate_drop": 1, "ndcg_drop": 1, "recall_at_100_drop": 1, "mrr_drop": 1}
"""So that what golden queries say does not stop what another gate is there for."""


@pytest.fixture
def make(make_spec: Any, tmp_path: Any) -> Callable[..., IndexSpec]:
    def spec(rows: list[dict[str, Any]] | None = None, gate: dict[str, Any] | None = None, **fields: Any) -> IndexSpec:
        documents = fields.pop("documents", {"updated_at": "at"})
        limits = ALL_ALLOWED if gate is None else gate
        return make_spec(rows, documents=documents, gate=limits, golden_queries=GOLDEN, **fields)

    return spec


@pytest.fixture
def released(zones: Zones, tiny_encoder: EncoderFiles, make: Callable[..., IndexSpec]) -> str:
    """Version of a good build, in production."""
    built = build_index(zones, "help", make(ROWS), tiny_encoder, NOW)
    assert built.gate and built.gate.passed, built.gate
    found = release_candidates(zones, "help")["help"]
    made = release.publish(
        zones.published, "indexes", "help", found.files, metadata=found.metadata, lineage=found.lineage, now=NOW
    )
    release.promote(zones.published, "indexes", "help", made.version, reason="good", now=NOW)
    return made.version


def stopped(zones: Zones, built: Build, released: str) -> GateReport:
    """The report of a build that must not be released, after all else about it was looked at."""
    assert built.gate and not built.gate.passed and built.version != released
    with pytest.raises(IndexBuildError, match=f"candidate {built.version} did not pass its gate"):
        release_candidates(zones, "help")
    assert release.resolve(zones.published, "indexes", "help").version == released
    assert release.verify(zones.published, "indexes", "help", released) == []
    assert zones.lake.head(f"candidates/indexes/help/{built.version}/gate.json")
    return built.gate


def failed(report: GateReport) -> list[str]:
    """Names of the checks that were not passed."""
    return [each.name for each in report.checks if not each.passed]


def test_shuffled_vectors_fail_on_recall(
    zones: Zones, tiny_encoder: EncoderFiles, make: Any, released: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = build.assemble

    def shuffled(lake: Any, name: str, encoder: str, vectors: np.ndarray, *rest: Any) -> Assembled:
        return right(lake, name, encoder, np.random.default_rng(0).permutation(vectors), *rest)

    monkeypatch.setattr(build, "assemble", shuffled)
    report = stopped(zones, build_index(zones, "help", make(ROWS), tiny_encoder, NOW), released)
    assert failed(report) == [] and report.recall_at_10
    assert report.recall_at_10.value < 0.6
    assert report.reasons[0].startswith("recall@10 is 0.") and "too low" in report.reasons[0]
    assert report.worse


def test_vectors_of_another_encoder_fail_on_agreement(
    zones: Zones, tiny_encoder: EncoderFiles, make: Any, released: str, tmp_path: Any
) -> None:
    foreign = np.random.default_rng(0).normal(size=(len(ROWS), tiny_encoder.dimension))
    rows = [{**row, "vector": vector.tolist()} for row, vector in zip(ROWS, foreign, strict=True)]
    lines = write_lines(tmp_path / "export.ndjson", rows)
    source = {"kind": "vectors", "location": str(lines), "encoder": "all-MiniLM-L6-v2", "updated_at": "at"}
    report = stopped(zones, build_index(zones, "help", make(documents=source), tiny_encoder, NOW), released)
    assert failed(report) == ["encoder_agreement"]
    assert "they were made by another encoder, or of other texts" in " ".join(report.reasons)


def test_half_the_corpus_fails_on_size(zones: Zones, tiny_encoder: EncoderFiles, make: Any, released: str) -> None:
    report = stopped(zones, build_index(zones, "help", make(ROWS[::2]), tiny_encoder, NOW), released)
    assert failed(report) == ["size_chunks", "size_documents"]
    assert "15 documents, 30 are released: 50.0% fewer, allowed 20.0%" in " ".join(report.reasons)


def test_an_untrained_index_cannot_be_searched(
    zones: Zones, tiny_encoder: EncoderFiles, make: Any, released: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untrained(lake: Any, name: str, encoder: str, vectors: np.ndarray, *rest: Any) -> Assembled:
        return Assembled(
            faiss.index_factory(vectors.shape[1], "IVF4,Flat", faiss.METRIC_INNER_PRODUCT), "IVF4", None, None
        )

    monkeypatch.setattr(build, "assemble", untrained)
    built = build_index(zones, "help", make(ROWS, lexical=None), tiny_encoder, NOW)
    report = stopped(zones, built, released)
    assert report.recall_at_10 is None
    assert report.reasons[0].startswith("the candidate cannot be searched: ")
    assert "has 30 rows, but" in report.reasons[0] and "has 0 vectors" in report.reasons[0]


def test_an_index_trained_on_one_point_fails_on_recall(
    zones: Zones, tiny_encoder: EncoderFiles, make: Any, released: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained_badly(lake: Any, name: str, encoder: str, vectors: np.ndarray, *rest: Any) -> Assembled:
        index = faiss.index_factory(vectors.shape[1], "PQ2x4", faiss.METRIC_INNER_PRODUCT)
        index.train(np.repeat(vectors[:1], 64, axis=0))
        index.add(vectors)
        return Assembled(index, "PQ2x4", None, None)

    monkeypatch.setattr(build, "assemble", trained_badly)
    report = stopped(zones, build_index(zones, "help", make(ROWS), tiny_encoder, NOW), released)
    assert "too low" in report.reasons[0]


def test_stale_documents_fail_on_their_times(
    zones: Zones, tiny_encoder: EncoderFiles, make: Any, released: str
) -> None:
    older = [{**row, "text": row["text"] + " Before.", "at": "2025-06-01"} for row in ROWS[:5]] + ROWS[5:]
    report = stopped(zones, build_index(zones, "help", make(older), tiny_encoder, NOW), released)
    assert failed(report) == ["older_documents"]
    assert "5 documents are older than they are released" in " ".join(report.reasons)


def test_a_source_that_nobody_writes_any_more_fails_on_its_age(
    zones: Zones, tiny_encoder: EncoderFiles, make: Any, released: str
) -> None:
    changed = [{**ROWS[0], "text": "New words."}, *ROWS[1:]]
    spec = make(changed, gate={**ALL_ALLOWED, "max_age_days": 30})
    later = build_index(zones, "help", spec, tiny_encoder, NOW + dt.timedelta(days=60))
    report = stopped(zones, later, released)
    assert failed(report) == ["staleness"]
    assert "no document changed for 62.0 days, allowed 30" in " ".join(report.reasons)
    in_time = build_index(zones, "help", spec, tiny_encoder, NOW)
    assert in_time.gate and in_time.gate.passed


def test_empty_and_repeated_chunks_fail(zones: Zones, tiny_encoder: EncoderFiles, make: Any, released: str) -> None:
    empty = [{**row, "text": "-- * --"} if n < 2 else row for n, row in enumerate(ROWS)]
    assert failed(stopped(zones, build_index(zones, "help", make(empty), tiny_encoder, NOW), released)) == [
        "empty_chunks"
    ]
    repeated = [{**row, "text": ROWS[n % 10]["text"]} for n, row in enumerate(ROWS)]
    report = stopped(zones, build_index(zones, "help", make(repeated), tiny_encoder, NOW), released)
    assert failed(report) == ["repeated_chunks"]


def test_slow_searches_fail_where_there_is_a_budget() -> None:
    made = np.eye(8, dtype=np.float32)
    from tests.index.test_gate import contender

    index: TextIndex = contender(made, made, "v").index
    ticks = iter(np.arange(0, 100, 0.0025))
    (check,) = latency(index, made, Gate(latency_ms=2), lambda: float(next(ticks)))
    assert (check.passed, check.found) == (False, 2.5)
    assert check.message == "95 of 100 searches take 2.5 ms at most, allowed 2: choose a quicker faiss_factory"
    assert latency(index, made, Gate()) == []
    (real,) = latency(index, made, Gate(latency_ms=60_000))
    assert real.passed

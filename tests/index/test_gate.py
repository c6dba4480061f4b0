"""The gate's judgement on made vectors, where the right answer is known."""

from __future__ import annotations

import faiss
import numpy as np
import pyarrow as pa
import pytest

from canonry.catalog.specs import Gate
from canonry.index import candidate, gate
from canonry.index import vectors as engine
from canonry.index.errors import IndexBuildError
from canonry.index.golden import Golden
from canonry.index.recall import asked, measure_recall, rows_to_judge_by


def unit(count: int, dimension: int = 16, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def chunks(count: int) -> pa.Table:
    names = [f"d{number:04d}" for number in range(count)]
    return pa.table(
        {
            "chunk_id": [f"{name}#0" for name in names],
            "document_id": names,
            "title": pa.nulls(count, pa.string()),
            "ordinal": pa.array([0] * count, pa.int32()),
            "text": names,
        }
    )


def contender(vectors: np.ndarray, queries: np.ndarray, version: str, factory: str = "Flat") -> gate.Contender:
    opened = candidate.opened(candidate.payload(chunks(len(vectors)), engine.build(vectors, factory)))
    return gate.Contender(version, opened, queries)


VECTORS = unit(600)
QUERIES = VECTORS[:100] + 0.02 * unit(100, seed=1)
GOLDEN = [Golden(f"question {number}", frozenset({f"d{number:04d}"})) for number in range(100)]
NO_QUERIES = np.empty((0, 16), np.float32)


def test_the_same_rows_give_the_same_bytes() -> None:
    for factory in ("Flat", "IVF8,Flat", "HNSW8"):
        first = candidate.payload(chunks(300), engine.build(VECTORS[:300], factory))
        assert first == candidate.payload(chunks(300), engine.build(VECTORS[:300], factory))
        swapped = engine.build(VECTORS[:300][::-1], factory)
        assert candidate.payload(chunks(300), swapped) != first


@pytest.mark.parametrize("factory", ["Flatt", "IVF4096,Flat", "PQ7"])
def test_a_factory_that_does_not_fit_is_an_error(factory: str) -> None:
    with pytest.raises(IndexBuildError, match=rf"faiss_factory: '{factory}' cannot hold 100 vectors of 16"):
        engine.build(VECTORS[:100], factory)


def test_an_equal_candidate_passes() -> None:
    released = contender(VECTORS, QUERIES, "old")
    report = gate.check(contender(VECTORS, QUERIES, "new"), VECTORS, GOLDEN, released, Gate())
    assert report.passed
    assert report.released_version == "old"
    assert report.recall_at_10.value == 1
    assert report.hit_rate_at_10 and report.hit_rate_at_10.candidate == report.hit_rate_at_10.released == 1
    assert report.verdict and report.verdict.word == "not worse"
    assert "golden hit rate@10 +0.000" in report.reasons[2] and "0.05 is ruled out" in report.reasons[2]


def test_a_candidate_that_lost_documents_fails_and_says_so() -> None:
    released = contender(VECTORS, QUERIES, "old")
    kept = VECTORS.copy()
    kept[:20] = unit(20, seed=9)
    report = gate.check(contender(kept, QUERIES, "new"), kept, GOLDEN, released, Gate())
    assert not report.passed
    difference = report.hit_rate_at_10 and report.hit_rate_at_10.difference
    assert difference and difference.lost and difference.lost > 10 and (difference.high or 0) < -0.05
    assert report.verdict and report.verdict.word == "worse"
    assert "worse: it dropped by more than 0.05" in report.reasons[2]
    ndcg = report.measures["ndcg_at_10"]
    assert ndcg.difference and (ndcg.difference.high or 0) < -0.05 and ndcg.released == 1
    assert "nDCG@10 0.8" in report.reasons[1] and "worse: it dropped by more than 0.05" in report.reasons[3]
    assert 10 < len(report.worse) <= 20
    assert (report.worse[0].ndcg_before, report.worse[0].first_right_before) == (1, 1)
    assert {each.query for each in report.worse} <= {f"question {number}" for number in range(20)}
    assert any("golden queries got worse and 0 better" in flag and "'question " in flag for flag in report.flags)
    assert report.to_metadata()["worse"][0]["query"] == report.worse[0].query


def test_right_documents_that_sank_within_the_ten_are_seen() -> None:
    """The hit rate says nothing of it: the right document is still among ten."""
    released = contender(VECTORS, QUERIES, "old")
    crowded = np.concatenate([VECTORS, *[QUERIES[:30] + 0.001 * unit(30, seed=seed) for seed in range(5)]])
    report = gate.check(contender(crowded, QUERIES, "new"), crowded, GOLDEN, released, Gate())
    assert report.hit_rate_at_10 and report.hit_rate_at_10.candidate == 1
    assert [reason.split(" ")[3] for reason in report.reasons[2:]] == ["golden", "nDCG@10", "recall@100", "MRR"]
    assert ["it dropped by more" in reason for reason in report.reasons[2:]] == [False, True, False, True]
    assert not report.passed
    assert len(report.worse) == 20
    assert {each.first_right_before for each in report.worse} == {1}
    assert {each.first_right_after for each in report.worse} <= {2, 3, 4, 5, 6}
    lenient = Gate(ndcg_drop=0.5, mrr_drop=0.5)
    assert gate.check(contender(crowded, QUERIES, "new"), crowded, GOLDEN, released, lenient).passed


def test_too_few_golden_queries_cannot_rule_out_a_drop() -> None:
    released = contender(VECTORS, QUERIES[:20], "old")
    report = gate.check(contender(VECTORS, QUERIES[:20], "new"), VECTORS, GOLDEN[:20], released, Gate())
    assert not report.passed
    assert report.verdict and report.verdict.word == "undecided"
    needed = report.hit_rate_at_10 and report.hit_rate_at_10.difference and report.hit_rate_at_10.difference.needed
    assert needed and needed > 73 and f"{needed} items are needed, {needed - 20} more" in report.reasons[2]
    lenient = gate.check(
        contender(VECTORS, QUERIES[:20], "new"), VECTORS, GOLDEN[:20], released, Gate(hit_rate_drop=0.2)
    )
    assert lenient.passed


def test_the_released_version_itself_needs_no_interval() -> None:
    same = contender(VECTORS, QUERIES[:5], "same")
    report = gate.check(same, VECTORS, GOLDEN[:5], same, Gate())
    assert report.passed
    assert "is the released version" in report.reasons[1]


def test_the_first_release_has_nothing_to_compare_with() -> None:
    report = gate.check(contender(VECTORS, QUERIES, "new"), VECTORS, GOLDEN, None, Gate())
    assert report.passed
    assert report.released_version is None
    assert any("first release" in flag for flag in report.flags)


def test_without_golden_queries_it_passes_on_recall_and_is_flagged() -> None:
    report = gate.check(contender(VECTORS, NO_QUERIES, "new"), VECTORS, [], None, Gate())
    assert report.passed
    assert report.hit_rate_at_10 is None
    assert any("no golden queries" in flag for flag in report.flags)


def test_an_index_that_misses_neighbours_fails_on_recall() -> None:
    rough = contender(VECTORS, QUERIES, "new", "IVF32,Flat")
    report = gate.check(rough, VECTORS, GOLDEN, None, Gate())
    assert not report.passed
    assert 0.1 < report.recall_at_10.low < report.recall_at_10.value < 0.9
    assert "too low: choose a faiss_factory that finds more" in report.reasons[0]
    assert gate.check(rough, VECTORS, GOLDEN, None, Gate(recall_at_10=0.1)).passed


def test_a_perfect_sample_of_an_approximate_index_is_bounded_below() -> None:
    queries = asked(VECTORS, QUERIES, rows_to_judge_by(len(VECTORS)))
    recall = measure_recall(contender(VECTORS, QUERIES, "new", "HNSW64").index.vectors.faiss, VECTORS, queries)
    assert not recall.exact
    assert recall.low < recall.value


def test_recall_does_not_mind_which_of_equal_vectors_is_found() -> None:
    doubled = np.concatenate([VECTORS[:50]] * 4)
    order = np.random.default_rng(2).permutation(200)
    other_ties = faiss.IndexIDMap(faiss.IndexFlatIP(16))
    other_ties.add_with_ids(doubled[order], order)
    assert measure_recall(other_ties, doubled, asked(doubled, NO_QUERIES, np.arange(200))).value == 1


def test_golden_queries_about_absent_documents_are_counted() -> None:
    golden = [*GOLDEN[:99], Golden("question", frozenset({"not there"}))]
    report = gate.check(contender(VECTORS, QUERIES, "new"), VECTORS, golden, None, Gate())
    assert report.hit_rate_at_10 and report.hit_rate_at_10.unanswerable == 1
    assert report.hit_rate_at_10.candidate == pytest.approx(0.99)
    assert any("1 golden queries name no document" in flag for flag in report.flags)


@pytest.mark.parametrize("count", [1, 2, 5, 11])
def test_tiny_indexes_are_judged_too(count: int) -> None:
    report = gate.check(contender(VECTORS[:count], QUERIES[:1], "new"), VECTORS[:count], GOLDEN[:1], None, Gate())
    assert report.passed
    assert report.recall_at_10.value == 1
    assert gate.check(contender(VECTORS[:count], NO_QUERIES, "new"), VECTORS[:count], [], None, Gate()).passed

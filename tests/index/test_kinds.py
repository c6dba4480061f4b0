"""Which kind of index is taken, and how hard it searches: by count and by recall, never by a clock."""

from __future__ import annotations

import numpy as np
import pytest

from canonry.index import kinds, vectors
from canonry.index.kinds import Effort, efforts, factory_for, tune
from canonry.index.recall import asked, measure_recall, rows_to_judge_by, rows_to_tune_by, tunes
from tests.index.test_vectors import clustered

ROWS = clustered(4_000, 48, seed=3)
NOBODY = np.empty((0, 48), np.float32)
REFINED = "IVF32,RaBitQfs,Refine(Flat)"
GRAPH = "PCA24,HNSW16,SQ8,Refine(Flat)"


def test_few_vectors_are_searched_exactly_and_many_by_a_graph() -> None:
    assert [factory_for("auto", count, 384) for count in (1, 50_000, 50_001, 1_000_000)] == [
        "Flat",
        "Flat",
        "PCA192,HNSW32,SQ8,Refine(Flat)",
        "PCA192,HNSW32,SQ8,Refine(Flat)",
    ]
    assert factory_for("HNSW32", 10, 384) == "HNSW32"


@pytest.mark.parametrize("factory", [REFINED, GRAPH, "IVF32,Flat", "HNSW4"])
def test_an_index_is_left_with_the_least_effort_that_shows_the_recall(factory: str) -> None:
    index = vectors.build(ROWS, factory)
    tuning = asked(ROWS, NOBODY, rows_to_tune_by(len(ROWS)))
    found = tune(index, ROWS, tuning, 0.95)
    assert found and found.recall.low >= 0.95
    judged = measure_recall(index, ROWS, asked(ROWS, NOBODY, rows_to_judge_by(len(ROWS))))
    assert judged.low >= 0.95
    cheaper = efforts(index)[: efforts(index).index(found.effort)]
    assert cheaper
    for effort in cheaper:
        kinds.set_effort(index, effort)
        assert measure_recall(index, ROWS, tuning, kinds.SURE).low < 0.95


def test_the_effort_is_in_the_file() -> None:
    for factory in (REFINED, GRAPH, "HNSW4"):
        index = vectors.build(ROWS, factory)
        tune(index, ROWS, asked(ROWS, NOBODY, rows_to_tune_by(len(ROWS))), 0.95)
        again = vectors.index_of(vectors.index_bytes(index))
        queries = clustered(50, 48, seed=4)
        assert np.array_equal(again.search(queries, 10)[1], index.search(queries, 10)[1])
        kinds.set_effort(again, efforts(again)[0])
        assert not np.array_equal(again.search(queries, 10)[1], index.search(queries, 10)[1])


def test_a_recall_that_no_effort_shows_leaves_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "_PROBES", (1, 2))
    index = vectors.build(ROWS, "IVF32,Flat")
    found = tune(index, ROWS, asked(ROWS, NOBODY, rows_to_tune_by(len(ROWS))), 0.999)
    assert found and found.effort == Effort(nprobe=2)
    assert found.recall.low < 0.999


def test_a_graph_is_asked_for_no_more_rows_than_it_keeps_in_sight() -> None:
    found = efforts(vectors.train(ROWS, GRAPH))
    assert Effort(k_factor=3, ef_search=32) in found
    assert all(10 * each.k_factor <= each.ef_search for each in found if each.k_factor and each.ef_search)
    assert {each.ef_search for each in found} == {each.ef_search for each in efforts(vectors.train(ROWS, "HNSW4"))} - {
        16
    }


def test_exact_search_is_not_tuned() -> None:
    index = vectors.build(ROWS[:100], "Flat")
    assert tune(index, ROWS[:100], asked(ROWS[:100], NOBODY, rows_to_tune_by(100)), 0.99) is None


def test_what_tunes_does_not_judge() -> None:
    for count in (3, 700, 5_000):
        judging, tuning = set(rows_to_judge_by(count)), set(rows_to_tune_by(count))
        assert judging.isdisjoint(tuning)
        assert 0 <= len(judging) - len(tuning) <= 1
        assert len(judging) == min(500, (count + 1) // 2)
    assert 200 < sum(tunes(f"question {number}") for number in range(1_000)) < 300

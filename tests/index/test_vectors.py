"""The vectors' side of an index: the same bytes however it is cut into pieces, and however many threads fill it."""

from __future__ import annotations

from itertools import pairwise

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canonry.index import vectors as engine
from canonry.index.errors import IndexBuildError

KINDS = ["Flat", "IVF16,Flat", "IVF16,SQ8", "IVF16,RaBitQfs,Refine(Flat)", "IVF16,PQ8x4fs,Refine(SQfp16)"]
REFINED = "IVF16,RaBitQfs,Refine(Flat)"
GRAPH = "PCA16,HNSW8,SQ8,Refine(Flat)"


def clustered(count: int, dimension: int = 32, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((20, dimension))
    rows = centres[generator.integers(20, size=count)] + 0.6 * generator.standard_normal((count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


VECTORS = clustered(3_000)


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SLICE", 512)


def built(vectors: np.ndarray, factory: str, threads: int = 1) -> bytes:
    return engine.index_bytes(engine.fill(engine.train(vectors, factory), vectors, factory, threads))


def in_one_piece(vectors: np.ndarray, factory: str) -> bytes:
    """FAISS's own way, nothing of ours."""
    index = faiss.index_factory(vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    return faiss.serialize_index(index).tobytes()


@pytest.mark.parametrize("factory", KINDS)
def test_slices_give_the_bytes_of_one_piece_on_any_number_of_threads(factory: str) -> None:
    assert built(VECTORS, factory) == built(VECTORS, factory, threads=3) == in_one_piece(VECTORS, factory)


@pytest.mark.parametrize("factory", KINDS)
def test_other_rows_or_another_order_give_other_bytes(factory: str) -> None:
    """The control: bytes that could not differ would show nothing."""
    swapped = VECTORS.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    assert built(swapped, factory) != built(VECTORS, factory)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3_000), max_size=5), st.sampled_from(KINDS))
def test_shards_filled_apart_and_merged_in_order_give_the_same_bytes(cuts: list[int], factory: str) -> None:
    trained = engine.index_bytes(engine.train(VECTORS, factory))
    bounds = [0, *sorted(cuts), len(VECTORS)]
    shards = [
        engine.index_bytes(engine.fill(engine.index_of(trained), VECTORS[start:end], factory))
        for start, end in pairwise(bounds)
    ]
    merged = engine.merge(engine.index_of(trained), map(engine.index_of, shards))
    assert engine.index_bytes(merged) == in_one_piece(VECTORS, factory)


def test_shards_in_another_order_are_another_index() -> None:
    trained = engine.index_bytes(engine.train(VECTORS, REFINED))
    shards = [engine.fill(engine.index_of(trained), part, REFINED) for part in (VECTORS[1_000:], VECTORS[:1_000])]
    assert engine.index_bytes(engine.merge(engine.index_of(trained), shards)) != in_one_piece(VECTORS, REFINED)


@pytest.mark.parametrize("first", [127, 128, 129, 256])
def test_lists_as_long_as_a_block_has_bytes_are_appended_to_soundly(first: int) -> None:
    """FAISS 1.15's own merging writes beyond the end of such lists."""
    factory = "IVF1,PQ8x4fs"
    trained = engine.index_bytes(engine.train(VECTORS, factory))
    shards = [
        engine.fill(engine.index_of(trained), part, factory) for part in (VECTORS[:first], VECTORS[first : first + 700])
    ]
    merged = engine.merge(engine.index_of(trained), shards)
    whole = engine.index_of(trained)
    whole.add(VECTORS[: first + 700])
    assert engine.index_bytes(merged) == engine.index_bytes(whole)


def test_what_merging_leaves_in_unused_slots_is_blanked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: without it the same rows would give other bytes."""
    monkeypatch.setattr(engine, "_blank_unused", lambda index: None)
    assert built(VECTORS, REFINED) != in_one_piece(VECTORS, REFINED)


def test_training_on_many_rows_looks_at_some_from_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_POINTS_PER_LIST", 64)
    monkeypatch.setattr(engine, "_POINTS", 0)
    trained = engine.train(VECTORS, "IVF16,Flat")
    again = faiss.index_factory(32, "IVF16,Flat", faiss.METRIC_INNER_PRODUCT)
    again.train(VECTORS[np.linspace(0, 2_999, 1_024).round().astype(int)])
    assert engine.index_bytes(trained) == faiss.serialize_index(again).tobytes()


@pytest.mark.parametrize("factory", ["HNSW8", GRAPH])
def test_a_graph_cannot_be_merged_and_has_the_same_bytes_on_any_number_of_threads(factory: str) -> None:
    assert not engine.merges(engine.train(VECTORS, factory))
    assert all(engine.merges(engine.train(VECTORS, factory)) for factory in KINDS)
    swapped = VECTORS.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    before = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(2)
        whole = built(VECTORS, factory, threads=2)
    finally:
        faiss.omp_set_num_threads(before)
    assert built(VECTORS, factory) == whole != built(swapped, factory)


def test_main_axes_leave_inner_products_what_they_are() -> None:
    """Rows all to one side, where FAISS's own main axes, from which it takes the mean away, put others first."""
    rows = VECTORS + 2 * VECTORS[:1]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    exact = rows[:50] @ rows.T
    ours = engine.build(rows, "PCA32,Flat")
    assert np.allclose(ours.search(rows[:50], 10)[0], np.sort(exact)[:, :-11:-1], atol=1e-4)
    theirs = faiss.index_factory(32, "PCA32,Flat", faiss.METRIC_INNER_PRODUCT)
    theirs.train(rows)
    theirs.add(rows)
    assert not np.allclose(theirs.search(rows[:50], 10)[0], ours.search(rows[:50], 10)[0], atol=1e-2)


def test_a_kind_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(IndexBuildError, match="faiss_factory: 'IVF4096,Flat' cannot hold 3000 vectors of 32"):
        engine.train(VECTORS, "IVF4096,Flat")

"""Searching by meaning and by words together: what is found, how many, by whom, and from which release."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pytest

from canonry import client, release
from canonry.lake import parquet_bytes
from canonry.release import ReleaseError
from canonry.search import CHUNKS, FUSION, LEXICAL, VECTORS, Fusion, LexicalIndex, SearchError, TextIndex, VectorIndex
from canonry.storage import Zones
from tests.released import lexical_files

ROWS = 600
DIMENSION = 16
WORDS = ["alpha", "bravo", "carol", "delta", "echo", "fox", "golf", "hotel"]


PICKS = np.random.default_rng(3)
TEXTS = [" ".join(PICKS.choice(WORDS, size=3, replace=False)) + f" row{row}" for row in range(ROWS)]


def unit(rows: int, seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).standard_normal((rows, DIMENSION), dtype=np.float32)
    faiss.normalize_L2(made)
    return made


@pytest.fixture
def make(tmp_path: Path, made_chunks: Any) -> Any:
    """A TextIndex of ROWS random vectors by FAISS factory string, every fourth chunk for `staff` alone."""

    def made(factory: str = "Flat", fusion: Fusion | None = None) -> TextIndex:
        chunks = made_chunks(ROWS).set_column(4, "text", pa.array(TEXTS))
        chunks = chunks.append_column("half", pa.array([row % 2 for row in range(ROWS)]))
        tags = pa.array([["staff"] if row % 4 == 0 else [] for row in range(ROWS)], pa.list_(pa.string()))
        chunks = chunks.append_column("access", tags)
        for name, data in {CHUNKS: parquet_bytes(chunks), **lexical_files(chunks)}.items():
            (tmp_path / name).write_bytes(data)
        index = faiss.index_factory(DIMENSION, factory, faiss.METRIC_INNER_PRODUCT)
        index.train(unit(ROWS, 0))
        index.add(unit(ROWS, 0))
        faiss.write_index(index, str(tmp_path / VECTORS))
        vectors = VectorIndex(tmp_path / VECTORS, tmp_path / CHUNKS, "v")
        return TextIndex(vectors, LexicalIndex(tmp_path / LEXICAL, ROWS), fusion)

    return made


def encode(some: list[str]) -> np.ndarray:
    return unit(len(some), seed=9)


def ids(hits: list[Any]) -> list[str]:
    return [hit.chunk_id for hit in hits]


def by_hand(index: TextIndex, text: str, weight: float, k: int, fits: np.ndarray | None = None) -> list[str]:
    """The definition, on all chunks at once."""
    fits = np.ones(ROWS, bool) if fits is None else fits
    similarity, bm25 = unit(ROWS, 0) @ encode([text])[0], index.lexical.scores(text)  # type: ignore[union-attr]
    allowed = np.flatnonzero(fits)
    depth = max(k, index.fusion.depth)
    near = allowed[np.argsort(-similarity[allowed], kind="stable")][:depth]
    worded = allowed[np.argsort(-bm25[allowed], kind="stable")][:depth]
    rows = np.union1d(near, worded[bm25[worded] > 0])
    meaning = (similarity[rows] - similarity[rows].min()) / np.ptp(similarity[rows])
    words = bm25[rows] / bm25[rows].max()
    both = (1 - weight) * meaning + weight * words
    return [f"c{row}" for row in rows[np.argsort(-both, kind="stable")][:k]]


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_both_sides_are_weighed_as_the_release_says(make: Any, weight: float) -> None:
    index = make(fusion=Fusion(lexical_weight=weight, depth=50))
    [hits] = index.search(["alpha bravo golf"], encode, 20)
    assert ids(hits) == by_hand(index, "alpha bravo golf", weight, 20)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True) and 0 <= scores[-1] <= scores[0] <= 1
    [deeper] = index.search(["alpha bravo golf"], encode, 120)
    assert ids(deeper) == by_hand(index, "alpha bravo golf", weight, 120)


def test_each_mode_ranks_by_its_own_side(make: Any) -> None:
    index = make()
    [dense] = index.search(["alpha"], encode, 5, mode="dense")
    assert dense == index.vectors.search(encode(["alpha"])[0], 5)
    [words] = index.search(["row77 alpha"], encode, 5, mode="lexical")
    assert words[0].chunk_id == "c77"
    assert all("alpha" in hit.text for hit in words[1:])
    assert index.search(["alpha", "row5"], encode, 3)[1][0].chunk_id == "c5"


def test_words_alone_need_no_encoder_and_find_only_what_has_them(make: Any) -> None:
    index = make()

    def never(some: list[str]) -> np.ndarray:
        raise AssertionError("the encoder was asked")

    [hits] = index.search(["row3 row4 unheard"], never, 10, mode="lexical")
    assert sorted(ids(hits)) == ["c3", "c4"]
    assert index.search(["unheard"], never, 10, mode="lexical") == [[]]


@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "IVF8,Flat", "IVF8,PQ4x4fs,Refine(Flat)", "SQ8"])
@pytest.mark.parametrize("where", [{}, {"half": 1}, {"chunk_id": ["c1", "c2", "c3"]}])
def test_as_many_are_found_as_fit_and_none_that_may_not_be_read(make: Any, factory: str, where: Any) -> None:
    index = make(factory)
    fits = [
        row
        for row in range(ROWS)
        if row % 4 and (where != {"half": 1} or row % 2) and ("chunk_id" not in where or row in (1, 2, 3))
    ]
    for k in (1, 10, ROWS):
        [hits] = index.search(["alpha row4 row1"], encode, k, where, frozenset())
        assert len(hits) == min(k, len(fits))
        assert {int(each.chunk_id[1:]) for each in hits} <= set(fits)
        [worded] = index.search(["alpha row4 row1"], encode, k, where, frozenset(), "lexical")
        having = [row for row in fits if "alpha" in TEXTS[row] or row == 1]
        assert len(worded) == min(k, len(having))
        assert {int(each.chunk_id[1:]) for each in worded} <= set(having)
    if factory == "Flat":
        mask = np.isin(np.arange(ROWS), fits)
        [hits] = index.search(["alpha row4 row1"], encode, 10, where, frozenset())
        assert ids(hits) == by_hand(index, "alpha row4 row1", 0.5, 10, mask)


def test_a_text_without_known_words_is_ranked_by_meaning(make: Any) -> None:
    index = make()
    [hits] = index.search(["unheard of"], encode, 10)
    assert ids(hits) == ids(index.search(["unheard of"], encode, 10, mode="dense")[0])


def test_a_release_with_both_sides_is_searched_by_both(
    home: Zones, released_index: Any, made_vectors: Any, made_chunks: Any
) -> None:
    released_index(home.published, made_vectors(), made_chunks(), words=True)
    index = client.open_index("docs", home=home.home)
    assert index.search("chunk 41", 3, mode="lexical")[0].chunk_id == "c41"
    both = index.search("red 41", 5)
    assert "c41" in ids(both)
    assert both == index.search_text("red 41", 5) == index.search("red 41", 5, mode="hybrid")
    assert both != index.search("red 41", 5, mode="dense")
    assert asyncio.run(index.asearch("red 41", 5, mode="lexical")) == index.search_text("red 41", 5, mode="lexical")
    assert [len(each) for each in index.search(["red", "blue"], 4)] == [4, 4]
    vector = made_vectors()[7]
    assert index.search(vector, 1)[0].chunk_id == index.search(vector, 1, mode="dense")[0].chunk_id == "c7"
    with pytest.raises(SearchError, match="a vector has no words"):
        index.search(vector, 1, mode="hybrid")
    with pytest.raises(SearchError, match="mode is 'fuzzy', expected one of hybrid, dense, lexical"):
        index.search("red", 1, mode="fuzzy")  # type: ignore[call-overload]


def test_a_release_of_vectors_alone_says_so(home: Zones) -> None:
    index = client.open_index("docs", home=home.home)
    assert index.search("red", 3) == index.search("red", 3, mode="dense")
    with pytest.raises(SearchError, match="this index has no lexical side"):
        index.search("red", 3, mode="lexical")


@pytest.mark.parametrize(
    ("fusion", "message"),
    [(None, "but no fusion.json"), (b'{"lexical_weight": 2}', "lexical_weight is 2"), (b'{"method": "x"}', "min_max")],
)
def test_a_release_whose_fusion_is_not_known_is_refused(
    home: Zones, released_index: Any, made_vectors: Any, made_chunks: Any, fusion: bytes | None, message: str
) -> None:
    found = released_index(home.published, made_vectors(), made_chunks(), words=True)
    files = {path: found.read(path) for path in found.manifest.files if path != FUSION}
    if fusion is not None:
        files[FUSION] = fusion
    manifest = found.manifest
    other = release.publish(
        home.published, "indexes", "odd", files, metadata=manifest.metadata, lineage={}, now=manifest.created_at
    )
    with pytest.raises(ReleaseError, match=message):
        client.open_index("odd", version=other.version, home=home.home)

"""Conditions: exactly as many are found as there are, the nearest of those that fit, on every kind of index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pytest

from canonry.lake import parquet_bytes
from canonry.search import SearchError, VectorIndex

ROWS = 2_000
DIMENSION = 16


def unit_vectors(rows: int, seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).standard_normal((rows, DIMENSION), dtype=np.float32)
    faiss.normalize_L2(made)
    return made


def columns(rows: int) -> dict[str, Any]:
    tags = [[], ["staff"], ["staff", "legal"], None]
    return {
        "product": ["site" if row % 100 else "app" for row in range(rows)],
        "year": [None if row % 7 == 0 else 2020 + row % 5 for row in range(rows)],
        "public": [row % 2 == 0 for row in range(rows)],
        "topics": [[f"t{row % 3}", f"t{row % 4}"] for row in range(rows)],
        "access": pa.array([tags[row % 4] for row in range(rows)], pa.list_(pa.string())),
    }


@pytest.fixture
def make(tmp_path: Path, made_chunks: Any) -> Callable[..., VectorIndex]:
    """An index of ROWS random vectors by FAISS factory string."""

    def made(factory: str = "Flat") -> VectorIndex:
        chunks = made_chunks(ROWS)
        for name, values in columns(ROWS).items():
            chunks = chunks.append_column(name, values if isinstance(values, pa.Array) else pa.array(values))
        (tmp_path / "chunks.parquet").write_bytes(parquet_bytes(chunks))
        index = faiss.index_factory(DIMENSION, factory, faiss.METRIC_INNER_PRODUCT)
        index.train(unit_vectors(ROWS, 0))
        index.add(unit_vectors(ROWS, 0))
        faiss.write_index(index, str(tmp_path / "vectors.faiss"))
        return VectorIndex(tmp_path / "vectors.faiss", tmp_path / "chunks.parquet", version="v")

    return made


def rows_of(hits: list[Any]) -> list[int]:
    return [int(hit.chunk_id.removeprefix("c")) for hit in hits]


def exact(query: np.ndarray, fits: np.ndarray, k: int) -> list[int]:
    rows = np.flatnonzero(fits)
    return rows[np.argsort(-(unit_vectors(ROWS, 0)[rows] @ query), kind="stable")[:k]].tolist()


@pytest.mark.parametrize(
    ("where", "fits"),
    [
        ({"product": "app"}, lambda row: row % 100 == 0),
        ({"product": ["app", "none"], "public": True}, lambda row: row % 100 == 0),
        ({"year": [2021, None]}, lambda row: row % 7 == 0 or row % 5 == 1),
        ({"year": 2024.0, "public": False}, lambda row: row % 7 != 0 and row % 5 == 4 and row % 2),
        ({"topics": "t3"}, lambda row: row % 4 == 3),
        ({"topics": ["t3", "t2"]}, lambda row: row % 4 in (2, 3) or row % 3 == 2),
        ({"document_id": "d7"}, lambda row: row // 5 == 7),
        ({"product": []}, lambda row: False),
    ],
)
def test_the_nearest_of_those_that_fit_are_found(make: Any, where: Any, fits: Callable[[int], bool]) -> None:
    index = make()
    mask = np.array([bool(fits(row)) for row in range(ROWS)])
    for query in unit_vectors(3, seed=1):
        assert rows_of(index.search(query, 25, where=where)) == exact(query, mask, 25)


@pytest.mark.parametrize(
    "factory",
    [
        "Flat",
        "SQ8",
        "IVF32,Flat",
        "HNSW8",
        "PQ8np",
        "NSG8",
        "IVF32,RaBitQfs,Refine(Flat)",
        "PCA8,HNSW32,SQ8,Refine(Flat)",
        "PQ8x4fs",
        "PCA8,IVF32,Flat",
    ],
)
def test_every_index_finds_as_many_as_there_are(make: Any, factory: str) -> None:
    index = make(factory)
    queries = unit_vectors(4, seed=2)
    for hits in index.search(queries, 15, where={"product": "app"}):
        assert len(hits) == 15
        assert {row % 100 for row in rows_of(hits)} == {0}
    [all_of_them] = index.search(queries[:1], 50, where={"product": "app"})
    assert sorted(rows_of(all_of_them)) == list(range(0, ROWS, 100))


@pytest.mark.parametrize(("factory", "expected"), [("IVF32,RaBitQfs,Refine(Flat)", [1, 3, 4]), ("Flat", [1, 3, 4])])
def test_no_more_threads_search_than_there_are_queries(make: Any, factory: str, expected: list[int]) -> None:
    index = make(factory)
    whole, seen = index.faiss, []

    class Noting:
        ntotal, d = whole.ntotal, whole.d

        def search(self, queries: np.ndarray, k: int) -> Any:
            seen.append(faiss.omp_get_max_threads())
            return whole.search(queries, k)

    index.faiss = Noting()
    before = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(4)
        for queries in (1, 3, 9):
            index.nearest(unit_vectors(queries, seed=3), 5)
        assert faiss.omp_get_max_threads() == 4
    finally:
        faiss.omp_set_num_threads(before)
    assert seen == expected


def test_an_index_that_can_do_neither_says_so(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    index = make("IVF32,Flat")
    monkeypatch.setattr("canonry.search._selected._parameters", lambda *_: faiss.SearchParametersPQ())
    with pytest.raises(SearchError, match="IndexIVFFlat cannot search among some of its rows"):
        index.search(unit_vectors(1, 1)[0], 1, where={"product": "app"})


def test_a_reader_sees_no_chunk_that_needs_a_tag_they_lack(make: Any) -> None:
    index = make()
    [query] = unit_vectors(1, 3)
    assert index.access_tags == {"staff", "legal"}
    for tags, seen in {(): (0, 3), ("staff",): (0, 1, 3), ("legal", "other"): (0, 3)}.items():
        rows = rows_of(index.search(query, ROWS, readable=frozenset(tags)))
        assert sorted(rows) == [row for row in range(ROWS) if row % 4 in seen]
    for every in (frozenset({"staff", "legal", "other"}), None):
        assert len(index.search(query, ROWS, readable=every)) == ROWS
    assert {row % 4 for row in rows_of(index.search(query, 9, where={"year": 2021}, readable=frozenset()))} <= {0, 3}
    assert index.search(query, 9, where={"access": "staff"}, readable=frozenset()) == []


def test_hits_say_the_indexs_own_columns_and_not_who_may_read(make: Any) -> None:
    [hit] = make().search(unit_vectors(ROWS, 0)[100], 1)
    assert hit.metadata == {"product": "app", "year": 2020, "public": True, "topics": ["t1", "t0"]}
    assert hit.version == "v"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"colour": "red"}, r"no column 'colour' \(there are access, chunk_id, document_id, ordinal, product"),
        ({"year": "2021"}, "column year holds int64, found '2021'"),
        ({"year": True}, "column year holds int64, found True"),
        ({"public": 1}, "column public holds bool, found 1"),
        ({"product": 5}, "column product holds string, found 5"),
        ({"topics": [["t1"]]}, "is no text, number"),
        ({"product": {"not": "app"}}, "is no text, number"),
        (["product"], "expected values by column"),
        ({1: "a"}, "no column 1"),
        ({"year": 2**70}, "holds int64"),
        ({"year": 2020.5}, "holds int64"),
    ],
)
def test_a_condition_that_does_not_fit_says_why(make: Any, where: Any, message: str) -> None:
    query = unit_vectors(1, 0)[0]
    with pytest.raises(SearchError, match=message):
        make().search(query, where=where)


def test_many_conditions_are_forgotten_again(make: Any) -> None:
    index = make()
    query = unit_vectors(1, 0)[0]
    for document in range(100):
        assert len(index.search(query, 50, where={"document_id": f"d{document}"})) == 5
    assert len(index._selections) <= 64


def test_a_condition_is_kept_as_a_bit_a_row(make: Any) -> None:
    index = make("NSG8")
    index.search(unit_vectors(1, 0)[0], 50, where={"product": "app"})
    [selection] = index._selections.values()
    assert sum(each.nbytes for each in vars(selection).values() if isinstance(each, np.ndarray)) == ROWS // 8


def test_conditions_are_asked_of_what_is_open_already(make: Any, tmp_path: Path) -> None:
    index = make()
    (tmp_path / "chunks.parquet").unlink()
    assert len(index.search(unit_vectors(1, 0)[0], 50, where={"product": "app"})) == 20

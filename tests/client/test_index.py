"""An open index gives what FAISS finds, with its text; a damaged one never reaches FAISS."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from canonry import client, search
from canonry.client import Damaged, Hit, NotReleased, ReleaseError, SearchError
from canonry.encode import EncoderError
from canonry.storage import LocalStorage, Zones, open_zones


def index_path(home: Zones, file: str = search.VECTORS) -> Path:
    version = client.open_index("docs", home=home.home).version
    assert isinstance(home.published, LocalStorage)
    return home.published.root / "indexes" / "docs" / "releases" / version / file


def test_a_vector_finds_its_own_chunk_with_its_text(home: Zones, made_vectors: Any) -> None:
    index = client.open_index("docs", home=home.home)
    hits = index.search(made_vectors()[7], k=3)
    assert len(hits) == 3
    assert hits[0] == Hit("c7", "d1", "Title 7", "text of chunk 7", hits[0].score, {}, index.version)
    assert hits[0].score == pytest.approx(1, abs=1e-5)
    assert len(index) == 50


def test_a_matrix_gives_what_raw_faiss_gives_row_by_row(home: Zones, made_vectors: Any) -> None:
    index = client.open_index("docs", home=home.home)
    queries = made_vectors(20, seed=1)
    raw = faiss.IndexFlatIP(8)
    raw.add(made_vectors())
    scores, rows = raw.search(queries, 10)
    found = index.search(queries)
    assert [[hit.chunk_id for hit in each] for each in found] == [[f"c{row}" for row in each] for each in rows]
    np.testing.assert_allclose([[hit.score for hit in each] for each in found], scores, atol=1e-5)
    assert found[3] == index.search(queries[3])
    assert [len(each) for each in index.search(queries[:1], k=1)] == [1]
    assert index.search(queries[:0]) == []


def test_other_floats_and_more_neighbours_than_chunks_are_fine(home: Zones, made_vectors: Any) -> None:
    index = client.open_index("docs", home=home.home)
    query = made_vectors()[3]
    assert index.search(query.astype(np.float64))[0].chunk_id == "c3"
    assert index.search(query.tolist())[0].chunk_id == "c3"
    assert index.search(np.asfortranarray(made_vectors()[:4]))[3][0].chunk_id == "c3"
    assert len(index.search(query, k=1000)) == 50


@pytest.mark.parametrize(
    ("query", "k", "message"),
    [
        (np.zeros(7, np.float32), 1, r"shape \(7,\), expected \(8,\) or \(n, 8\)"),
        (np.zeros((2, 2, 8), np.float32), 1, "shape"),
        (np.float32(1), 1, "shape"),
        (np.zeros(8, np.int64), 1, "type int64"),
        (np.array(["a"] * 8), 1, "type"),
        ([[1.0] * 8, [1.0] * 7], 1, "not a matrix"),
        (np.full(8, np.nan, np.float32), 1, "not finite"),
        (np.full(8, 1e300), 1, "not finite"),
        (np.zeros(8, np.float32), 0, "k is 0"),
        (np.zeros(8, np.float32), 2.5, "k is 2.5"),
        (np.zeros(8, np.float32), True, "k is True"),
    ],
)
def test_a_query_that_does_not_fit_says_why(home: Zones, query: Any, k: Any, message: str) -> None:
    with pytest.raises(SearchError, match=message):
        client.open_index("docs", home=home.home).search(query, k)


def test_the_thread_count_of_the_caller_is_left_as_it_was(home: Zones, made_vectors: Any) -> None:
    index = client.open_index("docs", home=home.home)
    before = faiss.omp_get_max_threads()
    try:
        for threads in (1, 2, 4):
            faiss.omp_set_num_threads(threads)
            index.search(made_vectors()[0])
            index.search(made_vectors())
            assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)


def test_threads_may_share_an_open_index(home: Zones, made_vectors: Any) -> None:
    index = client.open_index("docs", home=home.home)
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda row: index.search(made_vectors()[row], k=1)[0], range(50))
    assert [hit.chunk_id for hit in found] == [f"c{row}" for row in range(50)]


def test_an_empty_index_finds_nothing(tmp_path: Path, released_index: Any, made_chunks: Any) -> None:
    zones = open_zones(tmp_path)
    released_index(zones.published, np.empty((0, 8), np.float32), made_chunks(0))
    index = client.open_index("docs", home=tmp_path)
    assert index.search(np.zeros(8, np.float32)) == []
    assert index.search(np.zeros((2, 8), np.float32)) == [[], []]


def test_a_version_may_be_asked_for_and_an_open_index_stays_what_it_is(
    home: Zones, released_index: Any, made_vectors: Any, made_chunks: Any
) -> None:
    first = client.open_index("docs", home=home.home)
    released_index(home.published, made_vectors(20, seed=5), made_chunks(20))
    second = client.open_index("docs", home=home.home)
    assert (len(first), len(second)) == (50, 20)
    assert len(client.open_index("docs", version=first.version, home=home.home)) == 50
    assert first.search(made_vectors()[49], k=1)[0].chunk_id == "c49"
    assert second.encoder.dimension == 8


@pytest.mark.parametrize("file", [search.VECTORS, search.CHUNKS])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.9, 1.0])
def test_a_changed_byte_is_refused_before_faiss_reads_the_file(
    home: Zones, monkeypatch: pytest.MonkeyPatch, file: str, share: float
) -> None:
    path = index_path(home, file)
    data = bytearray(path.read_bytes())
    data[round(share * (len(data) - 1))] ^= 0x01
    path.write_bytes(data)
    monkeypatch.setattr(faiss, "read_index", lambda *_: pytest.fail("FAISS was given a damaged file"))
    with pytest.raises(Damaged, match=r"is damaged: .*canonry releases verify indexes docs"):
        client.open_index("docs", home=home.home)


@pytest.mark.parametrize("size", [0, 1, 40, 500])
def test_a_truncated_file_is_refused(home: Zones, size: int) -> None:
    path = index_path(home)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(Damaged):
        client.open_index("docs", home=home.home)


def test_a_missing_file_is_refused(home: Zones) -> None:
    index_path(home).unlink()
    with pytest.raises(Damaged, match="is missing"):
        client.open_index("docs", home=home.home)


def test_a_file_that_is_no_faiss_index_is_refused_without_reserving_memory(tmp_path: Path, made_chunks: Any) -> None:
    from canonry.lake import parquet_bytes

    chunks = tmp_path / "chunks.parquet"
    chunks.write_bytes(parquet_bytes(made_chunks()))
    vectors = tmp_path / "vectors.faiss"
    index = faiss.IndexHNSWFlat(8, 4)
    index.add(np.eye(8, dtype=np.float32))
    whole = faiss.serialize_index(index).tobytes()
    before = faiss.get_deserialization_vector_byte_limit()
    for data in (b"", b"IxFI", b"nonsense" * 100, whole[:100], whole[:60] + b"\xff" * 8 + whole[68:]):
        vectors.write_bytes(data)
        with pytest.raises(SearchError, match=r"vectors\.faiss|chunks\.parquet"):
            search.VectorIndex(vectors, chunks)
    assert faiss.get_deserialization_vector_byte_limit() == before


def test_files_that_do_not_belong_together_are_refused(
    tmp_path: Path, released_index: Any, made_vectors: Any, made_chunks: Any
) -> None:
    published = open_zones(tmp_path).published
    released_index(published, made_vectors(), made_chunks(49))
    with pytest.raises(SearchError, match=r"49 rows, but .* has 50 vectors"):
        client.open_index("docs", home=tmp_path)
    released_index(published, made_vectors(), made_chunks().drop_columns(["text"]))
    with pytest.raises(SearchError, match="no column text"):
        client.open_index("docs", home=tmp_path)
    released_index(published, made_vectors(), made_chunks(), dimension=384)
    with pytest.raises(ReleaseError, match="8 values, but its encoder tiny gives 384"):
        client.open_index("docs", home=tmp_path)


def test_searching_by_text_without_the_extra_says_what_to_install(home: Zones, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canonry.encode._onnx._LOADED", {})
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EncoderError, match=r"pip install 'canonry\[encode\]'"):
        client.open_index("docs", home=home.home).search_text("anything")


@pytest.mark.parametrize(("name", "error"), [("other", NotReleased), ("../docs", ReleaseError)])
def test_an_index_that_is_not_there_is_named(home: Zones, name: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=name):
        client.open_index(name, home=home.home)


def test_other_indexes_are_searched_the_same_way(tmp_path: Path, made_vectors: Any, made_chunks: Any) -> None:
    from canonry.lake import parquet_bytes

    (tmp_path / "chunks.parquet").write_bytes(parquet_bytes(made_chunks()))
    for factory in ("HNSW8", "IVF4,Flat", "SQ8"):
        index = faiss.index_factory(8, factory, faiss.METRIC_INNER_PRODUCT)
        index.train(made_vectors())
        index.add(made_vectors())
        faiss.write_index(index, str(tmp_path / "vectors.faiss"))
        found = search.VectorIndex(tmp_path / "vectors.faiss", tmp_path / "chunks.parquet")
        for hits in (found.search(made_vectors()[7], k=50), found.search(made_vectors()[6:8], k=50)[1]):
            assert hits[0].chunk_id == "c7", factory
            assert 1 <= len(hits) <= 50


def test_an_index_opens_where_nothing_can_be_cached(
    home: Zones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_vectors: Any
) -> None:
    (tmp_path / "no folder").touch()
    monkeypatch.setenv("CANONRY_CACHE", str(tmp_path / "no folder"))
    assert client.open_index("docs", home=home.home).search(made_vectors()[7], k=1)[0].text == "text of chunk 7"

"""Searching by text uses the encoder inside the release, and no other."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pytest

from canonry import catalog, client, lake, release
from canonry.client import Damaged, ReleaseError, SearchError
from canonry.encode import (
    MODEL_FILE,
    TOKENIZER_FILE,
    EncoderError,
    EncoderFiles,
    _onnx,
    exported,
    files_of,
    load_encoder,
)
from canonry.release import File
from canonry.search import CHUNK_SCHEMA, CHUNKS, VECTORS
from canonry.storage import Zones, open_zones

NOW = dt.datetime(2026, 11, 2, 8, tzinfo=dt.UTC)
TEXTS = ["How to bake bread with rye flour.", "The orbit of Jupiter's moons.", "Reading Parquet files with Arrow."]


@pytest.fixture(scope="module")
def files() -> EncoderFiles:
    models = catalog.load(Path(__file__).parents[2] / "assets").models
    return files_of("all-MiniLM-L6-v2", models["all-MiniLM-L6-v2"])


def publish(home: Path, files: EncoderFiles, said: EncoderFiles, carried: dict[str, bytes | Path]) -> None:
    index = faiss.IndexFlatIP(files.dimension)
    index.add(load_encoder(files).encode(TEXTS))
    names = [f"c{row}" for row in range(len(TEXTS))]
    columns = {"chunk_id": names, "document_id": names, "title": names, "ordinal": [0] * len(TEXTS), "text": TEXTS}
    payload: dict[str, bytes | Path] = {
        VECTORS: faiss.serialize_index(index).tobytes(),
        CHUNKS: lake.parquet_bytes(pa.table(columns, schema=CHUNK_SCHEMA)),
        **carried,
    }
    published = open_zones(home).published
    metadata = {"encoder": dataclasses.asdict(said)}
    found = release.publish(published, "indexes", "docs", payload, metadata=metadata, lineage={}, now=NOW)
    release.promote(published, "indexes", "docs", found.version, reason="test", now=NOW)


SEARCH = """
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from canonry import client
index = client.open_index("docs", home=sys.argv[1])
print([hit.text for hit in index.search_text("columnar file formats", k=1)], [
    name for name in ("torch", "transformers", "sentence_transformers") if name in sys.modules
])
"""


def test_the_released_encoder_finds_what_the_reference_would_without_torch(tmp_path: Path, files: EncoderFiles) -> None:
    carried: dict[str, bytes | Path] = {MODEL_FILE: exported(files), TOKENIZER_FILE: files.tokenizer_file}
    digests = [File.of(path).sha256 for path in carried.values()]
    publish(
        tmp_path, files, dataclasses.replace(files, package="absent", onnx=digests[0], tokenizer=digests[1]), carried
    )
    index = client.open_index("docs", home=tmp_path)
    both = index.search_text(["sourdough", "planets"], k=2)
    assert [hits[0].text for hits in both] == TEXTS[:2]
    expected = load_encoder(files).encode(["sourdough"]) @ load_encoder(files).encode(TEXTS).T
    assert both[0][0].score == pytest.approx(float(expected.max()), abs=1e-5)
    done = subprocess.run([sys.executable, "-c", SEARCH, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout == f"{[TEXTS[2]]} []\n", done.stderr


def test_a_text_is_encoded_as_the_release_says(home: Zones) -> None:
    index = client.open_index("docs", home=home.home)
    [red, green] = index.search_text(["red", "green"], k=3)
    assert red == index.search(np.eye(8, dtype=np.float32)[0], k=3)
    assert index.search_text("green", k=3) == green != red
    assert index.search_text("green", k=50, where={"document_id": "d3"})[0].document_id == "d3"


def test_a_text_may_stand_where_a_vector_may(home: Zones) -> None:
    index = client.open_index("docs", home=home.home)
    where = {"document_id": ["d3", "d4"]}
    assert index.search("red", 3, where) == index.search_text("red", 3, where) != []
    assert index.search(["red", "green"], 3) == index.search_text(["red", "green"], 3)
    assert asyncio.run(index.asearch("red", 3)) == index.search("red", 3)
    with pytest.raises(SearchError, match="vectors have type"):
        index.search(np.array(["red"]))


def test_versions_of_one_encoder_load_it_once(
    home: Zones, released_index: Any, made_vectors: Any, made_chunks: Any
) -> None:
    first = client.open_index("docs", home=home.home)
    released_index(home.published, made_vectors(20, seed=5), made_chunks(20))
    second = client.open_index("docs", home=home.home)
    assert first.version != second.version
    assert first.opened.text_encoder() is second.opened.text_encoder()


def test_any_number_of_encoders_is_loaded_once_each(
    home: Zones, released_index: Any, made_vectors: Any, made_chunks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[Path] = []
    session = _onnx._session

    def counted(files: EncoderFiles, model: Path, threads: int | None) -> Any:
        loads.append(model)
        return session(files, model, threads)

    monkeypatch.setattr(_onnx, "_session", counted)
    indexes = []
    for number in range(6):
        released_index(home.published, made_vectors(), made_chunks(), name=f"docs-{number}", sha256=f"{number:064}")
        indexes.append(client.open_index(f"docs-{number}", home=home.home))
    for _ in range(3):
        for index in indexes:
            assert index.search_text("red", k=1)
    assert len(loads) == 6


def test_who_has_an_encoder_does_not_wait_for_another_that_is_being_loaded(
    home: Zones, released_index: Any, made_vectors: Any, made_chunks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = client.open_index("docs", home=home.home)
    ready.search_text("red")
    released_index(home.published, made_vectors(), made_chunks(), name="other", sha256="1" * 64)
    other = client.open_index("other", home=home.home)
    loading, go_on = threading.Event(), threading.Event()
    session = _onnx._session

    def slow(files: EncoderFiles, model: Path, threads: int | None) -> Any:
        loading.set()
        assert go_on.wait(20)
        return session(files, model, threads)

    monkeypatch.setattr(_onnx, "_session", slow)
    with ThreadPoolExecutor(3) as pool:
        waiting = pool.submit(other.search_text, "red", 1)
        assert loading.wait(20)
        try:
            assert len(pool.submit(ready.search_text, "green", 3).result(10)) == 3
            again = client.open_index("docs", home=home.home)
            assert len(pool.submit(again.search_text, "green", 3).result(10)) == 3
        finally:
            go_on.set()
        assert len(waiting.result(20)) == 1


def test_a_damaged_encoder_is_refused(home: Zones) -> None:
    index = client.open_index("docs", home=home.home)
    path = f"indexes/docs/releases/{index.version}/{MODEL_FILE}"
    home.published.put(path, home.published.read(path)[:-1] + b"?")
    with pytest.raises(Damaged, match=r"model\.onnx"):
        index.search_text("red")


@pytest.mark.parametrize("said", [{"onnx": "0" * 64}, {"tokenizer": "1" * 64}, {"onnx": None}])
def test_an_encoder_that_does_not_fit_what_is_said_of_it_is_refused(
    tmp_path: Path, released_index: Any, made_vectors: Any, made_chunks: Any, said: dict[str, Any]
) -> None:
    released_index(open_zones(tmp_path).published, made_vectors(), made_chunks(), **said)
    with pytest.raises(ReleaseError, match=r"but metadata\.encoder says .*publish the index again"):
        client.open_index("docs", home=tmp_path)


def test_a_release_without_its_encoder_is_searched_with_the_package(tmp_path: Path, files: EncoderFiles) -> None:
    publish(tmp_path, files, files, {})
    assert client.open_index("docs", home=tmp_path).search_text("sourdough", k=1)[0].text == TEXTS[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, f"expected {'0' * 64}"),
        ({"package": "no_such_package"}, r"canonry\[embed\].* carries no encoder, .*build the index again"),
    ],
)
def test_a_release_without_its_encoder_says_what_to_do(
    tmp_path: Path, files: EncoderFiles, change: dict[str, str], message: str
) -> None:
    publish(tmp_path, files, dataclasses.replace(files, **change), {})  # type: ignore[arg-type]
    with pytest.raises(EncoderError, match=message):
        client.open_index("docs", home=tmp_path).search_text("anything")

"""Searching by text uses the very weights the index was made with."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import faiss
import pyarrow as pa
import pytest

from canonry import catalog, client, lake, release
from canonry.encode import EncoderError, EncoderFiles, files_of, load_encoder
from canonry.search import CHUNK_SCHEMA, CHUNKS, VECTORS
from canonry.storage import open_zones

NOW = dt.datetime(2026, 11, 2, 8, tzinfo=dt.UTC)
TEXTS = ["How to bake bread with rye flour.", "The orbit of Jupiter's moons.", "Reading Parquet files with Arrow."]


@pytest.fixture(scope="module")
def files() -> EncoderFiles:
    pytest.importorskip("sentence_transformers", reason="needs the extra `encode`")
    models = catalog.load(Path(__file__).parents[2] / "assets").models
    return files_of("all-MiniLM-L6-v2", models["all-MiniLM-L6-v2"])


def publish(home: Path, files: EncoderFiles, encoder: EncoderFiles) -> None:
    index = faiss.IndexFlatIP(files.dimension)
    index.add(load_encoder(files).encode(TEXTS))
    names = [f"c{row}" for row in range(len(TEXTS))]
    columns = {"chunk_id": names, "document_id": names, "title": names, "ordinal": [0] * len(TEXTS), "text": TEXTS}
    payload: dict[str, bytes | Path] = {
        VECTORS: faiss.serialize_index(index).tobytes(),
        CHUNKS: lake.parquet_bytes(pa.table(columns, schema=CHUNK_SCHEMA)),
    }
    published = open_zones(home).published
    metadata = {"encoder": dataclasses.asdict(encoder)}
    found = release.publish(published, "indexes", "docs", payload, metadata=metadata, lineage={}, now=NOW)
    release.promote(published, "indexes", "docs", found.version, reason="test", now=NOW)


def test_a_text_finds_the_chunk_that_speaks_of_it(tmp_path: Path, files: EncoderFiles) -> None:
    publish(tmp_path, files, files)
    index = client.open_index("docs", home=tmp_path)
    assert index.search_text("columnar file formats", k=1)[0].text == TEXTS[2]
    both = index.search_text(["sourdough", "planets"], k=2)
    assert [hits[0].text for hits in both] == TEXTS[:2]


def test_an_encoder_with_another_digest_is_refused(tmp_path: Path, files: EncoderFiles) -> None:
    publish(tmp_path, files, dataclasses.replace(files, sha256="0" * 64))
    with pytest.raises(EncoderError, match=f"{files.sha256}, expected {'0' * 64}"):
        client.open_index("docs", home=tmp_path).search_text("anything")

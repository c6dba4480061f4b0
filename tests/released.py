"""Small releases: an index whose text encoder knows three words, a prompt, models, and a table."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa

from canonry import lake, release
from canonry.encode import MODEL_FILE, TOKENIZER_FILE
from canonry.index.candidate import access_of, fusion_bytes
from canonry.index.lexical import lexical_bytes
from canonry.label.gold.build import DATASHEET, ITEMS, ITEMS_FILE
from canonry.release import File, Release
from canonry.search import ACCESS, CHUNK_SCHEMA, CHUNKS, FUSION, LEXICAL, VECTORS, Fusion
from canonry.storage import Storage, Zones
from tests.tiny_encoder import write_graph

NOW = dt.datetime(2026, 11, 2, 8, tzinfo=dt.UTC)
DIMENSION = 8
ROWS = 50
WORDS = ["red", "green", "blue"]


def vectors(rows: int = ROWS, seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed).standard_normal((rows, DIMENSION), dtype=np.float32)
    faiss.normalize_L2(made)
    return made


def chunks(rows: int = ROWS) -> pa.Table:
    columns = {
        "chunk_id": [f"c{row}" for row in range(rows)],
        "document_id": [f"d{row // 5}" for row in range(rows)],
        "title": [None if row == 0 else f"Title {row}" for row in range(rows)],
        "ordinal": [row % 5 for row in range(rows)],
        "text": [f"text of chunk {row}" for row in range(rows)],
    }
    return pa.table(columns, schema=CHUNK_SCHEMA)


def release_index(
    published: Storage,
    made: np.ndarray,
    table: pa.Table,
    *,
    name: str = "docs",
    dimension: int = DIMENSION,
    promote: bool = True,
    words: bool = False,
    index: str | None = None,
    **said: Any,
) -> Release:
    """An index as the index stage releases it, promoted to production unless told not to; its text encoder knows WORDS.

    `words`: with a lexical side. `index`: the one that this is an audience's part of. `said` is what its
    metadata says of the encoder instead.
    """
    flat = faiss.IndexFlatIP(made.shape[1])
    flat.add(made)
    encoder = {"name": "tiny", "package": "tiny", "path": "model", "sha256": "0" * 64, "dimension": dimension}
    with tempfile.TemporaryDirectory() as folder:
        sources = write_graph(Path(folder), WORDS, made.shape[1])
        carried = dict(zip((MODEL_FILE, TOKENIZER_FILE), (source.read_bytes() for source in sources), strict=True))
    digests = {"onnx": File.of(carried[MODEL_FILE]).sha256, "tokenizer": File.of(carried[TOKENIZER_FILE]).sha256}
    found = release.publish(
        published,
        "indexes",
        name,
        {
            VECTORS: faiss.serialize_index(flat).tobytes(),
            CHUNKS: lake.parquet_bytes(table),
            **(lexical_files(table) if words else {}),
            **carried,
        },
        metadata={
            "index": index or name,
            "encoder": {**encoder, **digests, "max_tokens": 256, "normalize": True, **said},
            "faiss_factory": "Flat",
            "vectors": len(made),
            "columns": [name for name in table.column_names if name not in (*CHUNK_SCHEMA.names, ACCESS)],
            **access_of(table),
        },
        lineage={},
        now=NOW,
    )
    if promote:
        release.promote(published, "indexes", name, found.version, reason="test", now=NOW, force=True)
    return found


def release_gold(zones: Zones) -> Release:
    """A gold set `groundedness` of two items, one to train and one to test with, in production."""
    common = {**dict.fromkeys(ITEMS.names), "passages": ["Because."], "answer": "So.", "field": "groundedness"}
    rows = [
        {**common, "item_id": "a", "split": "test", "question": "Why?", "value": "grounded"},
        {**common, "item_id": "b", "split": "train", "question": "<b>Who?</b>", "value": "hallucinated"},
    ]
    sheet = {
        "name": "groundedness",
        "splits": {"train": {"items": 1}, "calibration": {"items": 0}, "test": {"items": 1}},
    }
    files = {
        ITEMS_FILE: lake.parquet_bytes(pa.Table.from_pylist(rows, ITEMS)),
        DATASHEET: json.dumps(sheet).encode(),
    }
    found = release.publish(zones.published, "gold", "groundedness", files, metadata={}, lineage={}, now=NOW)
    release.promote(zones.published, "gold", "groundedness", found.version, reason="test", now=NOW)
    return found


def lexical_files(table: pa.Table) -> dict[str, bytes]:
    """The files of a lexical side over these chunks, both sides counting alike."""
    data = lexical_bytes(table, "english")
    assert data is not None
    return {LEXICAL: data, FUSION: fusion_bytes(Fusion())}


def release_all(zones: Zones) -> Zones:
    """An index `docs`, a prompt `answer`, one model and a table `cost_daily`, in production."""
    release_index(zones.published, vectors(), chunks())
    prompt = {"template": "Q: {question}\n{x} {passages}", "variables": ["question", "passages"]}
    prompt |= {"since": "2026-11-01", "change": "First version."}
    model = {"description": "A model.", "owner": "tests", "role": "chat", "provider": "p", "versions": ["m-1"]}
    model |= {"stage": "production", "since": "2026-11-01", "reason": "Good.", "prices": []}
    table = pa.table({"day": [dt.date(2026, 11, 1)] * 2, "team": ["a", "b"], "cost": [1.5, 2.5]})
    release_one(zones.published, "prompts", "answer", {"prompt.json": json.dumps(prompt).encode()})
    release_one(zones.published, "models", "all", {"models.json": json.dumps({"m": model}).encode()})
    release_one(zones.published, "tables", "cost_daily", {"table.parquet": lake.parquet_bytes(table)})
    return zones


def release_one(published: Storage, kind: str, name: str, files: dict[str, bytes], **metadata: Any) -> Release:
    """A release of these files, promoted to production."""
    found = release.publish(published, kind, name, files, metadata=metadata, lineage={}, now=NOW)
    release.promote(published, kind, name, found.version, reason="test", now=NOW)
    return found

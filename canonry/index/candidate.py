"""A candidate: the FAISS index and its chunks, row i of one belonging to row i of the other, and their words."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import faiss
import pyarrow as pa
from pydantic import TypeAdapter

from canonry import lake as lake_zone
from canonry.index.lexical import lexical_bytes
from canonry.index.tables import CHUNKS as ALL_CHUNKS
from canonry.index.vectors import index_bytes
from canonry.search import (
    ACCESS,
    CHUNK_SCHEMA,
    CHUNKS,
    FUSION,
    LEXICAL,
    VECTORS,
    Fusion,
    LexicalIndex,
    TextIndex,
    VectorIndex,
    audiences_in,
    tags_in,
)

OWN_FILES = (VECTORS, CHUNKS, LEXICAL, FUSION)
"""Files of a release that are the index's own; the encoder's are beside them."""


def payload(chunks: pa.Table, index: faiss.Index, language: str | None = None) -> dict[str, bytes]:
    """Files of a release, by name: the same rows give the same bytes.

    `index`: row i for chunk i. `language` of the words, None for an index without a lexical side.
    """
    words = lexical_bytes(chunks, language) if language else None
    return {
        VECTORS: index_bytes(index),
        CHUNKS: lake_zone.parquet_bytes(released_chunks(chunks)),
        **({LEXICAL: words, FUSION: fusion_bytes(Fusion())} if words else {}),
    }


def fusion_bytes(fusion: Fusion) -> bytes:
    """`fusion.json`."""
    return json.dumps(asdict(fusion), indent=1, sort_keys=True).encode() + b"\n"


def released_chunks(chunks: pa.Table) -> pa.Table:
    """Chunks as a release has them: columns CHUNK_SCHEMA, then the index's own."""
    own = [field for field in chunks.schema if field.name not in ALL_CHUNKS.names]
    schema = pa.schema([*CHUNK_SCHEMA, *own])
    return chunks.select(schema.names).cast(schema)


def access_of(chunks: pa.Table) -> dict[str, Any]:
    """What a manifest says of who may read: `access`, every tag that some chunk needs, and the number of `audiences`.

    The files of a release are handed out where that is one, to those who have its tags.
    """
    if ACCESS not in chunks.column_names:
        return {"access": [], "audiences": 1}
    return {"access": sorted(tags_in(chunks[ACCESS])), "audiences": audiences_in(chunks[ACCESS])}


def opened(files: Mapping[str, bytes]) -> TextIndex:
    """A payload whose bytes were verified, ready to be searched as a product would. Raises SearchError."""
    # What is mapped into memory stays when its name is gone.
    with tempfile.TemporaryDirectory(prefix="canonry-index-") as folder:
        for name in OWN_FILES:
            if name in files:
                (Path(folder) / name).write_bytes(files[name])
        vectors = VectorIndex(Path(folder) / VECTORS, Path(folder) / CHUNKS)
        if LEXICAL not in files:
            return TextIndex(vectors)
        fusion = _FUSION.validate_json(files[FUSION])
        return TextIndex(vectors, LexicalIndex(Path(folder) / LEXICAL, len(vectors)), fusion)


_FUSION: TypeAdapter[Fusion] = TypeAdapter(Fusion)

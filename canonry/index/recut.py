"""Documents cut once: chunks of documents that are as they were are taken from the cutting before.

`cut/index=NAME/part-0.parquet` has every chunk with the digest of its document and of how that was cut.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from canonry.index.chunks import cut
from canonry.index.tables import HEADINGS, own_fields, put_table, read_if_there
from canonry.storage import Storage

_DIGEST = "document_digest"
_FORMAT = 1
"""Raise it when `cut` gives other chunks of the same document."""


def path_of(name: str) -> str:
    """Where an index's chunks cut last lie in the lake."""
    return f"cut/index={name}/part-0.parquet"


def cut_changed(
    lake: Storage, name: str, documents: pa.Table, tokenizer_file: Path, max_tokens: int, overlap_tokens: int = 0
) -> pa.Table:
    """What `cut` gives of these documents, byte for byte; only those that are new or changed are cut."""
    path = path_of(name)
    digests = _digests(documents, _recipe(documents.schema, tokenizer_file, max_tokens, overlap_tokens))
    known = read_if_there(lake, path)
    parts = []
    fresh = pa.array([True] * len(digests), pa.bool_())
    if known is not None and len(digests):
        kept = known.filter(pc.is_in(known[_DIGEST], value_set=digests))
        fresh = pc.invert(pc.is_in(digests, value_set=kept[_DIGEST].combine_chunks()))
        parts = [kept] if kept.num_rows else []
    if pc.any(fresh).as_py() or not parts:
        some = documents.filter(fresh)
        chunks = cut(some, tokenizer_file, max_tokens, overlap_tokens)
        rows = pc.index_in(chunks["document_id"], value_set=some["document_id"].combine_chunks())
        parts.append(_with_headings(chunks).append_column(_DIGEST, digests.filter(fresh).take(rows)))
    whole = pa.concat_tables(parts).sort_by("chunk_id").combine_chunks()
    put_table(lake, path, whole)
    return _without_empty_headings(whole.drop_columns([_DIGEST]))


def _digests(documents: pa.Table, recipe: str) -> pa.Array:
    rows = (json.dumps([recipe, row], sort_keys=True, default=str) for row in documents.to_pylist())
    return pa.array([hashlib.sha256(row.encode()).hexdigest() for row in rows], pa.string())


def _recipe(schema: pa.Schema, tokenizer_file: Path, max_tokens: int, overlap_tokens: int) -> str:
    tokenizer = hashlib.sha256(tokenizer_file.read_bytes()).hexdigest()
    splitter = importlib.metadata.version("semantic-text-splitter")
    own = [str(field) for field in own_fields(schema.empty_table())]
    return json.dumps([_FORMAT, tokenizer, splitter, max_tokens, overlap_tokens, own])


def _with_headings(chunks: pa.Table) -> pa.Table:
    if HEADINGS.name in chunks.column_names:
        return chunks
    return chunks.append_column(HEADINGS, pa.array([[]] * chunks.num_rows, HEADINGS.type))


def _without_empty_headings(chunks: pa.Table) -> pa.Table:
    lengths = pc.list_value_length(chunks[HEADINGS.name])
    return chunks if pc.any(pc.greater(lengths, 0)).as_py() else chunks.drop_columns([HEADINGS.name])

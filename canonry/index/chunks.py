"""Documents cut into chunks that the encoder sees whole, at the largest boundaries of meaning that fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from semantic_text_splitter import TextSplitter
from tokenizers import Tokenizer

from canonry.embedded import text_digest
from canonry.index.tables import CHUNKS, own_fields
from canonry.progress import track

_AT_ONCE = 64


def cut(documents: pa.Table, tokenizer_file: Path, max_tokens: int, overlap_tokens: int = 0) -> pa.Table:
    """Chunks of at most `max_tokens` of the encoder's tokens, its special ones included: columns CHUNKS.

    Sorted by chunk_id, which is `document_id#ordinal`. A document without words has no chunk. What the documents have
    beyond DOCUMENTS comes with each of their chunks.
    """
    splitter = _splitter(tokenizer_file, max_tokens, overlap_tokens)
    own = own_fields(documents)
    rows = documents.to_pylist()
    chunks: list[dict[str, Any]] = []
    for start in track(range(0, len(rows), _AT_ONCE), f"cutting {len(rows)} documents"):
        some = rows[start : start + _AT_ONCE]
        for document, texts in zip(some, splitter.chunk_all([row["text"] for row in some]), strict=True):
            chunks += [
                _chunk(document, ordinal, text) | {field.name: document[field.name] for field in own}
                for ordinal, text in enumerate(texts)
            ]
    ordered = sorted(chunks, key=lambda chunk: chunk["chunk_id"])
    return pa.Table.from_pylist(ordered, schema=pa.schema([*CHUNKS, *own]))


def _splitter(tokenizer_file: Path, max_tokens: int, overlap_tokens: int) -> TextSplitter:
    # The file may say to truncate (this encoder's says 128), which hides from the splitter how long a text is.
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    budget = max_tokens - tokenizer.num_special_tokens_to_add(False)
    return TextSplitter.from_huggingface_tokenizer(tokenizer, budget, overlap=overlap_tokens)


def _chunk(document: dict[str, Any], ordinal: int, text: str) -> dict[str, Any]:
    return {
        "chunk_id": f"{document['document_id']}#{ordinal}",
        "document_id": document["document_id"],
        "title": document["title"],
        "ordinal": ordinal,
        "text": text,
        "text_digest": text_digest(text),
    }

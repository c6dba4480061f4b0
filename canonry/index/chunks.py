"""Documents cut into chunks that fit the encoder, at the boundaries of paragraphs, sentences and words.

Markdown is cut by its structure, and every chunk keeps the headings that it stands under: they are embedded with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
from semantic_text_splitter import MarkdownSplitter, TextSplitter
from tokenizers import Tokenizer

from canonry.embedded import text_digest
from canonry.index.headings import headings_of, path_at
from canonry.index.tables import CHUNKS, FORMAT, HEADINGS, own_fields
from canonry.progress import track

_AT_ONCE = 64
_MOST_HEADING_TOKENS = 32
"""Of a chunk's budget; a longer path loses its outermost headings. Never more than a quarter of the budget."""

_BETWEEN = " > "


def cut(documents: pa.Table, tokenizer_file: Path, max_tokens: int, overlap_tokens: int = 0) -> pa.Table:
    """Chunks of at most `max_tokens` of the encoder's tokens, its special ones and headings included: columns CHUNKS.

    Sorted by chunk_id, which is `document_id#ordinal`. A document without words has no chunk, a passage is one. What
    the documents have beyond DOCUMENTS comes with each of their chunks, and `headings` where some chunk has any.
    """
    cutter = _Cutter(tokenizer_file, max_tokens, overlap_tokens)
    own = own_fields(documents)
    rows = documents.to_pylist()
    chunks: list[dict[str, Any]] = []
    for start in track(range(0, len(rows), _AT_ONCE), f"cutting {len(rows)} documents"):
        some = rows[start : start + _AT_ONCE]
        for document, pieces in zip(some, cutter.pieces(some), strict=True):
            chunks += [
                _chunk(document, ordinal, text, headings) | {field.name: document[field.name] for field in own}
                for ordinal, (text, headings) in enumerate(pieces)
            ]
    ordered = sorted(chunks, key=lambda chunk: chunk["chunk_id"])
    under = [HEADINGS] if any(chunk["headings"] for chunk in ordered) else []
    return pa.Table.from_pylist(ordered, schema=pa.schema([*CHUNKS, *own, *under]))


def embedded_texts(chunks: pa.Table) -> list[str]:
    """What is embedded of each chunk: its text, after the headings that it stands under."""
    texts: list[str] = chunks["text"].to_pylist()
    if HEADINGS.name not in chunks.column_names:
        return texts
    paths = chunks[HEADINGS.name].to_pylist()
    return [f"{_BETWEEN.join(path)}\n{text}" if path else text for path, text in zip(paths, texts, strict=True)]


class _Cutter:
    """Cuts documents by what they are: pieces of text, each with the headings that it stands under."""

    def __init__(self, tokenizer_file: Path, max_tokens: int, overlap_tokens: int) -> None:
        # The file may say to truncate (this encoder's says 128), which hides from the splitter how long a text is.
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        budget = max_tokens - self._tokenizer.num_special_tokens_to_add(False)
        self._for_headings = min(_MOST_HEADING_TOKENS, budget // 4)
        overlap = min(overlap_tokens, budget - self._for_headings - 1)
        self._plain = TextSplitter.from_huggingface_tokenizer(self._tokenizer, budget, overlap=overlap_tokens)
        self._markdown = MarkdownSplitter.from_huggingface_tokenizer(
            self._tokenizer, budget - self._for_headings, overlap=overlap
        )

    def pieces(self, documents: list[dict[str, Any]]) -> Iterable[list[tuple[str, list[str]]]]:
        """Of each document, in their order."""
        plain = [each["text"] for each in documents if each.get(FORMAT.name) in (None, "plain")]
        cut_plain = iter(self._plain.chunk_all(plain))
        for document in documents:
            text = document["text"]
            match document.get(FORMAT.name):
                case "markdown":
                    headings = headings_of(text)
                    yield [
                        (piece, self._fitting(path_at(headings, at)))
                        for at, piece in self._markdown.chunk_indices(text)
                    ]
                case "passage":
                    yield [(text, [])] if text.strip() else []
                case _:
                    yield [(piece, []) for piece in next(cut_plain)]

    def _fitting(self, path: list[str]) -> list[str]:
        while path and len(self._tokenizer.encode(_BETWEEN.join(path), add_special_tokens=False)) > self._for_headings:
            path = path[1:]
        return path


def _chunk(document: dict[str, Any], ordinal: int, text: str, headings: list[str]) -> dict[str, Any]:
    return {
        "chunk_id": f"{document['document_id']}#{ordinal}",
        "document_id": document["document_id"],
        "title": document["title"],
        "ordinal": ordinal,
        "text": text,
        "text_digest": text_digest(text),
        "headings": headings,
    }

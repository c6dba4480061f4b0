"""Chunks by the words they share with a text: BM25, its scores computed when the index is built.

`lexical.arrow` of a release has a row for each word, sorted: `word`, and the `rows` of the chunks that have it with
their `scores`. It is mapped into memory; a query touches the pages of its own words alone.
"""

from __future__ import annotations

import json
import threading
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import Stemmer

from canonry.search._chunks import cell_reader
from canonry.search._errors import SearchError
from canonry.search._selected import Selection
from canonry.search._words import Words

LEXICAL = "lexical.arrow"

LEXICAL_SCHEMA = pa.schema(
    [
        pa.field("word", pa.string(), nullable=False),
        pa.field("rows", pa.list_(pa.int32()), nullable=False),
        pa.field("scores", pa.list_(pa.float32()), nullable=False),
    ]
)
ABOUT = b"canonry"
"""Key of the schema's metadata: JSON with `language`, the number of `chunks`, and `stems` of some words."""


class LexicalIndex:
    """BM25 over the chunks of an index. Any number of threads may use it."""

    def __init__(self, path: Path, chunks: int) -> None:
        """Open a file whose digest was verified, made for so many chunks. Raises SearchError where it does not fit."""
        with pa.ipc.open_file(pa.memory_map(str(path))) as file:
            table = file.read_all()
        about = _about(path, table.schema)
        if about["chunks"] != chunks:
            raise SearchError(f"{path}: is of {about['chunks']} chunks, the index has {chunks}; build the index again")
        self._chunks = chunks
        self._language = str(about["language"])
        self._own = threading.local()
        _same_stems(path, Words(self._language), about["stems"])
        rows, scores = (table.column(name).chunk(0) for name in ("rows", "scores"))
        self._words = table.num_rows
        self._word = cell_reader(table.column("word"))
        self._starts = _numbers(rows.offsets, np.int32)
        self._rows, self._scores = _numbers(rows.values, np.int32), _numbers(scores.values, np.float32)

    def scores(self, text: str) -> np.ndarray:
        """BM25 of every chunk: float32 (chunks,), 0 where it shares no word with the text."""
        found = np.zeros(self._chunks, np.float32)
        for stem in self._stems(text):
            at = bisect_left(range(self._words), stem, key=self._word)
            if at < self._words and self._word(at) == stem:
                held = slice(self._starts[at], self._starts[at + 1])
                # A chunk is there once for each word, so that adding in this way adds to each.
                found[self._rows[held]] += self._scores[held]
        return found

    def best(self, text: str, k: int, selection: Selection | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Scores float32 and rows int64 of at most k chunks, best first, of those that share a word with the text.

        `selection` leaves its rows alone. Of equal scores the earlier row is first.
        """
        scores = self.scores(text)
        rows = best_rows(scores, k, selection)
        return scores[rows], rows

    def _stems(self, text: str) -> list[str]:
        words = getattr(self._own, "words", None)
        if words is None:
            words = self._own.words = Words(self._language)
        return words.of(text)


def _numbers(array: pa.Array, kind: type[np.number]) -> np.ndarray:
    """An array's numbers where they lie; Arrow's own `to_numpy` imports pandas wherever that is installed."""
    held = array.buffers()[1]
    return np.frombuffer(held or b"", kind)[array.offset : array.offset + len(array)]


def best_rows(scores: np.ndarray, k: int, selection: Selection | None = None) -> np.ndarray:
    """Rows int64 of at most k of the scores (chunks,) above 0, best first; see LexicalIndex.best."""
    rows = np.flatnonzero(scores) if selection is None else selection.rows[scores[selection.rows] > 0]
    if len(rows) > k:
        least = np.partition(scores[rows], len(rows) - k)[len(rows) - k]
        rows = rows[scores[rows] >= least]
    return rows[np.argsort(-scores[rows], kind="stable")][:k]


def lexical_metadata(language: str, chunks: int, stems: Mapping[str, str]) -> dict[bytes, bytes]:
    """Metadata of LEXICAL_SCHEMA for a file."""
    about = {"language": language, "chunks": chunks, "stems": dict(stems)}
    return {ABOUT: json.dumps(about, sort_keys=True, ensure_ascii=False).encode()}


def _about(path: Path, schema: pa.Schema) -> dict[str, Any]:
    try:
        about = json.loads((schema.metadata or {})[ABOUT])
        fits = {"language", "chunks", "stems"} <= about.keys() and schema.equals(LEXICAL_SCHEMA)
    except (KeyError, ValueError, AttributeError):
        fits = False
    if not fits:
        raise SearchError(f"{path}: is no lexical index; build the index again")
    return about


def _same_stems(path: Path, words: Words, stems: Mapping[str, str]) -> None:
    # Snowball's algorithms change now and then, and what is stemmed otherwise is not found.
    for word, stem in stems.items():
        if words.of(word)[:1] != [stem]:
            raise SearchError(
                f"{path}: was made by a stemmer to which {word!r} is {stem!r}; PyStemmer {Stemmer.version()} says "
                f"{words.of(word)[:1]}: build the index with it, or install the version that its lineage names"
            )

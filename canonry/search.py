"""Nearest chunks of a vector: a FAISS index and the text of its rows, from files on disk.

Row i of `vectors.faiss` is row i of `chunks.parquet`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

VECTORS = "vectors.faiss"
CHUNKS = "chunks.parquet"

CHUNK_SCHEMA = pa.schema(
    [
        ("chunk_id", pa.string()),
        ("document_id", pa.string()),
        ("title", pa.string()),
        ("ordinal", pa.int64()),
        ("text", pa.string()),
    ]
)
"""Columns of `chunks.parquet`. One row per chunk, in the order of the vectors."""

_HIT_COLUMNS = ("chunk_id", "document_id", "title", "text")


SCAN_ADVANTAGE = 5
"""How much less processor time one thread needs for a query on a Flat index than several that share it."""


class SearchError(ValueError):
    """An index or a query cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found. `score` is the inner product: the cosine, where both vectors have length 1."""

    chunk_id: str
    document_id: str
    title: str | None
    text: str
    score: float


class VectorIndex:
    """Vectors mapped into memory, so that processes share their pages; the chunks' text is read when first needed."""

    def __init__(self, vectors: Path, chunks: Path) -> None:
        """Open both files. Raises SearchError where they do not belong together. Whoever calls has verified them."""
        self.faiss = _read_index(vectors)
        self._file = pq.ParquetFile(chunks, memory_map=True)
        self._flat = isinstance(self.faiss, faiss.IndexFlat)
        self._chunks: pa.Table | None = None
        self._reading = threading.Lock()
        missing = [name for name in _HIT_COLUMNS if name not in self._file.schema_arrow.names]
        if missing:
            raise SearchError(f"{chunks}: has no column {', '.join(missing)}")
        if self._file.metadata.num_rows != len(self):
            rows = self._file.metadata.num_rows
            raise SearchError(
                f"{chunks}: has {rows} rows, but {vectors} has {len(self)} vectors; build the index again"
            )

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.faiss.d)

    def __len__(self) -> int:
        """Number of vectors, and of chunks."""
        return int(self.faiss.ntotal)

    @property
    def chunks(self) -> pa.Table:
        """chunk_id, document_id, title, text: one row per vector."""
        with self._reading:
            if self._chunks is None:
                self._chunks = self._file.read(columns=list(_HIT_COLUMNS)).combine_chunks()
            return self._chunks

    def nearest(self, vectors: npt.ArrayLike, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Scores (n, k) float32 and rows (n, k) int64 of the k nearest, best first; row -1 where fewer were found.

        `vectors` has shape (n, dimension), or (dimension,) for n = 1. Raises SearchError.
        """
        queries = self._checked(vectors)
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise SearchError(f"k is {k!r}, expected a whole number from 1")
        k = min(int(k), len(self))
        if k == 0 or len(queries) == 0:
            return np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        threads = faiss.omp_get_max_threads()
        if not self._flat or not len(queries) < threads <= SCAN_ADVANTAGE * len(queries):
            return self.faiss.search(queries, k)
        # With fewer queries than threads FAISS 1.15 cuts a Flat index among the threads and multiplies matrices, which
        # pays only where threads are many. The number of threads is the calling thread's own setting.
        faiss.omp_set_num_threads(len(queries))
        try:
            return self.faiss.search(queries, k)
        finally:
            faiss.omp_set_num_threads(threads)

    def search(self, vectors: npt.ArrayLike, k: int = 10) -> list[Any]:
        """The k nearest Hits of one vector (dimension,), best first; of a matrix (n, dimension) a list of them each."""
        scores, rows = self.nearest(vectors, k)
        found = self._hits(scores, rows)
        return found[0] if np.ndim(vectors) == 1 else found

    def _checked(self, vectors: npt.ArrayLike) -> np.ndarray:
        try:
            queries = np.asarray(vectors)
        except ValueError as error:
            raise SearchError(f"vectors are not a matrix: {error}") from None
        if queries.dtype != np.float32:
            if queries.dtype.kind != "f":
                raise SearchError(f"vectors have type {queries.dtype}, expected float32 (or another float type)")
            with np.errstate(over="ignore"):
                queries = queries.astype(np.float32)
        if queries.ndim == 1:
            queries = queries[np.newaxis]
        if queries.ndim != 2 or queries.shape[1] != self.dimension:
            expected = f"({self.dimension},) or (n, {self.dimension})"
            raise SearchError(f"vectors have shape {np.shape(vectors)}, expected {expected}; use the index's encoder")
        if not np.isfinite(queries).all():
            raise SearchError("vectors hold a value that is not finite (nan or infinity)")
        return queries

    def _hits(self, scores: np.ndarray, rows: np.ndarray) -> list[list[Hit]]:
        # Cell by cell: after a scan nothing is left in the processor's cache, and Arrow's `take` touches more of it.
        chunk_id, document_id, title, text = self._columns
        return [
            [
                Hit(chunk_id[row].as_py(), document_id[row].as_py(), title[row].as_py(), text[row].as_py(), score)
                for row, score in zip(each_rows, each_scores, strict=True)
                if row >= 0
            ]
            for each_rows, each_scores in zip(rows.tolist(), scores.tolist(), strict=True)
        ]

    @cached_property
    def _columns(self) -> list[pa.Array | pa.ChunkedArray]:
        columns = [self.chunks.column(name) for name in _HIT_COLUMNS]
        return [column.chunk(0) if column.num_chunks == 1 else column for column in columns]


_LIMIT = threading.Lock()


def _read_index(path: Path) -> Any:
    # A length field in a broken file must not make FAISS reserve memory without end. FAISS asks for a quarter of the
    # limit at most, and an index in memory is hardly larger than on disk. The limit is the process's, hence the lock.
    with _LIMIT:
        before = faiss.get_deserialization_vector_byte_limit()
        faiss.set_deserialization_vector_byte_limit(8 * path.stat().st_size + (1 << 20))
        try:
            return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise SearchError(f"{path}: is not an index that FAISS {faiss.__version__} reads: {error}") from None
        finally:
            faiss.set_deserialization_vector_byte_limit(before)

"""An index from its two files on disk: FAISS finds rows, Parquet says what they are."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from canonry.forked import OwnLock
from canonry.search._chunks import CHUNK_SCHEMA, cell_reader, read_chunks
from canonry.search._errors import SearchError
from canonry.search._selected import Selection, nearest_selected
from canonry.search._where import ACCESS, Where, condition_key, rows_readable, rows_with, tags_in

VECTORS = "vectors.faiss"

_HIT_COLUMNS = ("chunk_id", "document_id", "title", "text")

SCAN_ADVANTAGE = 5
"""How much less processor time one thread needs for a query on a Flat index than several that share it."""


class Hit(NamedTuple):
    """A chunk that was found. What `score` is depends on how: see `Mode`."""

    chunk_id: str
    document_id: str
    title: str | None
    text: str
    score: float
    metadata: Mapping[str, Any] = MappingProxyType({})
    """The index's own columns, such as a product or a language."""
    version: str = ""
    """Version of the release that it was found in."""


class VectorIndex:
    """Vectors mapped into memory, so that processes share their pages; so are chunks that come as a mapped file."""

    def __init__(self, vectors: Path, chunks: Path, version: str = "") -> None:
        """Open both files, see `read_chunks`. Raises SearchError where they do not belong together.

        Whoever calls has verified them. `version` is said by every hit.
        """
        self.version = version
        self.faiss = _read_index(vectors)
        self.chunks = read_chunks(chunks)
        """One row per vector."""
        names = self.chunks.column_names
        self.own_columns = [name for name in names if name not in {*CHUNK_SCHEMA.names, ACCESS}]
        """Columns that this index has beyond those of every index, `access` left out."""
        missing = [name for name in _HIT_COLUMNS if name not in names]
        if missing:
            raise SearchError(f"{chunks}: has no column {', '.join(missing)}")
        if self.chunks.num_rows != len(self):
            rows = self.chunks.num_rows
            raise SearchError(
                f"{chunks}: has {rows} rows, but {vectors} has {len(self)} vectors; build the index again"
            )
        self._flat = isinstance(self.faiss, faiss.IndexFlat)
        self._columns = [cell_reader(self.chunks.column(name)) for name in _HIT_COLUMNS]
        self._own = {name: cell_reader(self.chunks.column(name)) for name in self.own_columns}
        self._access_tags: frozenset[str] | None = None
        self._selections: OrderedDict[object, Selection] = OrderedDict()
        self._selecting = OwnLock()

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.faiss.d)

    def __len__(self) -> int:
        """Number of vectors, and of chunks."""
        return int(self.faiss.ntotal)

    @property
    def access_tags(self) -> frozenset[str]:
        """Every access tag that some chunk needs."""
        if self._access_tags is None:
            self._access_tags = tags_in(self.chunks[ACCESS]) if ACCESS in self.chunks.column_names else frozenset()
        return self._access_tags

    def nearest(
        self,
        vectors: npt.ArrayLike,
        k: int = 10,
        where: Where | None = None,
        readable: Collection[str] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores (n, k) float32 and rows (n, k) int64 of the k nearest, best first; row -1 where fewer were found.

        `vectors` has shape (n, dimension), or (dimension,) for n = 1. `where` and `readable` as in `search`. Raises
        SearchError.
        """
        return self.nearest_among(self._checked(vectors), checked_k(k), self.selection(where, readable))

    def nearest_among(self, queries: np.ndarray, k: int, selection: Selection | None) -> tuple[np.ndarray, np.ndarray]:
        """`nearest` among the rows of a selection, None being all; `queries` float32 (n, dimension)."""
        k = min(k, len(self) if selection is None else selection.count)
        if k == 0 or len(queries) == 0:
            return np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        threads = faiss.omp_get_max_threads()
        # The number of threads is the calling thread's own setting.
        faiss.omp_set_num_threads(self._threads_for(len(queries), threads))
        try:
            if selection is not None:
                return nearest_selected(self.faiss, queries, k, selection)
            return self.faiss.search(queries, k)
        finally:
            faiss.omp_set_num_threads(threads)

    def _threads_for(self, queries: int, threads: int) -> int:
        """With fewer queries than threads FAISS 1.15 lets all threads share each, which seldom pays.

        A Flat index is cut among them and matrices are multiplied: that pays where threads are many. Lists and graphs
        are searched in less time than the threads wait for each other, which on a busy machine is hundreds of times.
        """
        if queries >= threads or (self._flat and threads > SCAN_ADVANTAGE * queries):
            return threads
        return queries

    def search(
        self,
        vectors: npt.ArrayLike,
        k: int = 10,
        where: Where | None = None,
        readable: Collection[str] | None = None,
    ) -> list[Any]:
        """The k nearest Hits of one vector (dimension,), best first; of a matrix (n, dimension) a list of them each.

        `where` leaves only chunks that have these values: k are found where so many have them. `readable`, the access
        tags of whoever reads, leaves only chunks that need no other; None leaves all.
        """
        scores, rows = self.nearest(vectors, k, where, readable)
        found = self.hits(scores, rows)
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

    def hits(self, scores: np.ndarray, rows: np.ndarray) -> list[list[Hit]]:
        """What `nearest` found as Hits, a list for each query."""
        # Cell by cell: after a scan nothing is left in the processor's cache, and Arrow's `take` touches more of it.
        chunk_id, document_id, title, text = self._columns
        own, version = self._own, self.version
        return [
            [
                Hit(
                    chunk_id(row),
                    document_id(row),
                    title(row),
                    text(row),
                    score,
                    {name: value(row) for name, value in own.items()},
                    version,
                )
                for row, score in zip(each_rows, each_scores, strict=True)
                if row >= 0
            ]
            for each_rows, each_scores in zip(rows.tolist(), scores.tolist(), strict=True)
        ]

    def similarities(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
        """Inner products float32 (n,) of one vector (dimension,) with these rows' vectors, as the index keeps them.

        None for an index that keeps them in no way that gives them back.
        """
        try:
            return self.faiss.reconstruct_batch(rows) @ vector
        except RuntimeError:
            return None

    def selection(self, where: Where | None, readable: Collection[str] | None) -> Selection | None:
        """Rows to search among, as for `search`; None where these are all. Raises SearchError."""
        if not where and readable is None:
            return None
        wanted = condition_key(where or {})
        held = None if readable is None else self.access_tags.intersection(readable)
        if held == self.access_tags:
            held = None
        if not wanted and held is None:
            return None
        with self._selecting:
            known = self._selections.get((wanted, held))
            if known is not None:
                self._selections.move_to_end((wanted, held))
                return known
        mask = np.ones(len(self), bool)
        for name, values in wanted:
            mask &= rows_with(self._column(name), name, values)
        if held is not None:
            mask &= rows_readable(self._column(ACCESS), held)
        made = Selection(mask)
        with self._selecting:
            self._selections[wanted, held] = made
            if len(self._selections) > _SELECTIONS:
                self._selections.popitem(last=False)
        return made

    def _column(self, name: str) -> pa.ChunkedArray:
        known = self.chunks.column_names
        if name not in known:
            raise SearchError(f"where: there is no column {name!r} (there are {', '.join(sorted(known))})")
        return self.chunks.column(name)


def checked_k(k: int) -> int:
    """How many are asked for. Raises SearchError."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise SearchError(f"k is {k!r}, expected a whole number from 1")
    return int(k)


_SELECTIONS = 64
"""Conditions whose rows are remembered, a bit for each row of the index."""


# After a fork the threads of the parent are gone, and OpenMP's runtime waits for them for ever. One thread needs none.
# It is a setting of the forking thread: threads that the child starts have runtimes of their own.
os.register_at_fork(after_in_child=lambda: faiss.omp_set_num_threads(1))

_LIMIT = OwnLock()


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

"""The vectors' side of an index: trained once, filled in slices, merged in order.

A slice is filled by one thread in a copy of the trained index, wherever that happens; so the same rows give the same
bytes on one thread or many, in one piece or in shards on several machines. A graph cannot be merged: its slices are
added one after the other, by one thread, to one index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np

from canonry.index.errors import IndexBuildError

swig: Any = faiss
"""Its stubs do not know its classes. What is cast down does not own the index: whoever casts must keep the index."""

SLICE = 16_384
"""Rows: a multiple of what FAISS assigns to lists at once, so that where a slice ends changes no assignment."""

_POINTS_PER_LIST, _POINTS, _POINTS_PER_AXIS = 256, 65_536, 50
"""Rows that training looks at: FAISS itself leaves out more for the lists; their codes need no more than the second.

A graph's axes and codes take so many for each dimension.
"""


def build(vectors: np.ndarray, factory: str, threads: int | None = None) -> Any:
    """`train` and `fill` in one."""
    return fill(train(vectors, factory), vectors, factory, threads)


def train(vectors: np.ndarray, factory: str) -> Any:
    """An empty index of this FAISS factory string, inner product, ready to be filled.

    `vectors`: float32 (n, dimension), or what can be sliced like it. Raises IndexBuildError where they do not fit.
    """
    count, dimension = vectors.shape
    with _fitting(factory, count, dimension), _threads(1):
        index = swig.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
        if not index.is_trained:
            rows = _floats(vectors[_spread(count, _training_rows(index, count))])
            _find_axes(index, rows)
            index.train(rows)
        return index


def fill(
    trained: Any,
    vectors: np.ndarray,
    factory: str,
    threads: int | None = None,
    kept: Callable[[np.ndarray], Any] | None = None,
) -> Any:
    """The index with these vectors as its rows, in their order; `trained` stays empty where the kind can be merged.

    `threads`: how many slices are filled at one time (default: FAISS's own number); the bytes are the same. `kept`
    gives the piece that was made of a slice's rows elsewhere, or None.
    """
    count, dimension = vectors.shape
    with _fitting(factory, count, dimension):
        if not merges(trained):
            # Some kinds are filled once; of a graph's rows no second copy need lie in memory.
            size = SLICE if isinstance(innermost(trained), swig.IndexHNSW) else max(1, count)
            with _threads(1):
                for start in range(0, count, size):
                    trained.add(_floats(vectors[start : start + size]))
            return trained
        return merge(trained, _slices(trained, vectors, threads or faiss.omp_get_max_threads(), kept))


def merge(trained: Any, pieces: Iterable[Any]) -> Any:
    """Filled copies of one trained index as one, in their order; `trained` itself where there is none."""
    filled = (piece for piece in pieces if piece.ntotal)
    index = next(filled, trained)
    for piece in filled:
        _append(index, piece)
    _blank_unused(index)
    return index


def merges(index: Any) -> bool:
    """Whether an index of this kind can be filled in slices. HNSW links every row to rows before it, and cannot."""
    kind = swig.downcast_index(index)
    if isinstance(kind, swig.IndexRefine):
        return merges(kind.base_index) and merges(kind.refine_index)
    return isinstance(kind, swig.IndexIVF | swig.IndexFlatCodes)


def innermost(index: Any) -> Any:
    """What searches, within refinement and transforms; it does not own the index, so keep that."""
    kind = swig.downcast_index(index)
    if isinstance(kind, swig.IndexRefine):
        return innermost(kind.base_index)
    return innermost(kind.index) if isinstance(kind, swig.IndexPreTransform) else kind


def learns(trained: Any) -> bool:
    """Whether an index of this kind was trained on vectors, and not only told their dimension."""
    kind = swig.downcast_index(trained)
    if isinstance(kind, swig.IndexRefine | swig.IndexPreTransform):
        return True
    return not isinstance(kind, swig.IndexFlat | swig.IndexHNSWFlat)


def index_bytes(index: Any) -> bytes:
    """`vectors.faiss`."""
    return faiss.serialize_index(index).tobytes()


def index_of(data: bytes) -> Any:
    """An index from bytes that were verified."""
    return faiss.deserialize_index(np.frombuffer(data, np.uint8))


def slices_of(count: int, shard: tuple[int, int]) -> list[slice]:
    """Rows of a shard, in slices that never change with the number of shards: of eight, the second has every eighth."""
    number, of = shard
    starts = range(0, count, SLICE)[number - 1 :: of]
    return [slice(start, min(start + SLICE, count)) for start in starts]


def _slices(
    trained: Any, vectors: np.ndarray, threads: int, kept: Callable[[np.ndarray], Any] | None = None
) -> Iterator[Any]:
    empty = faiss.serialize_index(trained)

    def filled(start: int) -> Any:
        rows = _floats(vectors[start : start + SLICE])
        if kept and (found := kept(rows)) is not None:
            return found
        piece = faiss.deserialize_index(empty)
        piece.add(rows)
        return piece

    # The number of FAISS's threads is the calling thread's own setting.
    with ThreadPoolExecutor(threads, initializer=faiss.omp_set_num_threads, initargs=(1,)) as pool:
        for start in range(0, len(vectors), SLICE * threads):
            yield from pool.map(filled, range(start, min(start + SLICE * threads, len(vectors)), SLICE))


def _append(index: Any, piece: Any) -> None:
    first, second = swig.downcast_index(index), swig.downcast_index(piece)
    if isinstance(first, swig.IndexRefine):
        _append(first.base_index, second.base_index)
        _append(first.refine_index, second.refine_index)
        first.ntotal = first.base_index.ntotal
    elif isinstance(first, swig.IndexIVFFastScan):
        _append_lists(swig.downcast_InvertedLists(first.invlists), second.invlists, first.ntotal)
        first.ntotal += second.ntotal
    else:
        first.merge_from(second, first.ntotal if isinstance(first, swig.IndexIVF) else 0)


def _append_lists(lists: Any, others: Any, first_row: int) -> None:
    """Lists of blocks, appended one by one.

    FAISS 1.15's own `merge_from` writes out of bounds where a list's length is a multiple of its block's bytes.
    """
    others = swig.downcast_InvertedLists(others)
    size, packer = lists.block_size, lists.packer
    for number in range(lists.nlist):
        before, more = lists.list_size(number), others.list_size(number)
        if not more:
            continue
        rows = swig.rev_swig_ptr(others.get_ids(number), more) + first_row
        if before % packer.nvec:
            lists.add_entries(number, more, swig.swig_ptr(rows), others.get_codes(number))
            continue
        lists.resize(number, before + more)
        swig.rev_swig_ptr(lists.get_ids(number), before + more)[before:] = rows
        blocks, full = -(-more // packer.nvec), before // packer.nvec
        codes = swig.rev_swig_ptr(lists.get_codes(number), (full + blocks) * size)
        codes[full * size :] = swig.rev_swig_ptr(others.get_codes(number), blocks * size)


def _blank_unused(index: Any) -> None:
    """Fast-scan kinds keep rows in blocks; appending leaves in the last block of a list what lay there before."""
    kind = swig.downcast_index(index)
    if isinstance(kind, swig.IndexRefine):
        return _blank_unused(kind.base_index)
    lists = swig.downcast_InvertedLists(kind.invlists) if isinstance(kind, swig.IndexIVF) else None
    if not isinstance(lists, swig.BlockInvertedLists):
        return None
    packer = lists.packer
    nothing = np.zeros(packer.code_size, np.uint8)
    for number in range(lists.nlist):
        full, used = divmod(lists.list_size(number), packer.nvec)
        if used:
            codes = swig.rev_swig_ptr(lists.get_codes(number), (full + 1) * packer.block_size)
            block = codes[full * packer.block_size :].reshape(1, -1)
            for slot in range(used, packer.nvec):
                packer.pack_1(nothing, slot, block)
    return None


def _find_axes(index: Any, rows: np.ndarray) -> None:
    """Main axes of the rows and their opposites together, whose mean is nothing.

    FAISS takes the mean away from what it puts on axes, and that would change what an inner product says.
    """
    kind = swig.downcast_index(index)
    if isinstance(kind, swig.IndexRefine):
        _find_axes(kind.base_index, rows)
    elif isinstance(kind, swig.IndexPreTransform):
        transform = swig.downcast_VectorTransform(kind.chain.at(0))
        if isinstance(transform, swig.PCAMatrix):
            transform.train(np.concatenate([rows, -rows]))


def _training_rows(index: Any, count: int) -> int:
    kind = innermost(index)
    if isinstance(kind, swig.IndexIVF):
        return min(count, max(_POINTS, kind.nlist * _POINTS_PER_LIST))
    return min(count, _POINTS_PER_AXIS * index.d) if isinstance(kind, swig.IndexHNSWSQ) else count


def _spread(count: int, wanted: int) -> np.ndarray | slice:
    return slice(None) if wanted >= count else np.linspace(0, count - 1, wanted).round().astype(int)


@contextmanager
def _fitting(factory: str, count: int, dimension: int) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        message = f"faiss_factory: {factory!r} cannot hold {count} vectors of {dimension}: {reason}"
        raise IndexBuildError(message) from None


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """With more threads some index types add in whatever order the threads finish."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _floats(vectors: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(vectors, dtype=np.float32)

"""Searching among some rows of a FAISS index: as many are found as asked for, wherever there are as many."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np

from canonry.search._errors import SearchError

swig: Any = faiss
"""Its stubs do not know the arguments that its classes take by name."""

_WIDER = 4
"""How many times further an approximate search looks when it found too few."""


class Selection:
    """Rows that may be found, a bit for each row of the index."""

    def __init__(self, mask: np.ndarray) -> None:
        self.count = int(mask.sum())
        self._rows = len(mask)
        self._bits = np.packbits(mask, bitorder="little")
        self.selector = swig.IDSelectorBitmap(self._bits)

    @property
    def rows(self) -> np.ndarray:
        """The rows, ascending: int64 (count,)."""
        return np.flatnonzero(np.unpackbits(self._bits, count=self._rows, bitorder="little"))


def nearest_selected(index: Any, queries: np.ndarray, k: int, selection: Selection) -> tuple[np.ndarray, np.ndarray]:
    """Scores and rows (n, k) of the k nearest among the selection; k is at most its count.

    An index that looks at a part of itself (IVF, HNSW) looks at more until k are found. One that cannot leave rows out
    (PQ, NSG), or still finds too few, is asked for the selected rows' own vectors, as it keeps them, and these are
    compared one by one. Raises SearchError for an index that can do neither.
    """
    width = 1
    while True:
        try:
            scores, rows = index.search(queries, k, params=_parameters(index, selection, width))
        except RuntimeError:
            break
        if (rows >= 0).all():
            return scores, rows
        if width > index.ntotal:
            break
        width *= _WIDER
    return _one_by_one(index, queries, k, selection)


def _parameters(index: Any, selection: Selection, width: int) -> Any:
    index = swig.downcast_index(index)
    selector = selection.selector
    if isinstance(index, swig.IndexPreTransform):
        return swig.SearchParametersPreTransform(index_params=_parameters(index.index, selection, width))
    if isinstance(index, swig.IndexRefine):
        inner = _parameters(index.base_index, selection, width)
        return swig.IndexRefineSearchParameters(k_factor=index.k_factor, base_index_params=inner)
    if isinstance(index, swig.IndexIVF):
        return swig.SearchParametersIVF(sel=selector, nprobe=min(index.nlist, index.nprobe * width))
    if isinstance(index, swig.IndexHNSW):
        return swig.SearchParametersHNSW(sel=selector, efSearch=min(index.ntotal, index.hnsw.efSearch * width))
    return swig.SearchParameters(sel=selector)


def _one_by_one(index: Any, queries: np.ndarray, k: int, selection: Selection) -> tuple[np.ndarray, np.ndarray]:
    rows = selection.rows
    try:
        vectors = index.reconstruct_batch(rows)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise SearchError(f"{type(index).__name__} cannot search among some of its rows: {reason}") from None
    scores = queries @ vectors.T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), rows[order]

"""Which kind of FAISS index, and how hard it searches: by how many vectors there are, and by measured recall.

Nothing here looks at a clock: effort is counted in comparisons, so that the same vectors give the same choice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import faiss
import numpy as np

from canonry.index.recall import FOUND, Asked, Recall, measure_recall

swig: Any = faiss
"""Its stubs do not know its classes. What is cast down does not own the index: whoever casts must keep the index."""

AUTO = "auto"

EXACT_UP_TO = 50_000
"""Vectors: a query over so many takes about 5 ms by exact search, and nothing need be tuned."""

SURE = 0.99
"""Confidence with which the queries tuned by must show the recall: more than the gate asks of others."""

_PROBES = tuple(2**power for power in range(13))
_REFINED = (2, 4, 8, 16, 32, 64)
_EXPLORED = (16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Effort:
    """How hard an index searches; None for what its kind does not have."""

    nprobe: int | None = None
    """Lists looked at, of an IVF index."""
    k_factor: int | None = None
    """Rows compared once more by their full vectors, for each that is asked for, of a refined index."""
    ef_search: int | None = None
    """Rows kept in sight, of an HNSW index."""


@dataclass(frozen=True)
class Tuned:
    """The effort that an index was left with, and its recall on the queries that it was tuned by."""

    effort: Effort
    recall: Recall

    def to_metadata(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def factory_for(factory: str, count: int) -> str:
    """The FAISS factory string, where the spec's is `auto`: exact search, or beyond EXACT_UP_TO lists of RaBitQ codes.

    J. Gao and C. Long, RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound (2024). A list holds
    about as many rows as there are lists: that keeps choosing lists and looking through them alike.
    """
    if factory != AUTO:
        return factory
    if count <= EXACT_UP_TO:
        return "Flat"
    return f"IVF{2 ** round(math.log2(math.sqrt(count)))},RaBitQfs,Refine(Flat)"


def tune(index: Any, vectors: np.ndarray, asked: Asked, least: float) -> Tuned | None:
    """Leave an index with the least effort that surely shows this recall@10, else with the most; None for exact kinds.

    The effort lies in the index itself, and so in its file.
    """
    tuned = None
    for effort in efforts(index):
        set_effort(index, effort)
        tuned = Tuned(effort, measure_recall(index, vectors, asked, SURE))
        if tuned.recall.low >= least:
            break
    return tuned


def efforts(index: Any) -> list[Effort]:
    """What an index of this kind may be set to, from the least work for a query to the most; none for exact search."""
    found = {effort: _comparisons(index, effort) for effort in _possible(swig.downcast_index(index))}
    return sorted(found, key=lambda effort: (found[effort], effort.nprobe or 0))


def set_effort(index: Any, effort: Effort) -> None:
    """From now on the index searches so hard."""
    kind = swig.downcast_index(index)
    if effort.k_factor is not None:
        kind.k_factor = effort.k_factor
        kind = swig.downcast_index(kind.base_index)
    if effort.nprobe is not None:
        kind.nprobe = effort.nprobe
    if effort.ef_search is not None:
        kind.hnsw.efSearch = effort.ef_search


def _possible(index: Any) -> Iterator[Effort]:
    if isinstance(index, swig.IndexRefine):
        inner = list(_possible(swig.downcast_index(index.base_index))) or [Effort()]
        yield from (Effort(each.nprobe, k_factor, each.ef_search) for each in inner for k_factor in _REFINED)
    elif isinstance(index, swig.IndexIVF):
        yield from (Effort(nprobe=each) for each in _PROBES if each <= index.nlist)
    elif isinstance(index, swig.IndexHNSW):
        yield from (Effort(ef_search=each) for each in _EXPLORED)


def _comparisons(index: Any, effort: Effort) -> float:
    """Work for one query, in comparisons of whole vectors."""
    kind = swig.downcast_index(index)
    work = 0.0
    if effort.k_factor is not None:
        work += _RANDOM_ACCESS * FOUND * effort.k_factor
        kind = swig.downcast_index(kind.base_index)
    if effort.nprobe is not None:
        size = kind.code_size / (4 * kind.d)
        work += kind.nlist + kind.ntotal * effort.nprobe / kind.nlist * size
    return work + _RANDOM_ACCESS * (effort.ef_search or 0)


_RANDOM_ACCESS = 4
"""A row that lies anywhere costs so many rows that are read in order."""

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
from canonry.index.vectors import innermost

swig: Any = faiss
"""Its stubs do not know its classes. What is cast down does not own the index: whoever casts must keep the index."""

AUTO = "auto"

EXACT_UP_TO = 50_000
"""Vectors: a query over so many takes about 5 ms by exact search, and nothing need be tuned."""

SURE = 0.999
"""Confidence with which the queries tuned by must show the recall: more than the gate asks of others, who differ too.

With 0.99, an effort that just passed would fail the gate three times in ten.
"""

_PROBES = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724, 1024, 1448, 2048, 2896, 4096)
_REFINED = (2, 3, 4, 6, 8, 12, 16, 32, 64)
_EXPLORED = (16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 512, 768, 1024)
"""Fine steps where indexes usually end: whoever has to take the next one searches longer than need be."""


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


def factory_for(factory: str, count: int, dimension: int) -> str:
    """The FAISS factory string, where the spec's is `auto`: exact search, or beyond EXACT_UP_TO a graph and refinement.

    The graph is over the half of the main axes that say most (88 % of the variance of all-MiniLM-L6-v2), eight bits
    each: a comparison reads an eighth of a vector, so that building and searching take less; the full vectors put right
    what that blurs. Over 10,000 real vectors at a recall@10 of 0.99, lists of RaBitQ codes answered a third as many
    queries as this graph (three quarters of the lists had to be looked at), a graph over full vectors two thirds.
    Y. Malkov and D. Yashunin, Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable
    Small World Graphs (2018).
    """
    if factory != AUTO:
        return factory
    if count <= EXACT_UP_TO:
        return "Flat"
    return f"PCA{max(1, dimension // 2)},HNSW32,SQ8,Refine(Flat)"


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
    kind = innermost(kind)
    if effort.nprobe is not None:
        kind.nprobe = effort.nprobe
    if effort.ef_search is not None:
        kind.hnsw.efSearch = effort.ef_search


def _possible(index: Any) -> Iterator[Effort]:
    if isinstance(index, swig.IndexRefine):
        for each in list(_possible(innermost(index))) or [Effort()]:
            # A graph that is asked for more rows than it keeps in sight keeps as many in sight.
            most = (each.ef_search or math.inf) / FOUND
            yield from (Effort(each.nprobe, k_factor, each.ef_search) for k_factor in _REFINED if k_factor <= most)
    elif isinstance(index, swig.IndexPreTransform):
        yield from _possible(innermost(index))
    elif isinstance(index, swig.IndexIVF):
        yield from (Effort(nprobe=each) for each in _PROBES if each <= index.nlist)
    elif isinstance(index, swig.IndexHNSW):
        yield from (Effort(ef_search=each) for each in _EXPLORED)


def _comparisons(index: Any, effort: Effort) -> float:
    """Work for one query, in comparisons of whole vectors."""
    kind = innermost(index)
    work = _RANDOM_ACCESS * FOUND * (effort.k_factor or 0)
    if effort.nprobe is not None:
        work += kind.nlist + kind.ntotal * effort.nprobe / kind.nlist * kind.code_size / (4 * index.d)
    if effort.ef_search is not None:
        links, row = kind.hnsw.nb_neighbors(0), swig.downcast_index(kind.storage)
        work += _RANDOM_ACCESS * effort.ef_search * links * row.sa_code_size() / (4 * index.d)
    return work


_RANDOM_ACCESS = 4
"""A row that lies anywhere costs so many rows that are read in order."""

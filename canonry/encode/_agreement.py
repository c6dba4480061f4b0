"""How well a runtime's vectors agree with the reference's: as vectors, and in what is found by them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_COSINE = 0.9999
"""A graph of fp32 whose vectors lie further from the reference's than this is not released."""

NEAREST = 10


@dataclass(frozen=True)
class Agreement:
    """Cosines between vectors of the same texts, over so many texts."""

    texts: int
    mean: float
    least: float
    overlap: float
    """Share of each text's ten nearest others that both find; 1 where there are not more others than that."""


def agreement(reference: np.ndarray, vectors: np.ndarray) -> Agreement:
    """Of two matrices (n, dimension) with a vector for the same text in the same row."""
    lengths = np.linalg.norm(reference, axis=1) * np.linalg.norm(vectors, axis=1)
    cosines = (reference * vectors).sum(axis=1) / np.maximum(lengths, np.finfo(np.float32).tiny)
    figures = float(cosines.mean()), float(cosines.min()), _overlap(reference, vectors)
    return Agreement(len(cosines), *(round(each, 7) for each in figures))


def spread_sample(texts: Sequence[str], size: int) -> np.ndarray:
    """Rows of at most `size` texts of every length, ascending; texts that come or go change it by a few.

    Texts are taken by their digests, of each doubling of length as many: what agrees there agrees in between.
    """
    by_length: dict[int, list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        by_length[len(text).bit_length()].append(row)
    taken: list[int] = []
    for done, length in enumerate(sorted(by_length, key=lambda each: (len(by_length[each]), each))):
        share = -(-(size - len(taken)) // (len(by_length) - done))
        taken += sorted(by_length[length], key=lambda row: (_digest(texts[row]), row))[:share]
    return np.array(sorted(taken), dtype=np.int64)


def _overlap(reference: np.ndarray, vectors: np.ndarray) -> float:
    if len(reference) <= NEAREST + 1:
        return 1.0
    wanted, found = (_nearest(each) for each in (reference, vectors))
    return float(np.mean([len(np.intersect1d(*pair)) / NEAREST for pair in zip(wanted, found, strict=True)]))


def _nearest(vectors: np.ndarray) -> np.ndarray:
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :NEAREST]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()

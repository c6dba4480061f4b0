"""How near a sentence comes to what the passages say, in the canonical encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from canonry.score.signals import Passages

NEAREST = (
    "nearest",
    "nearest_three",
    "nearest_margin",
    "similarity",
    "nearest_pair",
    "nearest_any",
    "to_question",
    "to_answer",
    "answer_nearest",
    "near_sentences",
)
"""Cosines of a sentence to the passages' sentences, pairs of those, the question and the rest of the answer."""

STRANGE = ("strangest_word", "strange_words", "strange_weight")
"""Of words that the passages lack: how far they are from the passages' own words in meaning."""


@dataclass(frozen=True)
class Vectors:
    """Vectors by text, of length 1."""

    by_text: Mapping[str, np.ndarray]

    @classmethod
    def of(
        cls,
        encode: Callable[[Sequence[str]], np.ndarray],
        answers: Sequence[str],
        sources: Iterable[Passages],
        questions: Sequence[str],
        foreign: Sequence[str],
    ) -> Vectors:
        """Of sentences of answers and passages, questions, foreign words and those of passages; each text once."""
        texts = {*answers, *questions, *foreign}
        for source in sources:
            texts |= {*source.sentences, *source.content}
        ordered = sorted(texts)
        return cls(dict(zip(ordered, encode(ordered), strict=True)))

    def rows(self, texts: Sequence[str]) -> np.ndarray:
        """Of texts that were encoded, (n, dimension)."""
        return np.stack([self.by_text[each] for each in texts])


def nearest(part: Sequence[str], question: str, source: Passages, vectors: Vectors | None) -> list[tuple[float, ...]]:
    """Of each sentence of one answer, values in the order of NEAREST; 0 where the passages are empty, or no vectors."""
    if vectors is None or not source.sentences:
        return [(0.0,) * len(NEAREST) for _ in part]
    said, known = vectors.rows(part), vectors.rows(source.sentences)
    pairs = known[:-1] + known[1:] if len(known) > 1 else known
    pairs = pairs / np.maximum(np.linalg.norm(pairs, axis=1, keepdims=True), 1e-9)
    asked = vectors.by_text[question] if question else known.mean(axis=0)
    cosine, pair = said @ known.T, (said @ pairs.T).max(axis=1)
    falling = -np.sort(-cosine, axis=1)
    own = said @ said.T - 2 * np.eye(len(said))
    found: list[tuple[float, ...]] = []
    for row in range(len(part)):
        best = falling[row]
        found.append(
            (
                float(best[0]),
                float(best[:3].mean()),
                float(best[0] - best[1]) if len(best) > 1 else 0.0,
                float(cosine[row].mean()),
                float(pair[row]),
                float(max(best[0], pair[row])),
                float(said[row] @ asked),
                float(own[row].max()) if len(part) > 1 else 0.0,
                float(falling[:, 0].mean()),
                float((cosine[row] > 0.5).sum()),
            )
        )
    return found


def strange(
    foreign: Sequence[str], weight: Mapping[str, float], known: np.ndarray, vectors: Vectors | None
) -> tuple[float, ...]:
    """Of a sentence's words that the passages lack, with their rarity, against the vectors of the passages' words.

    Values in the order of STRANGE.
    """
    if vectors is None or not foreign or not len(known):
        return (0.0,) * len(STRANGE)
    distance = 1 - (vectors.rows(foreign) @ known.T).max(axis=1)
    weights = np.array([weight[word] for word in foreign])
    return float(distance.max()), float(distance.sum()), float((distance * weights).max())


def contrast(part: Sequence[str], source: Passages, vectors: Vectors | None) -> np.ndarray:
    """Of each sentence of one answer, its vector, and its product with that of the passages' nearest sentence by value.

    float32 (sentences, 2 * dimension); of width 0 without vectors.
    """
    if vectors is None:
        return np.zeros((len(part), 0), dtype=np.float32)
    said = vectors.rows(part)
    if not source.sentences:
        return np.hstack([said, np.zeros_like(said)])
    known = vectors.rows(source.sentences)
    beside = known[(said @ known.T).argmax(axis=1)]
    return np.hstack([said, said * beside * np.float32(said.shape[1] ** 0.5)])

"""How near in meaning an answer comes to what it should have been."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from canonry.score.features import Encode
from canonry.score.interface import AnsweredCall, Measured, ScoreCalls


def score_by_similarity(metric: str, encode: Encode, reference: Callable[[AnsweredCall], str | None]) -> ScoreCalls:
    """A scorer that gives the cosine of an answer's vector and its reference's, 0 to 1; none without a reference."""

    def score(calls: Sequence[AnsweredCall]) -> list[list[Measured]]:
        pairs = [(at, call.answer.answer, said) for at, call in enumerate(calls) if (said := reference(call))]
        found: list[list[Measured]] = [[] for _ in calls]
        if not pairs:
            return found
        texts = list(dict.fromkeys(text for _, answer, said in pairs for text in (answer, said)))
        vectors = np.asarray(encode(texts), dtype=np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = dict(zip(texts, vectors / np.where(lengths > 0, lengths, 1.0), strict=True))
        for at, answer, said in pairs:
            found[at].append(Measured(metric, float(np.clip(unit[answer] @ unit[said], 0.0, 1.0))))
        return found

    return score

"""Answers that people judged: what a scorer is trained on, and how they are dealt to folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from canonry.score.signals import Answer
from canonry.score.text import Sentence

FOLDS = 5

LEAST_OF_A_CLASS = 10
"""Answers of either class, from different sources, without which nothing is trained."""


class TooFewLabels(ValueError):
    """A scorer cannot be trained on so little; the message says what there is and what is needed."""


@dataclass(frozen=True)
class Labeled:
    """An answer that people judged."""

    answer: Answer
    hallucinated: bool
    spans: tuple[tuple[int, int], ...]
    """First and after the last character of what is unsupported; none where it is not known, or nothing is."""
    source: str
    """Answers from one source are never on both sides of a fold."""
    facts: Mapping[str, str | None]
    """Governance features by name: product, response_model."""


def balanced_folds(sources: Sequence[str], positive: np.ndarray) -> np.ndarray:
    """The fold of each answer, int64 (n,): sources, from those with most positives on, to the fold with fewest.

    Raises TooFewLabels.
    """
    names, of = np.unique(sources, return_inverse=True)
    weight = np.bincount(of, minlength=len(names)), np.bincount(of, positive, len(names)).astype(int)
    for name, mask in (("hallucinated", positive), ("grounded", ~positive)):
        found = len(np.unique(of[mask]))
        if mask.sum() < LEAST_OF_A_CLASS or found < FOLDS:
            raise TooFewLabels(
                f"{mask.sum()} {name} answers from {found} sources: at least {LEAST_OF_A_CLASS} from {FOLDS} are needed"
            )
    chosen = np.empty(len(names), dtype=np.int64)
    load = np.zeros((FOLDS, 2))
    for each in np.lexsort((np.arange(len(names)), -weight[0], -weight[1])):
        chosen[each] = min(range(FOLDS), key=lambda fold: (load[fold, 0], load[fold, 1], fold))
        load[chosen[each]] += weight[1][each], weight[0][each]
    return chosen[of]


def blind_folds(sources: Sequence[str]) -> np.ndarray:
    """The fold of each answer, int64 (n,): sources by size, dealt out in turn whatever their labels are."""
    names, of = np.unique(sources, return_inverse=True)
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.lexsort((np.arange(len(names)), -np.bincount(of)))] = np.arange(len(names))
    return rank[of] % FOLDS


def sentence_labels(
    labeled: Sequence[Labeled], sentences: Sequence[Sequence[Sentence]]
) -> tuple[np.ndarray, np.ndarray]:
    """Of each sentence, whether its label is known and whether it is unsupported, both bool (sentences,).

    Of a hallucinated answer without spans nothing is known of its sentences; where none has any, each counts as its
    answer does.
    """
    localised = any(each.spans for each in labeled)
    known, unsupported = [], []
    for each, part in zip(labeled, sentences, strict=True):
        for sentence in part:
            hit = any(start < sentence.end and sentence.start < end for start, end in each.spans)
            known.append(bool(each.spans) or not each.hallucinated or not localised)
            unsupported.append(each.hallucinated and (hit or not localised))
    return np.array(known, dtype=bool), np.array(unsupported, dtype=bool)

"""What a crowd's answers come to: the truth behind several annotators' answers, and how good each of them is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from canonry.stats.survey import clopper_pearson

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

PRIOR_ACCURACY = 0.8
PRIOR_ANSWERS = 4.0
"""Before anything is known of annotators: how often they are right, and how many answers of each true class that
supposition is worth. Chosen by `bench/consensus.py`: more of it keeps votes of bad annotators, less of it loses to the
majority among some dozens of items."""

PRIOR_ITEMS = 5.0
"""Items of each answer that are supposed beforehand, so that no answer is ruled out by a few items without it."""

_TOLERANCE = 1e-6
_ITERATIONS = 300


@dataclass(frozen=True)
class Votes:
    """Who said what of which item: (votes,) positions of item, annotator and answer, and how many of each there are."""

    item: Places
    annotator: Places
    answer: Places
    items: int
    annotators: int
    answers: int

    def counts(self) -> Floats:
        """(items, answers) how many said so."""
        flat = np.bincount(self.item * self.answers + self.answer, minlength=self.items * self.answers)
        return flat.reshape(self.items, self.answers).astype(float)


@dataclass(frozen=True)
class Crowd:
    """How good annotators are, and what their answers come to."""

    prevalence: Floats
    """(answers,) how frequent each is in truth."""
    confusion: Floats
    """(annotators, answers, answers) chance that an annotator says the second where the first is true."""
    counted: Floats
    """(annotators, answers, answers) how often that is thought to have happened, without what was supposed."""
    posterior: Floats
    """(items, answers) probability of each answer, given everyone's."""


def dawid_skene(
    votes: Votes,
    known: npt.ArrayLike | None = None,
    *,
    prior_answers: float = PRIOR_ANSWERS,
    prior_items: float = PRIOR_ITEMS,
) -> Crowd:
    """Annotators' confusion matrices and items' true answers, each from the other, by expectation maximisation.

    A. P. Dawid and A. M. Skene, Applied Statistics 28 (1979) 20-28, with Dirichlet priors: each row of each annotator
    is worth `prior_answers` answers of which PRIOR_ACCURACY are right, the prevalence `prior_items` items of each
    answer. With few answers all annotators are thus alike and the majority decides, and answers cannot change their
    names with each other. With priors of 0 it is Dawid and Skene's own estimate.

    `known` (items,) is the position of an item's true answer where that is known, else -1. Every item needs a vote.
    """
    truth = np.full(votes.items, -1, dtype=np.intp) if known is None else np.asarray(known, dtype=np.intp)
    posterior = _settle(_shares(votes.counts()), truth)
    others = (1 - PRIOR_ACCURACY) / max(votes.answers - 1, 1)
    supposed = prior_answers * np.where(np.eye(votes.answers, dtype=bool), PRIOR_ACCURACY, others)
    for _ in range(_ITERATIONS):
        before = posterior
        counted = _count(votes, posterior)
        confusion = _shares(counted + supposed)
        prevalence = _shares(posterior.sum(axis=0) + prior_items)
        posterior = _settle(_infer(votes, prevalence, confusion), truth)
        if np.abs(posterior - before).max(initial=0.0) < _TOLERANCE:
            break
    return Crowd(prevalence, confusion, counted, posterior)


def recall_interval(right: float, of: float, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of an annotator's chance to give an answer where it is true, from expected counts (Clopper-Pearson).

    It takes the consensus for the truth: where few annotate an item, their errors lie on top.
    """
    return clopper_pearson(min(right, of), of, confidence) if of > 0 else (0.0, 1.0)


def _infer(votes: Votes, prevalence: Floats, confusion: Floats) -> Floats:
    """(items, answers) probability of each answer, by Bayes' rule."""
    with np.errstate(divide="ignore"):
        said = np.log(confusion).transpose(0, 2, 1)[votes.annotator, votes.answer]
        score = np.tile(np.log(prevalence), (votes.items, 1))
    for answer in range(votes.answers):
        score[:, answer] += np.bincount(votes.item, said[:, answer], votes.items)
    score = np.exp(score - score.max(axis=1, keepdims=True))
    return score / score.sum(axis=1, keepdims=True)


def _settle(posterior: Floats, truth: Places) -> Floats:
    settled = truth >= 0
    posterior[settled] = np.eye(posterior.shape[1])[truth[settled]]
    return posterior


def _count(votes: Votes, posterior: Floats) -> Floats:
    place = votes.annotator * votes.answers + votes.answer
    size = votes.annotators * votes.answers
    counted = np.empty((votes.annotators, votes.answers, votes.answers))
    for truth in range(votes.answers):
        said = np.bincount(place, posterior[votes.item, truth], size)
        counted[:, truth] = said.reshape(votes.annotators, votes.answers)
    return counted


def _shares(counts: Floats) -> Floats:
    total = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, 1 / counts.shape[-1]), where=total > 0)

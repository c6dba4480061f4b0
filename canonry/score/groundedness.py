"""The groundedness scorer: how likely is it that an answer says what its passages do not support, and where?

Trees and a word model judge each sentence. What they say is pooled and, with the words of the whole answer, weighed by
a logistic regression, which is fitted on judgements by models that had not seen the answer: so its probabilities hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from canonry.score.features import COLUMNS, SHAPE, Encode, Rarity, Signals, rarity, signals
from canonry.score.labeled import FOLDS, Labeled, balanced_folds, blind_folds, sentence_labels
from canonry.score.linear import WordModel, fit_words
from canonry.score.pooling import POOLED, Logistic, fit_logistic, pool
from canonry.score.ridge import Ridge, fit_ridge
from canonry.score.signals import Answer
from canonry.score.trees import Forest, fit_forest

RIDGE_REGULARIZATION = 30.0
SENTENCE_REGULARIZATION, ANSWER_REGULARIZATION, LAST_REGULARIZATION = 0.5, 2.0, 3.0
SENTENCE_COLUMNS = (*COLUMNS, *SHAPE, "words", "directions")
ANSWER_COLUMNS = (*(f"{how} {name}" for how in ("mean", "most") for name in COLUMNS), *POOLED, *SHAPE, "words")
"""Columns that the trees of sentences and of answers are given."""

LAST = (*POOLED, *SHAPE, "words", "forest")
"""Columns of the last step, before those of governance features."""


@dataclass(frozen=True)
class Span:
    """A sentence and how likely it is unsupported."""

    start: int
    end: int
    probability: float


@dataclass(frozen=True)
class Score:
    """Of one answer: how likely any of it is unsupported, and the same of each sentence."""

    value: float
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Scorer:
    """A trained scorer."""

    rarity: Rarity
    sentence_words: WordModel
    sentence_ridge: Ridge
    sentence_forest: Forest
    answer_words: WordModel
    answer_forest: Forest
    last: Logistic
    facts: tuple[tuple[str, str], ...]
    """Values of governance features that it knows, by name; none in a scorer of the text alone."""
    threshold: float
    """At and above it an answer is called hallucinated; chosen for F1 on answers that its models had not seen."""

    def score(
        self, answers: Sequence[Answer], facts: Sequence[Mapping[str, str | None]], encode: Encode | None
    ) -> list[Score]:
        """Of answers, in their order, with the governance features of each (ignored by a scorer of the text alone)."""
        return self.score_signals(signals(answers, self.rarity, encode), facts)

    def score_signals(self, found: Signals, facts: Sequence[Mapping[str, str | None]]) -> list[Score]:
        """The same from signals that were made with this scorer's rarity."""
        said = np.column_stack([self.sentence_words.log_odds(found.words), self.sentence_ridge.value(found.contrast)])
        of_sentences = self.sentence_forest.probability(_sentence_rows(found, said))
        words = self.answer_words.log_odds(found.whole())
        of_answers = self.answer_forest.probability(_answer_rows(found, of_sentences, words))
        values = self.last.probability(_last_rows(found, of_sentences, words, of_answers, facts, self.facts))
        return _scores(found, values, of_sentences)


@dataclass(frozen=True)
class Trained:
    """A scorer, and what it was trained on as models had judged it that had not seen the answer or its source."""

    scorer: Scorer
    out_of_fold: tuple[Score, ...]


@dataclass(frozen=True)
class Judged:
    """Models of sentences and words, and what they say of the answers they were trained on without having seen them."""

    found: Signals
    rarity: Rarity
    sentence_words: WordModel
    sentence_ridge: Ridge
    sentence_forest: Forest
    answer_words: WordModel
    answer_forest: Forest
    fold: np.ndarray
    """int64 (answers,): models that judged an answer were trained on the other folds."""
    of_sentences: np.ndarray
    of_words: np.ndarray
    of_answers: np.ndarray


@dataclass(frozen=True)
class CrossFitted:
    """What it was trained on, as scorers judge it that were trained without its fold; and those scorers, by fold."""

    scores: tuple[Score, ...]
    fold: np.ndarray
    """int64 (answers,)"""
    scorers: tuple[Scorer, ...]


def train(labeled: Sequence[Labeled], encode: Encode | None, *, facts: Sequence[str] = (), seed: int = 0) -> Trained:
    """A scorer from labels; `facts` names the governance features it may use. Raises TooFewLabels.

    The same labels in the same order give the same scorer on the same machine.
    """
    answers = [each.answer for each in labeled]
    rare = rarity(answers)
    return weigh(judge(labeled, signals(answers, rare, encode), rare, seed=seed), labeled, facts)


def judge(labeled: Sequence[Labeled], found: Signals, rare: Rarity, *, seed: int = 0) -> Judged:
    """Train the models of sentences and words, from signals that were made with this rarity. Raises TooFewLabels."""
    positive = np.array([each.hallucinated for each in labeled], dtype=bool)
    fold = balanced_folds([each.source for each in labeled], positive)
    known, unsupported = sentence_labels(labeled, found.sentences)
    sentence_fold = np.repeat(fold, np.diff(found.starts))
    whole = found.whole()
    said, judged, words, whole_judged = (
        np.empty((len(known), 2)),
        np.empty(len(known)),
        np.empty(len(positive)),
        np.empty(len(positive)),
    )

    def sentence_words(use: np.ndarray) -> WordModel:
        rows = np.flatnonzero(use & known)
        return fit_words([found.words[row] for row in rows], unsupported[rows], SENTENCE_REGULARIZATION)

    def answer_words(use: np.ndarray) -> WordModel:
        return fit_words([whole[row] for row in np.flatnonzero(use)], positive[use], ANSWER_REGULARIZATION)

    ridge, ridges = fit_ridge(
        found.contrast[known], unsupported[known], sentence_fold[known], FOLDS, RIDGE_REGULARIZATION
    )
    for held in range(FOLDS):
        out = np.flatnonzero(sentence_fold == held)
        said[out, 0] = sentence_words(sentence_fold != held).log_odds([found.words[row] for row in out])
        said[out, 1] = ridges[held].value(found.contrast[out])
        out = np.flatnonzero(fold == held)
        words[out] = answer_words(fold != held).log_odds([whole[row] for row in out])
    rows = _sentence_rows(found, said)
    for held in range(FOLDS):
        use, out = (sentence_fold != held) & known, sentence_fold == held
        judged[out] = fit_forest(rows[use], unsupported[use], seed).probability(rows[out])
    answer_rows = _answer_rows(found, judged, words)
    for held in range(FOLDS):
        use, out = fold != held, fold == held
        whole_judged[out] = fit_forest(answer_rows[use], positive[use], seed).probability(answer_rows[out])
    all_sentences, all_answers = np.ones(len(known), dtype=bool), np.ones(len(positive), dtype=bool)
    return Judged(
        found,
        rare,
        sentence_words(all_sentences),
        ridge,
        fit_forest(rows[known], unsupported[known], seed),
        answer_words(all_answers),
        fit_forest(answer_rows, positive, seed),
        fold,
        judged,
        words,
        whole_judged,
    )


def weigh(judged: Judged, labeled: Sequence[Labeled], facts: Sequence[str] = ()) -> Trained:
    """Fit the last step, of the answers that were judged, with the governance features named."""
    positive = np.array([each.hallucinated for each in labeled], dtype=bool)
    values = _known_values(labeled, facts)
    columns = (*LAST, *(f"{name}={value}" for name, value in values))
    given = [each.facts for each in labeled]
    rows = _last_rows(judged.found, judged.of_sentences, judged.of_words, judged.of_answers, given, values)
    probability = np.empty(len(positive))
    for held in range(FOLDS):
        use, out = judged.fold != held, judged.fold == held
        probability[out] = fit_logistic(columns, rows[use], positive[use], LAST_REGULARIZATION).probability(rows[out])
    scorer = Scorer(
        judged.rarity,
        judged.sentence_words,
        judged.sentence_ridge,
        judged.sentence_forest,
        judged.answer_words,
        judged.answer_forest,
        fit_logistic(columns, rows, positive, LAST_REGULARIZATION),
        values,
        best_threshold(probability),
    )
    return Trained(scorer, tuple(_scores(judged.found, probability, judged.of_sentences)))


def cross_fitted(
    labeled: Sequence[Labeled], found: Signals, rare: Rarity, *, facts: Sequence[str] = (), seed: int = 0
) -> CrossFitted:
    """Scores of answers by scorers of which no part has seen a label of the answer's source, and those scorers.

    Sources are dealt to folds whatever their labels are, and a whole scorer is trained without each fold. Estimates
    that join labels and scores need these. Raises TooFewLabels.
    """
    fold = blind_folds([each.source for each in labeled])
    scores: list[Score | None] = [None] * len(labeled)
    scorers = []
    for held in range(FOLDS):
        use, out = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        rest = [labeled[each] for each in use]
        scorers.append(weigh(judge(rest, found.take(use), rare, seed=seed), rest, facts).scorer)
        given = [labeled[each].facts for each in out]
        said = scorers[-1].score_signals(found.take(out), given) if len(out) else []
        for place, score in zip(out, said, strict=True):
            scores[place] = score
    return CrossFitted(tuple(score for score in scores if score is not None), fold, tuple(scorers))


def best_threshold(probability: np.ndarray) -> float:
    """The probability at and above which calling answers hallucinated gives the greatest F1 that may be expected.

    Expected as far as probabilities hold: it moves less with the sample than what is best on the labels themselves.
    N. Ye et al., Optimizing F-measure: a tale of two approaches (ICML 2012).
    """
    falling = np.sort(probability)[::-1]
    f1 = 2 * np.cumsum(falling) / (np.arange(1, len(falling) + 1) + falling.sum())
    # Answers of one probability fall on the same side.
    last = np.r_[np.diff(falling) != 0, True]
    best = int(np.argmax(np.where(last, f1, -1.0)))
    following = falling[best + 1] if best + 1 < len(falling) else 0.0
    return float((falling[best] + following) / 2)


def _sentence_rows(found: Signals, said: np.ndarray) -> np.ndarray:
    return np.column_stack([found.values, np.repeat(found.shape, np.diff(found.starts), axis=0), said])


def _answer_rows(found: Signals, judged: np.ndarray, words: np.ndarray) -> np.ndarray:
    means = np.add.reduceat(found.values, found.starts[:-1]) / np.diff(found.starts)[:, None]
    most = np.maximum.reduceat(found.values, found.starts[:-1])
    return np.column_stack([means, most, pool(judged, found.starts), found.shape, words])


def _last_rows(
    found: Signals,
    judged: np.ndarray,
    words: np.ndarray,
    of_answers: np.ndarray,
    facts: Sequence[Mapping[str, str | None]],
    values: Sequence[tuple[str, str]],
) -> np.ndarray:
    given = np.array([[each.get(name) == value for name, value in values] for each in facts], dtype=np.float64)
    inside = np.clip(of_answers, 0.01, 0.99)
    return np.column_stack(
        [
            pool(judged, found.starts),
            found.shape,
            words,
            np.log(inside / (1 - inside)),
            given.reshape(len(words), len(values)),
        ]
    )


def _known_values(labeled: Sequence[Labeled], facts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = {(name, value) for each in labeled for name in facts if (value := each.facts.get(name)) is not None}
    return tuple(sorted(pairs))


def _scores(found: Signals, values: np.ndarray, judged: np.ndarray) -> list[Score]:
    return [
        Score(
            float(value),
            tuple(
                Span(sentence.start, sentence.end, float(probability))
                for sentence, probability in zip(part, judged[start:end], strict=True)
            ),
        )
        for value, part, start, end in zip(values, found.sentences, found.starts[:-1], found.starts[1:], strict=True)
    ]

"""The groundedness scorer: how likely is it that an answer says what its passages do not support, and where?

Trees and a word model judge each sentence. What they say is pooled and, with the words of the whole answer, weighed by
a logistic regression, which is fitted on judgements by models that had not seen the answer: so its probabilities hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from canonry.score.features import SHAPE, Encode, Rarity, Signals, rarity, signals
from canonry.score.linear import WordModel, fit_words
from canonry.score.pooling import POOLED, Logistic, fit_logistic, pool
from canonry.score.signals import Answer
from canonry.score.trees import Forest, fit_forest

SENTENCE_REGULARIZATION, ANSWER_REGULARIZATION, LAST_REGULARIZATION = 0.5, 2.0, 3.0

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
    sentence_forest: Forest
    answer_words: WordModel
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
        said = self.sentence_words.log_odds(found.words)
        of_sentences = self.sentence_forest.probability(_rows(found, said))
        values = self.last.probability(
            _last_rows(found, of_sentences, self.answer_words.log_odds(found.whole()), facts, self.facts)
        )
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
    sentence_forest: Forest
    answer_words: WordModel
    fold: np.ndarray
    """int64 (answers,): models that judged an answer were trained on the other folds."""
    of_sentences: np.ndarray
    of_words: np.ndarray


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
    fold = _folds([each.source for each in labeled], positive)
    known, unsupported = _sentence_labels(labeled, found)
    sentence_fold = np.repeat(fold, np.diff(found.starts))
    whole = found.whole()
    said, judged, words = (np.empty(len(rows)) for rows in (known, known, positive))

    def sentence_words(use: np.ndarray) -> WordModel:
        rows = np.flatnonzero(use & known)
        return fit_words([found.words[row] for row in rows], unsupported[rows], SENTENCE_REGULARIZATION)

    def answer_words(use: np.ndarray) -> WordModel:
        return fit_words([whole[row] for row in np.flatnonzero(use)], positive[use], ANSWER_REGULARIZATION)

    for held in range(FOLDS):
        out = np.flatnonzero(sentence_fold == held)
        said[out] = sentence_words(sentence_fold != held).log_odds([found.words[row] for row in out])
        out = np.flatnonzero(fold == held)
        words[out] = answer_words(fold != held).log_odds([whole[row] for row in out])
    rows = _rows(found, said)
    for held in range(FOLDS):
        use, out = (sentence_fold != held) & known, sentence_fold == held
        judged[out] = fit_forest(rows[use], unsupported[use], seed).probability(rows[out])
    all_sentences, all_answers = np.ones(len(known), dtype=bool), np.ones(len(positive), dtype=bool)
    forest = fit_forest(rows[known], unsupported[known], seed)
    return Judged(found, rare, sentence_words(all_sentences), forest, answer_words(all_answers), fold, judged, words)


def weigh(judged: Judged, labeled: Sequence[Labeled], facts: Sequence[str] = ()) -> Trained:
    """Fit the last step, of the answers that were judged, with the governance features named."""
    positive = np.array([each.hallucinated for each in labeled], dtype=bool)
    values = _known_values(labeled, facts)
    columns = (*POOLED, *SHAPE, "words", *(f"{name}={value}" for name, value in values))
    given = [each.facts for each in labeled]
    rows = _last_rows(judged.found, judged.of_sentences, judged.of_words, given, values)
    probability = np.empty(len(positive))
    for held in range(FOLDS):
        use, out = judged.fold != held, judged.fold == held
        probability[out] = fit_logistic(columns, rows[use], positive[use], LAST_REGULARIZATION).probability(rows[out])
    scorer = Scorer(
        judged.rarity,
        judged.sentence_words,
        judged.sentence_forest,
        judged.answer_words,
        fit_logistic(columns, rows, positive, LAST_REGULARIZATION),
        values,
        best_threshold(positive, probability),
    )
    return Trained(scorer, tuple(_scores(judged.found, probability, judged.of_sentences)))


def cross_fitted(
    labeled: Sequence[Labeled], found: Signals, rare: Rarity, *, facts: Sequence[str] = (), seed: int = 0
) -> list[Score]:
    """Scores of answers by scorers of which no part has seen a label of the answer's source.

    Sources are dealt to folds whatever their labels are, and a whole scorer is trained without each fold. Estimates
    that join labels and scores need these. Raises TooFewLabels.
    """
    names, of = np.unique([each.source for each in labeled], return_inverse=True)
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.lexsort((np.arange(len(names)), -np.bincount(of)))] = np.arange(len(names))
    fold = rank[of] % FOLDS
    scores: list[Score | None] = [None] * len(labeled)
    for held in range(FOLDS):
        use, out = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        rest = [labeled[each] for each in use]
        scorer = weigh(judge(rest, found.take(use), rare, seed=seed), rest, facts).scorer
        given = [labeled[each].facts for each in out]
        for place, score in zip(out, scorer.score_signals(found.take(out), given) if len(out) else [], strict=True):
            scores[place] = score
    return [score for score in scores if score is not None]


def best_threshold(positive: np.ndarray, probability: np.ndarray) -> float:
    """The probability at and above which calling answers hallucinated gives the greatest F1; the lowest of equals."""
    order = np.argsort(-probability, kind="stable")
    hits = np.cumsum(positive[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + positive.sum())
    # Answers of one probability fall on the same side.
    last = np.r_[np.diff(probability[order]) != 0, True]
    best = np.flatnonzero(last & (f1 >= f1[last].max() - 1e-12))[-1]
    following = probability[order][best + 1] if best + 1 < len(order) else 0.0
    return float((probability[order][best] + following) / 2)


def _folds(sources: Sequence[str], positive: np.ndarray) -> np.ndarray:
    """The fold of each answer, int64 (n,): sources, from those with most positives on, to the fold with fewest."""
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


def _sentence_labels(labeled: Sequence[Labeled], found: Signals) -> tuple[np.ndarray, np.ndarray]:
    """Of each sentence, whether its label is known and whether it is unsupported, both bool (sentences,).

    Of a hallucinated answer without spans nothing is known of its sentences; where none has any, each counts as its
    answer does.
    """
    localised = any(each.spans for each in labeled)
    known, unsupported = [], []
    for each, part in zip(labeled, found.sentences, strict=True):
        for sentence in part:
            hit = any(start < sentence.end and sentence.start < end for start, end in each.spans)
            known.append(bool(each.spans) or not each.hallucinated or not localised)
            unsupported.append(each.hallucinated and (hit or not localised))
    return np.array(known, dtype=bool), np.array(unsupported, dtype=bool)


def _rows(found: Signals, said: np.ndarray) -> np.ndarray:
    return np.column_stack([found.values, np.repeat(found.shape, np.diff(found.starts), axis=0), said])


def _last_rows(
    found: Signals,
    judged: np.ndarray,
    words: np.ndarray,
    facts: Sequence[Mapping[str, str | None]],
    values: Sequence[tuple[str, str]],
) -> np.ndarray:
    given = np.array([[each.get(name) == value for name, value in values] for each in facts], dtype=np.float64)
    return np.column_stack([pool(judged, found.starts), found.shape, words, given.reshape(len(words), len(values))])


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

"""Agreement: the literature's worked examples, other implementations, and intervals that hold as often as they say."""

from __future__ import annotations

import math

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from canonry.stats.agreement import alpha, f1, kappa, share

NONE = math.nan
FOUR_OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
        [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
    ]
)
"""Krippendorff (2011), section C: four observers, twelve units, missing answers."""


def counts(answers: np.ndarray, values: list[float]) -> np.ndarray:
    """(units, values) of (annotators, units) with NaN where somebody did not answer."""
    return np.stack([(answers == value).sum(axis=0) for value in values], axis=1)


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorffs_worked_examples(level, published):
    found = alpha(counts(FOUR_OBSERVERS, [1, 2, 3, 4, 5]), level)
    assert found.value == pytest.approx(published, abs=0.0006)
    assert found.items == 11
    assert found.value == pytest.approx(krippendorff.alpha(FOUR_OBSERVERS, level_of_measurement=level))
    assert found.low <= found.value <= found.high


def test_krippendorffs_binary_example_of_two_observers():
    first = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    second = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    found = alpha(counts(np.array([first, second], dtype=float), [0, 1]))
    assert found.value == pytest.approx(0.095, abs=0.0005)
    assert found.low < 0 < found.high


def test_cohens_own_example():
    # Cohen (1960), table 1, as proportions of 200: observed .70, by chance .41 (rounded there), kappa .492.
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    found = kappa(table)
    assert found.value == pytest.approx(0.492, abs=0.0005)
    other = cohens_kappa(table)
    assert found.value == pytest.approx(other.kappa)
    assert (found.low, found.high) == pytest.approx((other.kappa_low, other.kappa_upp), abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_random_answers_give_what_other_implementations_give(seed):
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, 4, 200)
    answers = np.where(draw.random((5, 200)) < 0.6, truth, draw.integers(0, 4, (5, 200))).astype(float)
    pair = answers[:2].astype(int)
    table = np.zeros((4, 4))
    np.add.at(table, (pair[0], pair[1]), 1)
    assert kappa(table).value == pytest.approx(cohen_kappa_score(*pair))
    whole = counts(answers, [0, 1, 2, 3])
    # With n answers alpha is Fleiss' kappa but for a correction of 1/n.
    fleiss = fleiss_kappa(whole)
    assert alpha(whole).value == pytest.approx(fleiss + (1 - fleiss) / whole.sum())
    answers[draw.random((5, 200)) < 0.4] = NONE
    values = [0.5, 1.0, 4.0, 10.0]
    named = np.where(np.isnan(answers), NONE, np.array(values)[np.nan_to_num(answers).astype(int)])
    for level in ("nominal", "ordinal", "interval"):
        other = krippendorff.alpha(named, level_of_measurement=level)
        assert alpha(counts(named, values), level, values=values).value == pytest.approx(other)


def test_the_interval_is_that_of_items_drawn_again_one_by_one():
    draw = np.random.default_rng(4)
    truth = draw.random(120) < 0.3
    answers = np.where(draw.random((3, 120)) < 0.85, truth, ~truth).astype(float)
    again = [krippendorff.alpha(answers[:, draw.integers(0, 120, 120)]) for _ in range(1000)]
    found = alpha(counts(answers, [0, 1]), resamples=4000)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(again, [0.025, 0.975])), abs=0.03)


def test_units_of_one_text_are_drawn_again_together():
    draw = np.random.default_rng(2)
    texts = np.repeat(np.arange(40), 50)
    # Whole texts on which two annotators differ: 2,000 tokens say no more than 40 texts.
    differ = (draw.random(40) < 0.3)[texts]
    first = draw.random(2000) < 0.5
    answers = np.array([first, first ^ differ], dtype=float)
    apart, together = alpha(counts(answers, [0, 1])), alpha(counts(answers, [0, 1]), cluster=texts)
    assert together.value == apart.value and together.items == 40
    assert together.high - together.low > 4 * (apart.high - apart.low)
    again = []
    for _ in range(600):
        chosen = np.concatenate([np.flatnonzero(texts == text) for text in draw.integers(0, 40, 40)])
        again.append(krippendorff.alpha(answers[:, chosen], level_of_measurement="nominal"))
    assert together.high == pytest.approx(np.quantile(again, 0.975), abs=0.05)
    assert together.low == pytest.approx(np.quantile(again, 0.025), abs=0.05)


@pytest.mark.parametrize(("items", "accuracy", "prevalence"), [(40, 0.9, 0.5), (150, 0.9, 0.2), (60, 0.97, 0.3)])
def test_the_interval_holds_the_true_alpha_about_as_often_as_it_says(items, accuracy, prevalence):
    def answers(draw, size):
        truth = draw.random(size) < prevalence
        return np.where(draw.random((3, size)) < accuracy, truth, ~truth).astype(float)

    true = alpha(counts(answers(np.random.default_rng(0), 400_000), [0, 1]), resamples=1).value
    inside = 0
    for seed in range(300):
        found = alpha(counts(answers(np.random.default_rng(1000 + seed), items), [0, 1]), seed=seed)
        inside += found.low is not None and found.low <= true <= found.high
    assert inside / 300 > 0.9


def test_perfect_agreement_on_a_few_items_is_not_certainty():
    half = np.array([[2, 0]] * 10 + [[0, 2]] * 10)
    found = alpha(half)
    # Clopper and Pearson's upper limit of 0 in 20 is 16.8 %, and chance disagrees in 52.6 %.
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(1 - 0.1684 / 0.5128, abs=0.001)
    assert kappa([[10, 0], [0, 10]]).low == pytest.approx(1 - 0.1684 / 0.5, abs=0.001)
    assert alpha(half.repeat(50, axis=0)).low > 0.98


def test_what_is_not_defined_is_no_figure():
    assert alpha([[3, 0], [2, 0]]).value is None
    assert alpha([[1, 0], [0, 1]]) == alpha(np.zeros((0, 2)))
    assert kappa([[5, 0], [0, 0]]).value is None
    assert kappa(np.zeros((2, 2))).items == 0
    assert f1([0], [0], [0]).value is None
    assert share(0, 0).value is None


def test_f1_of_marks_is_that_of_precision_and_recall():
    common, first, second = [3, 0, 2], [4, 1, 2], [3, 0, 5]
    precision, recall = 5 / 8, 5 / 7
    found = f1(common, first, second)
    assert found.value == pytest.approx(2 * precision * recall / (precision + recall))
    assert found == f1(common, second, first)
    assert found.low < found.value < found.high


def test_the_same_data_give_the_same_figures():
    table = counts(FOUR_OBSERVERS, [1, 2, 3, 4, 5])
    assert alpha(table) == alpha(table)
    assert alpha(table[::-1]) == alpha(table)

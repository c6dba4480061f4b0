"""Scores narrow the interval as far as they help, at no cost to its coverage; else they count for nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from canonry.stats.ppi import estimate_with_scores
from canonry.stats.rates import estimate_rate
from canonry.stats.survey import estimate_proportion

ROUNDS = 500
SLACK = 2 * math.sqrt(0.95 * 0.05 / ROUNDS)


def _calls(size, rate_of):
    """Scores spread evenly over 0 to 1, and labels that are positive at `rate_of` the score."""
    place = np.arange(size)
    score = (place * 7919 % 1009) / 1008
    return (place * 104729 % 997) / 996 < rate_of(score), score


def test_with_simple_samples_it_is_ppi_plus_plus():
    positive, score = _calls(3000, lambda score: 0.15 + 0.7 * score)
    labeled = np.arange(0, 2800, 7)
    found = estimate_rate(positive[labeled], labeled, score)
    # ppi_mean_pointestimate and ppi_mean_ci of ppi-python 0.2.3, given the same calls.
    assert found.estimate.value == pytest.approx(0.5037661833741012, abs=5e-5)
    assert found.estimate.low == pytest.approx(0.45835021808768384, abs=1e-4)
    assert found.estimate.high == pytest.approx(0.5491821486605185, abs=1e-4)

    scale = found.coefficient * (3000 - 400) / 3000
    others = np.delete(score, labeled)
    by_definition = scale * others.mean() + np.mean(positive[labeled] - scale * score[labeled])
    assert found.estimate.value == pytest.approx(by_definition, abs=1e-12)
    of_calls = estimate_with_scores(positive[labeled], score[labeled], [0] * 400, [3000], score.mean())
    assert of_calls.estimate.value == pytest.approx(found.estimate.value, abs=5e-5)
    # What is left to chance of the calls themselves is p (1 - p) / N.
    assert found.estimate.variance - of_calls.estimate.variance == pytest.approx(0.25 / 3000, rel=0.03)


def test_of_strata_it_is_the_difference_estimator_with_the_residuals_variance():
    positive, score = _calls(1000, lambda score: score)
    stratum = (score > 0.5).astype(int)
    rows = np.concatenate([np.flatnonzero(stratum == 0)[:60], np.flatnonzero(stratum == 1)[:30]])
    y, f, h, sizes = positive[rows].astype(float), score[rows], stratum[rows], np.bincount(stratum)
    found = estimate_with_scores(y, f, h, sizes, score.mean())
    weight = (sizes / np.array([60, 30]))[h]
    value = np.sum(weight * (y - found.coefficient * f)) / 1000 + found.coefficient * score.mean()
    assert found.estimate.value == pytest.approx(value)
    error = y - found.coefficient * f
    plain = sum(
        (size / 1000) ** 2 * (1 - n / size) * np.var(error[h == each], ddof=1) / n
        for each, (size, n) in enumerate(zip(sizes, (60, 30), strict=True))
    )
    assert plain < found.estimate.variance < 1.06 * plain  # the jackknife's allowance for a fitted coefficient
    assert found.human_only == estimate_proportion(y, h, sizes)
    assert 90 < found.labels_worth < 300


@pytest.mark.parametrize(
    "score",
    [np.full(40, 0.3), np.linspace(1, 0, 40), 0.2 + 0.5 * np.isin(np.arange(40), [0, 7, 14, 21, 26, 30, 34])],
    ids=["says nothing", "says the contrary", "says less than chance might"],
)
def test_a_score_that_does_not_help_leaves_the_human_only_interval(score):
    y = np.arange(40) >= 25
    found = estimate_with_scores(y, score, [0] * 40, [500], 0.4)
    assert found.estimate == found.human_only == estimate_proportion(y, [0] * 40, [500])
    assert (found.coefficient, found.labels_worth) == (0.0, 40)


def test_without_a_positive_among_the_labels_nothing_is_gained():
    found = estimate_with_scores([0] * 30, np.linspace(0, 0.2, 30), [0] * 30, [5000], 0.01)
    assert found.estimate == estimate_proportion([0] * 30, [0] * 30, [5000])


def test_a_score_that_was_never_seen_to_err_is_not_taken_to_be_right():
    y = np.arange(25) % 2
    found = estimate_with_scores(y, y * 1.0, [0] * 25, [100_000], 0.45)
    # Of calls that the score gets wrong, 5 % could be unseen among 25 labels with a chance of 0.95^25 = 28 %.
    assert found.estimate.low < 0.45 - 0.05
    assert found.estimate.high > 0.45 + 0.05


def test_where_only_positives_were_missed_the_interval_reaches_up():
    y = np.arange(100) < 45
    found = estimate_with_scores(y, np.where(np.arange(100) < 38, 0.95, 0.03), [0] * 100, [100_000], 0.38)
    up, down = found.estimate.high - found.estimate.value, found.estimate.value - found.estimate.low
    assert up > 1.25 * down


def test_a_population_labeled_whole_leaves_no_doubt():
    found = estimate_with_scores([1, 0, 0, 1], [0.9, 0.2, 0.1, 0.7], [0, 0, 1, 1], [2, 2], 0.475)
    assert (found.estimate.low, found.estimate.value, found.estimate.high) == (0.5, 0.5, 0.5)


def test_a_domain_of_everything_has_the_value_and_variance_of_the_whole():
    positive, score = _calls(60, lambda score: score)
    h, sizes = [0] * 40 + [1] * 20, [400, 700]
    whole = estimate_with_scores(positive, score, h, sizes, 0.5)
    domain = estimate_with_scores(positive, score, h, sizes, 0.5, member=[1] * 60)
    assert whole.coefficient > 0
    assert (domain.estimate.value, domain.estimate.variance) == pytest.approx(
        (whole.estimate.value, whole.estimate.variance)
    )


@pytest.mark.parametrize("score", [[0.5, 1.2], [-0.1, 0.5], [np.nan, 0.5]])
def test_scores_that_are_no_probabilities_are_refused(score):
    with pytest.raises(ValueError, match="score: expected probabilities, 0 to 1"):
        estimate_with_scores([0, 1], score, [0, 0], [10], 0.5)
    with pytest.raises(ValueError, match="score: expected probabilities, 0 to 1"):
        estimate_rate([0, 1], [0, 1], score)


def _population(name, size=1500):
    generator = np.random.default_rng(5)
    chance = generator.beta(0.55, 0.7, size)
    y = generator.random(size) < chance
    if name == "rare":
        chance = generator.beta(0.05, 1.2, size)
        y = generator.random(size) < chance
    scores = {
        "calibrated": chance,
        "rare": chance,
        "misses a few": np.where(y & (generator.random(size) > 0.15), 0.97, 0.03),
        "useless": generator.random(size),
        "contrary": 1 - chance,
        "loud where wrong": np.where((generator.random(size) < 0.03) & ~y, 1.0, 0.1),
    }
    return y, scores[name]


@pytest.mark.parametrize("design", ["simple", "poisson"])
@pytest.mark.parametrize("labels", [25, 100])
@pytest.mark.parametrize("name", ["calibrated", "rare", "misses a few", "useless", "contrary", "loud where wrong"])
def test_the_interval_covers_the_truth_as_often_as_it_says(name, labels, design):
    y, score = _population(name)
    generator = np.random.default_rng(20261109)
    chance = 0.3 + 1 - np.abs(2 * score - 1)
    chance = np.minimum(labels * chance / chance.sum(), 1.0)
    covered, wide, alone = 0, 0.0, 0.0
    for _ in range(ROUNDS):
        if design == "simple":
            rows, probability = generator.choice(len(y), labels, replace=False), None
        else:
            rows = np.flatnonzero(generator.random(len(y)) < chance)
            probability = chance[rows]
        found = estimate_with_scores(
            y[rows], score[rows], np.zeros(len(rows), int), [len(y)], score.mean(), probability=probability
        )
        covered += found.estimate.low - 1e-12 <= y.mean() <= found.estimate.high + 1e-12
        wide += found.estimate.high - found.estimate.low
        alone += found.human_only.high - found.human_only.low
    assert covered / ROUNDS >= 0.95 - SLACK
    assert wide / alone <= (0.8 if name == "calibrated" else 1.03)


def test_the_rate_behind_the_calls_is_covered_when_calls_come_in_sessions():
    generator = np.random.default_rng(7)
    sessions, each, rate = 60, 8, 0.4
    covered = dict.fromkeys(("by session", "as if alone", "as if these calls were all"), 0)
    for _ in range(ROUNDS):
        chance = np.repeat(generator.beta(0.4 * rate, 0.4 * (1 - rate), sessions), each)
        y, session = generator.random(len(chance)) < chance, np.repeat(np.arange(sessions), each)
        score = np.clip(chance + generator.normal(0, 0.2, len(chance)), 0, 1)
        rows = generator.choice(len(y), 150, replace=False)
        found = {
            "by session": estimate_rate(y[rows], rows, score, cluster=session),
            "as if alone": estimate_rate(y[rows], rows, score),
            "as if these calls were all": estimate_with_scores(
                y[rows], score[rows], np.zeros(150, int), [len(y)], score.mean()
            ),
        }
        for name, each_found in found.items():
            covered[name] += each_found.estimate.low <= rate <= each_found.estimate.high
    assert covered["by session"] / ROUNDS >= 0.95 - SLACK
    assert max(covered["as if alone"], covered["as if these calls were all"]) / ROUNDS < 0.85


def test_strata_leave_less_to_chance_than_their_labels_alone_would():
    y = np.repeat([0, 1], 500)
    rows = np.concatenate([np.arange(40), 500 + np.arange(40)])
    score = np.full(1000, 0.5)
    split = estimate_rate(y[rows], rows, score, stratum=y)
    # Each stratum is all alike: only how many calls of each come is left to chance.
    assert split.estimate.variance == pytest.approx(0.25 / 1000, rel=0.03)
    assert split.estimate == split.human_only
    with pytest.raises(ValueError, match="two clusters at least"):
        estimate_rate([0, 1], [0, 1], score, cluster=y)

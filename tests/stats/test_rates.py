"""The rate behind calls that come in few, unequal groups: the interval covers it as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from canonry.stats.rates import estimate_rate

ROUNDS = 250
SLACK = 2 * math.sqrt(0.95 * 0.05 / ROUNDS)


def _sizes(kind, clusters, mean, generator):
    if kind == "unequal":
        return np.maximum(generator.geometric(1 / mean, clusters), 1)
    return np.r_[5 * mean if kind == "one large" else mean, np.full(clusters - 1, mean)]


@pytest.mark.parametrize(
    ("clusters", "mean", "kind", "rate", "alike"),
    [(6, 20, "equal", 0.3, 0.3), (12, 10, "unequal", 0.3, 0.3), (8, 15, "one large", 0.3, 0.3),
     (20, 8, "equal", 0.05, 0.3), (40, 5, "unequal", 0.1, 0.2)],
)  # fmt: skip
def test_few_and_unequal_clusters_are_covered(clusters, mean, kind, rate, alike):
    generator = np.random.default_rng(3)
    spread = (1 - alike) / alike
    covered = np.zeros(2)
    for _ in range(ROUNDS):
        chance = generator.beta(spread * rate, spread * (1 - rate), clusters)
        cluster = np.repeat(np.arange(clusters), _sizes(kind, clusters, mean, generator))
        y = generator.random(len(cluster)) < chance[cluster]
        score = np.clip(0.1 + 0.8 * chance[cluster] + generator.normal(0, 0.1, len(cluster)), 0, 1)
        rows = generator.choice(len(y), min(60, len(y)), replace=False)
        found = estimate_rate(y[rows], rows, score, cluster=cluster)
        covered += [each.low <= rate <= each.high for each in (found.human_only, found.estimate)]
    assert covered.min() / ROUNDS >= 0.95 - SLACK


def test_labels_that_all_say_the_same_claim_no_more_than_their_clusters():
    cluster = np.repeat(np.arange(10), 20)
    rows = np.arange(0, 200, 2)
    alone = estimate_rate(np.zeros(100), rows, np.zeros(200)).estimate
    together = estimate_rate(np.zeros(100), rows, np.zeros(200), cluster=cluster).estimate
    assert alone.high < 0.04
    assert together.high == pytest.approx(1 - 0.025 ** (1 / 10), abs=0.08)  # none of ten


def test_a_domain_of_everything_is_the_whole_and_one_of_a_stratum_has_its_rate():
    generator = np.random.default_rng(1)
    stratum = np.repeat([0, 1], 400)
    score = generator.random(800)
    y = generator.random(800) < score
    rows = np.r_[generator.choice(400, 60, replace=False), 400 + generator.choice(400, 60, replace=False)]
    whole = estimate_rate(y[rows], rows, score, stratum=stratum)
    assert estimate_rate(y[rows], rows, score, stratum=stratum, member=np.ones(800)).estimate == whole.estimate
    first = estimate_rate(y[rows], rows, score, stratum=stratum, member=stratum == 0)
    alone = estimate_rate(y[rows[:60]], rows[:60], score[:400])
    assert first.estimate.value == pytest.approx(alone.estimate.value, abs=1e-12)
    assert (first.estimate.low, first.estimate.high) == pytest.approx(
        (alone.estimate.low, alone.estimate.high), abs=0.002
    )

"""Two arms looked at every hour: how often alike ones are told apart, and how soon different ones are."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import hypergeom

from canonry.stats.arms import arms_evidence


def test_the_bet_on_an_hour_is_fair_whatever_its_totals():
    for calls, other, total in itertools.product((1, 5, 9), (1, 4), (1, 3, 5)):
        if total > calls + other:
            continue
        hits = np.arange(max(0, total - other), min(calls, total) + 1)
        chance = hypergeom.pmf(hits, calls + other, total, calls)
        worth = [math.exp(arms_evidence([h], [calls], [total - h], [other])[0]) for h in hits]
        assert np.dot(chance, worth) == pytest.approx(1)


def test_alike_arms_are_hardly_ever_told_apart_over_all_looks():
    chance = np.random.default_rng(5)
    alarms = 0
    for _ in range(150):
        rate = chance.uniform(0.02, 0.6, 60)
        n, m = chance.poisson(4, 60), chance.poisson(9, 60)
        evidence = arms_evidence(chance.binomial(n, rate), n, chance.binomial(m, rate), m)
        alarms += evidence.max() >= math.log(1 / 0.05)
    # Promised 5 % of 150; more than 14 have a chance under 1 %.
    assert alarms <= 14


def test_a_worse_arm_is_found_and_only_on_the_side_that_is_watched():
    chance = np.random.default_rng(6)
    n = np.full(80, 10)
    hits, other = chance.binomial(n, 0.25), chance.binomial(n, 0.05)
    assert arms_evidence(hits, n, other, n, down=False).max() > math.log(1 / 0.05)
    assert arms_evidence(hits, n, other, n, up=False).max() < math.log(1 / 0.05)


def test_hours_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="more hits than calls"):
        arms_evidence([3], [2], [0], [1])

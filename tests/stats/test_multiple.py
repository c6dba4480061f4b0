"""A difference is called found as two intervals support it, and of those called found few are none."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import test_proportions_2indep as compare

from canonry.stats.multiple import difference_p_value, discoveries
from canonry.stats.survey import estimate_proportion


def _estimate(positives, labels):
    return estimate_proportion(np.arange(labels) < positives, [0] * labels, [10**9])


@pytest.mark.parametrize(("one", "other"), [((40, 100), (60, 100)), ((3, 80), (14, 90)), ((50, 200), (55, 210))])
def test_the_p_value_is_near_that_of_the_counts(one, other):
    found = difference_p_value(_estimate(*one), _estimate(*other))
    score = compare(*one, *other, method="score", compare="diff").pvalue
    assert score <= found <= 2.5 * score + 0.02  # Clopper and Pearson's intervals are wider
    assert difference_p_value(_estimate(*other), _estimate(*one)) == found


def test_equal_estimates_do_not_differ_and_sure_ones_do():
    assert difference_p_value(_estimate(20, 100), _estimate(20, 100)) == 1.0
    whole = [estimate_proportion(y, [0, 0], [2]) for y in ([0, 0], [0, 1])]
    assert difference_p_value(*whole) == 0.0


def test_what_is_found_is_what_benjamini_and_hochberg_find():
    p_values = np.random.default_rng(1).random(40) ** 3
    assert discoveries(p_values).tolist() == multipletests(p_values, 0.05, method="fdr_bh")[0].tolist()
    assert discoveries([]).tolist() == []


def test_among_many_slices_that_do_not_differ_hardly_any_is_found():
    generator = np.random.default_rng(20261109)
    alone, controlled, rounds = 0, 0, 150
    for _ in range(rounds):
        slices = [_estimate(each, 60) for each in generator.binomial(60, 0.3, 12)]
        found = [difference_p_value(one, slices[0]) for one in slices[1:]]
        alone += min(found) <= 0.05
        controlled += discoveries(found).any()
    assert controlled / rounds <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / rounds)
    assert alone / rounds > 0.1

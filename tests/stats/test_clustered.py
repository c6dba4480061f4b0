"""The bound of a rate over groups of trials: wider when the groups agree within themselves."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from canonry.stats.clustered import clustered_rate_lower_bound


def test_without_clustering_it_is_wilsons_bound() -> None:
    rates = np.full(50, 0.9)
    expected, _ = proportion_confint(450, 500, alpha=0.10, method="wilson")
    assert clustered_rate_lower_bound(rates, trials=10) == pytest.approx(expected)


def test_groups_that_fail_whole_count_as_one_trial_each() -> None:
    rates = np.array([1.0] * 90 + [0.0] * 10)
    expected, _ = proportion_confint(90, 100, alpha=0.10, method="wilson")
    assert clustered_rate_lower_bound(rates, trials=10) == pytest.approx(expected, abs=2e-3)


def test_a_perfect_sample_is_not_certainty() -> None:
    assert 0.99 < clustered_rate_lower_bound(np.ones(100), trials=10) < 1
    assert clustered_rate_lower_bound(np.ones(5), trials=10) < 0.96


def test_it_covers_as_often_as_it_promises() -> None:
    generator = np.random.default_rng(1)
    rates = generator.binomial(10, generator.beta(18, 2, size=(2_000, 80))) / 10
    covered = np.mean([clustered_rate_lower_bound(each, trials=10) <= 0.9 for each in rates])
    assert covered >= 0.93


def test_no_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one group"):
        clustered_rate_lower_bound([], trials=10)

"""The paired bootstrap: its interval covers as often as it says, and pairs are kept together."""

from __future__ import annotations

import numpy as np
import pytest

from canonry.stats.paired import paired_bootstrap_interval


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    draw = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        before = draw.uniform(size=80)
        after = np.clip(before + draw.normal(0.05, 0.2, size=80), -2, 2)
        found = paired_bootstrap_interval(before, after, resamples=400)
        covered += found.low <= 0.05 <= found.high
    assert 0.90 <= covered / 300 <= 0.98


def test_pairs_are_kept_together() -> None:
    before = np.linspace(0, 1, 50)
    found = paired_bootstrap_interval(before, before + 0.1)
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    assert found == paired_bootstrap_interval(before, before + 0.1)
    assert paired_bootstrap_interval(before, before[::-1]).high > 0.05


def test_what_is_not_paired_is_refused() -> None:
    for before, after in (([], []), ([1.0], [1.0, 2.0])):
        with pytest.raises(ValueError, match="expected two values for each"):
            paired_bootstrap_interval(before, after)

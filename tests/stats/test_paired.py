"""The paired score interval, against an independent computation and its own promise of coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from canonry.stats.paired import paired_difference_interval, pairs_to_rule_out


def flags(both: int, lost: int, gained: int, neither: int) -> tuple[list[bool], list[bool]]:
    before = [True] * (both + lost) + [False] * (gained + neither)
    after = [True] * both + [False] * lost + [True] * gained + [False] * neither
    return before, after


def score_by_maximum_likelihood(difference: float, lost: int, gained: int, pairs: int) -> float:
    """The score statistic with its nuisance parameter found numerically, straight from the multinomial likelihood."""
    unchanged = pairs - lost - gained

    def surprise(share_lost: float) -> float:
        shares = np.array([share_lost, share_lost + difference, 1 - 2 * share_lost - difference])
        counts = np.array([lost, gained, unchanged])
        used = counts > 0
        return -float(np.sum(counts[used] * np.log(np.maximum(shares[used], 1e-300))))

    low, high = max(0.0, -difference), (1 - difference) / 2
    found = optimize.minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-13})
    share_lost = min([found.x, low, high], key=surprise)
    variance = pairs * (2 * share_lost + difference * (1 - difference))
    return (gained - lost - pairs * difference) / np.sqrt(variance)


@pytest.mark.parametrize(
    ("both", "lost", "gained", "neither"),
    [(36, 2, 12, 0), (40, 12, 2, 46), (5, 1, 3, 2), (90, 0, 4, 6), (0, 7, 9, 4)],
)
def test_limits_are_where_the_score_statistic_says(both: int, lost: int, gained: int, neither: int) -> None:
    pairs = both + lost + gained + neither
    interval = paired_difference_interval(*flags(both, lost, gained, neither))
    quantile = stats.norm.ppf(0.975)
    assert interval.value == pytest.approx((gained - lost) / pairs)
    assert score_by_maximum_likelihood(interval.low, lost, gained, pairs) == pytest.approx(quantile, abs=1e-4)
    assert score_by_maximum_likelihood(interval.high, lost, gained, pairs) == pytest.approx(-quantile, abs=1e-4)
    assert (interval.lost, interval.gained, interval.pairs) == (lost, gained, pairs)


def test_no_change_still_has_a_width() -> None:
    interval = paired_difference_interval(*flags(80, 0, 0, 20))
    squared = stats.norm.ppf(0.975) ** 2
    assert interval.high == pytest.approx(squared / (100 + squared))
    assert interval.low == pytest.approx(-interval.high)


def test_trading_places_turns_the_interval_round() -> None:
    before, after = flags(50, 3, 9, 10)
    forth, back = paired_difference_interval(before, after), paired_difference_interval(after, before)
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low))


def test_everything_lost_reaches_the_end() -> None:
    interval = paired_difference_interval(*flags(0, 30, 0, 0))
    assert interval.low == pytest.approx(-1)
    assert interval.high < -0.7


@pytest.mark.parametrize(("share_lost", "share_gained"), [(0.05, 0.02), (0.1, 0.25), (0.02, 0.02), (0.3, 0.05)])
def test_intervals_cover_as_often_as_they_promise(share_lost: float, share_gained: float) -> None:
    """Exactly: the probability of every outcome of 40 pairs whose interval holds the true difference."""
    outcomes = [(lost, gained) for lost in range(41) for gained in range(41 - lost)]
    counts = [(lost, gained, 40 - lost - gained) for lost, gained in outcomes]
    chances = stats.multinomial.pmf(counts, 40, [share_lost, share_gained, 1 - share_lost - share_gained])
    covered = 0.0
    for (lost, gained), chance in zip(outcomes, chances, strict=True):
        interval = paired_difference_interval(*flags(40 - lost - gained, lost, gained, 0))
        covered += chance * (interval.low <= share_gained - share_lost <= interval.high)
    assert covered >= 0.94


def test_flags_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="two flags for each"):
        paired_difference_interval([True], [True, False])
    with pytest.raises(ValueError, match="at least one"):
        paired_difference_interval([], [])


@pytest.mark.parametrize("drop", [0.02, 0.05, 0.2])
def test_the_number_of_pairs_needed_is_just_enough(drop: float) -> None:
    enough = pairs_to_rule_out(drop)
    assert paired_difference_interval(*flags(enough, 0, 0, 0)).low >= -drop
    assert paired_difference_interval(*flags(enough - 1, 0, 0, 0)).low < -drop

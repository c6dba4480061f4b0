"""Readings of fixed items: how rarely nothing is called a shift, and how soon a shift is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from canonry.stats.readings import find_shift, shift_probability

ITEMS = 40


def test_windows_of_one_reading_are_mcnemars_test() -> None:
    early, late = np.zeros((1, 10)), np.zeros((1, 10))
    early[0, :8], late[0, :2], late[0, 8] = 1, 1, 1
    probability, items = shift_probability(early, late)
    assert items == 10
    assert probability == pytest.approx(binomtest(1, 7, 0.5).pvalue)


def test_items_that_were_not_read_are_left_out() -> None:
    early, late = np.zeros((1, 12)), np.ones((1, 12))
    early[0, 0] = late[0, 1] = np.nan
    probability, items = shift_probability(early, late)
    assert items == 10 and probability == pytest.approx(2 * 0.5**10)


def test_a_judge_that_wavers_and_stays_the_same_raises_at_most_the_promised_share() -> None:
    draw = np.random.default_rng(20261128)
    runs, alarms = 150, 0
    for _ in range(runs):
        chance = draw.beta(0.6, 0.6, ITEMS)
        alarms += find_shift(draw.random((45, ITEMS)) < chance, 0.2) is not None
    # More than this many of 150 would happen once in a thousand times at a rate of 0.2.
    assert alarms <= 46


@pytest.mark.parametrize(("moved", "within"), [(20, 2), (12, 5), (6, 12)])
def test_a_swap_is_seen_the_sooner_the_more_items_it_moves(moved: int, within: int) -> None:
    draw = np.random.default_rng(7)
    chance = np.where(np.arange(ITEMS) < 20, 0.05, 0.95)
    after = chance.copy()
    after[:moved] = 0.95
    readings = np.vstack([draw.random((10, ITEMS)) < chance, draw.random((20, ITEMS)) < after])
    shift = find_shift(readings)
    assert shift is not None
    assert 10 <= shift.look < 10 + within and abs(shift.since - 10) <= 2
    assert shift.after > shift.before and shift.items == ITEMS


def test_a_judge_that_never_wavers_never_alarms() -> None:
    assert find_shift(np.tile(np.arange(ITEMS) % 2, (400, 1))) is None

"""Streams that are looked at every hour: how often nothing is an alarm, and how soon a shift is."""

import numpy as np
import pytest
from scipy.stats import kstest, norm

from canonry.stats.changes import Watch, even_share, find_changes, seasons
from canonry.stats.changes import _normal_scores as normal_scores
from canonry.stats.changes import _recursive_residuals as recursive_residuals
from canonry.stats.delays import promised_delay, shift_of_share

HOURS = 24 * 7 * 8
WATCH = Watch(warm_up=24 * 7 * 3, horizon=24 * 7 * 5, false_alarms=0.1)
SEASON = seasons(np.arange(HOURS))


def generated(streams: int, seed: int, carry: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Streams with seasons of day and week, a part that carries on, and the noise of a sample of calls; not real."""
    chance = np.random.default_rng(seed)
    hour = np.arange(HOURS)
    counts = chance.poisson(40 + 30 * np.sin(2 * np.pi * hour / 24), (streams, HOURS)) + 1
    load = np.zeros((streams, HOURS))
    for now in range(1, HOURS):
        load[:, now] = carry * load[:, now - 1] + chance.normal(0, 0.3, streams)
    season = np.sin(2 * np.pi * hour / 24) + 0.5 * (hour // 24 % 7 >= 5)
    return season + load + chance.standard_t(6, (streams, HOURS)) * 3 / np.sqrt(counts), counts


def test_recursive_residuals_are_the_errors_of_forecasts_by_least_squares():
    chance = np.random.default_rng(3)
    season = np.column_stack([np.ones(60), chance.normal(size=60)])
    values = chance.normal(size=(1, 60))
    residual, factor, _ = recursive_residuals(values, season, np.ones((1, 60)))
    lagged = np.column_stack([np.concatenate([np.zeros(lag), values[0, :-lag]]) for lag in (1, 2, 3)])
    design = np.hstack([season, lagged])
    past, now = design[:50], design[50]
    weights, *_ = np.linalg.lstsq(past, values[0, :50], rcond=None)
    spread = np.sqrt(1 + now @ np.linalg.inv(past.T @ past) @ now)
    assert residual[0, 50] == pytest.approx((values[0, 50] - now @ weights) / spread, rel=1e-2)
    assert factor[0, 50] == pytest.approx(spread, rel=1e-3)


def test_scores_of_what_comes_in_any_order_are_independent_normals():
    residual = np.random.default_rng(4).exponential(size=(1, 4000))
    scores = normal_scores(residual, 0)[0, 200:]
    assert kstest(scores, norm.cdf).pvalue > 0.01
    assert abs(np.corrcoef(scores[1:], scores[:-1])[0, 1]) < 0.05


def test_scores_are_so_for_values_with_many_ties_and_gaps():
    residual = np.random.default_rng(4).integers(0, 3, size=(1, 4000)).astype(float)
    residual[0, ::7] = np.nan
    scores = normal_scores(residual, 0)[0, 200:]
    assert np.isnan(scores).sum() == np.isnan(residual[0, 200:]).sum()
    assert kstest(scores[~np.isnan(scores)], norm.cdf).pvalue > 0.01


def test_where_nothing_changes_there_are_no_more_alarms_than_promised():
    values, counts = generated(60, seed=5)
    found = find_changes(values, SEASON, counts, WATCH)
    # 60 streams, promised 10 %: more than 13 alarms have a chance under 0.5 %.
    assert np.sum(found.alarm >= 0) <= 13
    assert np.nanstd(found.residual[:, WATCH.warm_up :]) == pytest.approx(1, abs=0.1)


def test_a_shift_is_found_within_the_delay_that_was_promised_and_its_beginning_and_size_are_told():
    values, counts = generated(60, seed=6)
    null = find_changes(values, SEASON, counts, WATCH)
    at, size = WATCH.warm_up + 24 * 14, 1.5
    shifted = values + size * (np.arange(HOURS) >= at)
    found = find_changes(shifted, SEASON, counts, WATCH)
    promised = np.array([promised_delay(null, stream, size, WATCH) for stream in range(60)], dtype=float)
    assert np.all(promised < 24 * 7)
    late = found.alarm - at
    seen = (late >= 0) & (late < promised)
    assert seen.mean() >= 0.8
    assert np.median(np.abs(found.since[seen] - at)) <= 6
    assert np.median(found.shift[seen]) > 0.5


def test_only_the_side_that_is_watched_is_an_alarm():
    values, counts = generated(10, seed=7)
    at = WATCH.warm_up + 24 * 14
    fallen = values - 3 * (np.arange(HOURS) >= at)
    rises = find_changes(fallen, SEASON, counts, Watch(WATCH.warm_up, WATCH.horizon, WATCH.false_alarms, down=False))
    falls = find_changes(fallen, SEASON, counts, Watch(WATCH.warm_up, WATCH.horizon, WATCH.false_alarms, up=False))
    assert np.mean(rises.alarm >= 0) <= 0.3
    assert np.mean(falls.alarm >= at) >= 0.7


def test_what_lies_ahead_does_not_change_what_was_found():
    values, counts = generated(3, seed=8)
    end = WATCH.warm_up + 24 * 7
    whole = find_changes(values, SEASON, counts, WATCH)
    part = find_changes(values[:, :end], SEASON[:end], counts[:, :end], WATCH)
    np.testing.assert_allclose(part.evidence, whole.evidence[:, :end])


def test_too_short_a_warm_up_is_refused():
    with pytest.raises(ValueError, match="warm_up is 20, expected at least 52"):
        find_changes(np.zeros((1, 100)), SEASON[:100], watch=Watch(warm_up=20))


def test_a_small_shift_may_never_be_found_for_sure():
    values, counts = generated(1, seed=9)
    found = find_changes(values, SEASON, counts, WATCH)
    assert promised_delay(found, 0, 0.001, WATCH) is None


def test_shares_of_few_calls_move_less_on_the_scale_of_even_noise():
    moved = shift_of_share([0, 3, 3, 1000], 0.01, 0.04)
    chance = np.random.default_rng(1)
    seen = [even_share(chance.binomial(3, share, 200_000), np.full(200_000, 3)).mean() for share in (0.01, 0.04)]
    assert np.isnan(moved[0])
    assert moved[1] == moved[2] == pytest.approx(seen[1] - seen[0], rel=0.03)
    assert moved[3] == pytest.approx(np.arcsin(np.sqrt(0.04)) - np.arcsin(np.sqrt(0.01)), rel=0.05)

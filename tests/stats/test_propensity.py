"""Feedback reweighted by the chance of giving it: the truth is covered where the assumption holds, and only there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import stdtrit

from bench.feedback import HOLDS, coverage, estimates, simulate
from canonry.stats.propensity import Refused, bands, fit_response
from canonry.stats.reweighting import raw_mean, reweighted_mean


def sample(seed: int = 0, calls: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One covariate of three levels, who responded, and what everybody thought."""
    generator = np.random.default_rng(seed)
    level = generator.choice(3, calls, p=[0.5, 0.3, 0.2])
    responded = generator.random(calls) < np.array([0.05, 0.15, 0.4])[level]
    return level, responded, (generator.random(calls) < np.array([0.8, 0.6, 0.3])[level]).astype(float)


def reweighted(level, responded, figure, cluster=None, member=None):
    everyone = np.ones(len(responded), dtype=bool) if member is None else member
    cluster = np.arange(len(responded)) if cluster is None else cluster
    return reweighted_mean([(fit_response({"level": level}, responded), figure, everyone)], [cluster])


def test_in_simulated_windows_the_reweighted_interval_covers_and_the_raw_one_does_not():
    raw, covered, raw_bias, bias, _ = coverage(HOLDS, 150)
    # Of 150 intervals that each cover with 95 %, fewer than 134 do so once in a thousand times.
    assert covered >= 134 / 150
    assert raw < 0.1
    assert abs(bias) < 0.006 < 0.08 < -raw_bias


def test_in_simulated_windows_nothing_helps_where_the_answer_itself_selects():
    raw, covered, raw_bias, bias, _ = coverage("the answer selects", 40)
    assert raw < 0.1 and covered < 0.1
    assert raw_bias < bias < -0.08


def test_in_simulated_windows_where_nothing_selects_it_is_as_good_as_raw():
    raw, covered, *_ = coverage("nothing selects", 60)
    assert min(raw, covered) >= 51 / 60


def test_with_one_covariate_it_is_poststratification_and_so_is_its_variance():
    level, responded, liked = sample()
    found = reweighted(level, responded, liked)
    share = np.bincount(level) / len(level)
    of_level = np.bincount(level[responded], liked[responded]) / np.bincount(level[responded])
    value = share @ of_level
    assert found.value == pytest.approx(value, abs=1e-9)
    # What each call moves the stratified mean by: through its level's mean, and through the level's size.
    answered = np.bincount(level[responded])
    influence = (of_level[level] - value) / len(level)
    influence += np.where(responded, share[level] / answered[level] * (liked - of_level[level]), 0)
    variance = (influence**2).sum() * answered.sum() / (answered.sum() - 1)
    quantile = -stdtrit((influence**2).sum() ** 2 / (influence**4).sum() - 1, 0.025)
    size = value * (1 - value) / variance
    centre, spread = value + quantile**2 / (2 * size), value * (1 - value) / size + (quantile / (2 * size)) ** 2
    low, high = ((centre + sign * quantile * np.sqrt(spread)) / (1 + quantile**2 / size) for sign in (-1, 1))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_where_everybody_responds_there_is_nothing_to_reweight():
    level, _, liked = sample(calls=300)
    everybody = np.ones(300, dtype=bool)
    assert reweighted(level, everybody, liked) == raw_mean(liked, np.arange(300))


def test_what_one_user_says_twice_counts_once():
    level, responded, liked = sample()
    once, twice = (
        reweighted(*(np.repeat(each, times) for each in (level, responded, liked)), np.repeat(np.arange(3000), times))
        for times in (1, 2)
    )
    assert (twice.value, twice.low, twice.high) == pytest.approx((once.value, once.low, once.high), abs=1e-6)
    apart = reweighted(*(np.repeat(each, 2) for each in (level, responded, liked)))
    assert apart.high - apart.low < 0.8 * (twice.high - twice.low)


def test_a_covariate_that_says_the_same_as_another_changes_nothing():
    level, responded, liked = sample()
    response = fit_response({"level": level, "again": 2 - level}, responded)
    found = reweighted_mean([(response, liked, np.ones(3000, dtype=bool))], [np.arange(3000)])
    assert found.high == pytest.approx(reweighted(level, responded, liked).high, abs=1e-6)


def test_a_slice_and_its_complement_make_the_whole():
    level, responded, liked = sample()
    member = np.arange(3000) % 2 == 0
    response = fit_response({"level": level}, responded)
    halves = [reweighted_mean([(response, liked, each)], [np.arange(3000)]) for each in (member, ~member)]
    weights = [(responded & each) @ (1 / response.chance) for each in (member, ~member)]
    whole = reweighted(level, responded, liked)
    assert whole.value == pytest.approx(np.average([each.value for each in halves], weights=weights))
    assert all(each.high - each.low > whole.high - whole.low for each in halves)


def test_products_are_modelled_apart_and_estimated_together():
    parts, clusters = [], []
    for seed in (1, 2):
        level, responded, liked = sample(seed)
        parts.append((fit_response({"level": level}, responded), liked, np.ones(3000, dtype=bool)))
        clusters.append(np.arange(3000) + 3000 * seed)
    both = reweighted_mean(parts, clusters)
    each = [reweighted_mean([part], [cluster]) for part, cluster in zip(parts, clusters, strict=True)]
    assert both.value == pytest.approx(np.mean([one.value for one in each]), abs=1e-6)
    widths = [one.high - one.low for one in each]
    assert both.high - both.low == pytest.approx(np.hypot(*widths) / 2, rel=0.02)


def test_all_alike_still_leaves_a_doubt():
    level, responded, _ = sample()
    found = reweighted(level, responded, np.ones(3000))
    assert found.value == found.high == 1 and 0.95 < found.low < 1


def test_the_same_calls_in_another_order_say_the_same():
    calls = simulate(HOLDS, np.random.default_rng(3))
    order = np.random.default_rng(4).permutation(len(calls.liked))
    moved = type(calls)(
        {name: each[order] for name, each in calls.covariates.items()},
        calls.liked[order],
        calls.responded[order],
        calls.user[order],
    )
    assert estimates(moved)[1].low == pytest.approx(estimates(calls)[1].low, abs=1e-9)


def test_what_the_data_cannot_support_is_refused_with_the_reason():
    level, responded, liked = sample()
    few = responded & (np.cumsum(responded) <= 29)
    with pytest.raises(Refused, match="29 responses, fewer than 30"):
        fit_response({"level": level}, few)
    with pytest.raises(Refused, match="only 4 calls without a response"):
        fit_response({"level": level}, np.arange(3000) > 3)
    with pytest.raises(Refused, match="no overlap: 20% of the calls are of a level that nobody answered"):
        fit_response({"level": level}, responded & (level != 2))
    with pytest.raises(Refused, match="responses of 5 users or sessions, fewer than 10"):
        reweighted(level, responded, liked, np.arange(3000) % 5)
    rare = np.where(level == 2, 0.9, 0.004)
    with pytest.raises(Refused, match=r"no overlap: 8\d% of the calls are less than 1/10 as likely"):
        fit_response({"level": level}, np.random.default_rng(1).random(3000) < rare)
    with pytest.raises(Refused, match=r"^15 responses, fewer than 20$"):
        raw_mean(liked[:15], np.arange(15))
    with pytest.raises(ValueError, match="figure: expected from 0 to 1"):
        raw_mean([0.5, -1], [0, 1])


def test_few_of_a_level_are_put_with_others_and_said():
    level, responded, _ = sample()
    level[:60] = 3
    responded[:60] = False
    found = fit_response({"level": level, "many": np.arange(3000) % 60}, responded)
    assert (found.used, found.left_out) == (("level",), ("many",))
    assert found.uncovered == 60 / 3000


def test_bands_hold_as_many_each_and_what_is_missing_apart():
    numbers = np.arange(100.0)
    numbers[:20] = np.nan
    assert np.bincount(bands(numbers)).tolist() == [16, 16, 16, 16, 16, 20]
    assert bands([np.nan, np.nan]).tolist() == [5, 5]

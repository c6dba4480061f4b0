"""The interval covers what it claims to, is exact where an exact answer is known, and never claims too much."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from canonry.stats.survey import allow_for_uncovered, clopper_pearson, estimate_proportion


@pytest.mark.parametrize(("positives", "labels"), [(0, 10), (1, 10), (5, 10), (10, 10), (3, 200)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_one_stratum_of_a_huge_population_is_clopper_pearson(positives, labels, confidence):
    y = [1] * positives + [0] * (labels - positives)
    found = estimate_proportion(y, [0] * labels, [10**12], confidence=confidence)
    low, high = proportion_confint(positives, labels, alpha=1 - confidence, method="beta")
    assert found.value == pytest.approx(positives / labels)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
    assert clopper_pearson(positives, labels, confidence) == pytest.approx((low, high), abs=1e-12)


def test_value_variance_and_effective_labels_equal_a_computation_by_hand():
    # Strata of 100, 300 and 50 calls with 2 of 5, 1 of 4 and 3 of 10 labels positive.
    y = [1, 1, 0, 0, 0] + [1, 0, 0, 0] + [1, 1, 1] + [0] * 7
    found = estimate_proportion(y, [0] * 5 + [1] * 4 + [2] * 10, [100, 300, 50])
    value = (100 * 2 / 5 + 300 * 1 / 4 + 50 * 3 / 10) / 450
    variance = (
        (100 / 450) ** 2 * (1 - 5 / 100) * (0.4 * 0.6 * 5 / 4) / 5
        + (300 / 450) ** 2 * (1 - 4 / 300) * (0.25 * 0.75 * 4 / 3) / 4
        + (50 / 450) ** 2 * (1 - 10 / 50) * (0.3 * 0.7 * 10 / 9) / 10
    )
    kish = 450**2 / (100**2 / 5 + 300**2 / 4 + 50**2 / 10)
    by_variance = 19 * value * (1 - value) / 18 / variance
    t_18, t_16 = 2.10092204, 2.11990530  # 97.5 % points, from a printed table
    effective = min(kish, by_variance) * (t_18 / t_16) ** 2
    assert found.value == pytest.approx(value)
    assert found.variance == pytest.approx(variance)
    assert found.effective_labels == pytest.approx(effective, rel=1e-6)
    low, high = proportion_confint(value * effective, effective, method="beta")
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6)


def test_a_domain_is_the_weighted_ratio_with_its_linearised_variance():
    y, member = np.array([1, 0, 1, 0, 1, 0]), np.array([1, 1, 0, 1, 1, 1])
    stratum, sizes = np.array([0, 0, 0, 1, 1, 1]), np.array([30, 90])
    found = estimate_proportion(y, stratum, sizes, member=member)
    size = 2 * 10 + 3 * 30
    value = (10 * 1 + 30 * 1) / size
    z = member * (y - value) / size
    variance = sum((1 - 3 / n) * n**2 / 3 * np.var(z[stratum == position], ddof=1) for position, n in enumerate(sizes))
    assert found.value == pytest.approx(value)
    assert found.variance == pytest.approx(variance)


def test_a_domain_of_everything_has_the_value_and_variance_of_the_whole():
    y, stratum = [1, 0, 0, 1, 0], [0, 0, 0, 1, 1]
    whole = estimate_proportion(y, stratum, [9, 8])
    domain = estimate_proportion(y, stratum, [9, 8], member=[1] * 5)
    assert (domain.value, domain.variance) == pytest.approx((whole.value, whole.variance))


def test_a_population_labeled_whole_leaves_no_doubt():
    found = estimate_proportion([1, 0, 0, 1], [0, 0, 1, 1], [2, 2])
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)
    assert found.variance == 0
    assert math.isinf(found.effective_labels)


def test_the_interval_never_contradicts_a_label():
    found = estimate_proportion([0] * 9, [0] * 9, [10])
    assert (found.low, found.high) == pytest.approx((0, 0.1))


def test_no_positive_among_few_labels_of_a_heavy_stratum_claims_little():
    found = estimate_proportion([0] * 6 + [0] * 60, [0] * 6 + [1] * 60, [9900, 100])
    alone = estimate_proportion([0] * 6, [0] * 6, [9900]).high
    assert found.high >= alone * 0.98


def test_an_uncovered_share_may_be_anything():
    known = estimate_proportion([0, 1] * 20, [0] * 40, [1000])
    widened = allow_for_uncovered(known, 0.8)
    assert widened.low == pytest.approx(0.8 * known.low)
    assert widened.high == pytest.approx(0.8 * known.high + 0.2)
    assert allow_for_uncovered(known, 1.0) == known


@pytest.mark.parametrize(
    ("y", "stratum", "sizes", "member", "message"),
    [
        ([1], [0], [5, 7], None, r"population\.1: no label"),
        ([1, 0], [0, 0], [1], None, r"population\.0: 1 calls, but 2 labels"),
        ([1], [1], [5], None, "stratum: names position 1"),
        ([1], [0], [5], [0], "member: no label"),
    ],
)
def test_a_sample_that_cannot_be_is_an_error_naming_the_stratum(y, stratum, sizes, member, message):
    with pytest.raises(ValueError, match=message):
        estimate_proportion(y, stratum, sizes, member=member)


@pytest.mark.parametrize(
    ("sizes", "rates", "labels"),
    [
        pytest.param([100] * 14, [0.02] * 14, [6] * 14, id="rare in two weeks of equal days"),
        pytest.param([80, 120, 30] * 7, [0.05, 0.05, 0.3] * 7, [6] * 21, id="one product is worse"),
        pytest.param([2000, 100, 50], [0.01, 0.2, 0.5], [6] * 3, id="rare in a heavy stratum"),
        pytest.param([9000, 1000], [0.2, 0.02], [6, 60], id="few labels where most calls are"),
        pytest.param(list(range(10, 400, 20)), [0.1] * 20, [1] * 20, id="one label a stratum"),
        pytest.param([10] * 5, [0.2, 0, 0.5, 0.9, 0.1], [6] * 5, id="most of a small population"),
        pytest.param([500] * 7, [0.5] * 7, [6] * 7, id="an even split"),
        pytest.param([500], [0.1], [10], id="ten labels"),
    ],
)
def test_the_interval_covers_the_truth_as_often_as_it_says(sizes, rates, labels):
    rounds, confidence = 600, 0.95
    generator = np.random.default_rng(20261109)
    positives = [round(size * rate) for size, rate in zip(sizes, rates, strict=True)]
    truth = sum(positives) / sum(sizes)
    stratum = np.repeat(np.arange(len(sizes)), labels)
    covered = 0
    for _ in range(rounds):
        y = np.zeros(len(stratum))
        for position, (size, count, drawn) in enumerate(zip(sizes, positives, labels, strict=True)):
            found = generator.hypergeometric(count, size - count, drawn)
            y[np.flatnonzero(stratum == position)[:found]] = 1
        estimate = estimate_proportion(y, stratum, sizes, confidence=confidence)
        covered += estimate.low - 1e-12 <= truth <= estimate.high + 1e-12
    assert covered / rounds >= confidence - 2 * math.sqrt(confidence * (1 - confidence) / rounds)

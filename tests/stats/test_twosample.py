"""Two windows of calls: how often nothing is called a change, and which real changes are found."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.feature_extraction.text import HashingVectorizer

from canonry.stats.shares import difference_interval, mean_share
from canonry.stats.twosample import (
    LEAST_P_VALUE,
    embedding_features,
    larger_shares,
    squared_distance,
    stability_index,
    two_sample_test,
)

SIMULATIONS = 200


def windows(current: int, reference: int) -> np.ndarray:
    return np.arange(current + reference) < current


def at_most(rate: float, simulations: int = SIMULATIONS) -> float:
    """A share that so many tests of this rate stay below, but for one time in a thousand."""
    return rate + 3.1 * np.sqrt(rate * (1 - rate) / simulations)


def test_embeddings_of_one_distribution_are_called_different_no_more_often_than_stated():
    now = windows(20, 60)
    p_values = []
    for seed in range(SIMULATIONS):
        vectors = np.random.default_rng(seed).standard_t(3, size=(80, 24))
        p_values.append(two_sample_test(embedding_features(vectors), now, squared_distance, seed=seed).p_value)
    for rate in (0.01, 0.05, 0.2):
        assert np.mean(np.array(p_values) <= rate) <= at_most(rate)


def test_calls_of_one_asker_that_hang_together_raise_no_alarm():
    """Each asker has a topic of their own and ten calls: units are askers, so that this is no drift."""
    now = windows(12, 36)
    found = []
    for seed in range(SIMULATIONS):
        chance = np.random.default_rng(seed)
        topics = chance.normal(size=(48, 16))
        calls = topics[:, None] + 0.3 * chance.normal(size=(48, 10, 16))
        found.append(two_sample_test(embedding_features(calls.mean(axis=1)), now, squared_distance, seed=seed).p_value)
        if seed == 0:
            alone = embedding_features(calls.reshape(480, 16))
            assert two_sample_test(alone, np.repeat(now, 10), squared_distance).p_value < 0.001
    assert np.mean(np.array(found) <= 0.05) <= at_most(0.05)


def test_weekends_that_differ_are_no_drift_where_they_are_shared_out_among_themselves():
    """The reference has working days alone but for a few, the window weekends alone but for a few."""
    chance = np.random.default_rng(1)
    now = windows(40, 120)
    weekend = np.concatenate([np.arange(40) < 30, np.arange(120) < 30])
    vectors = chance.normal(size=(160, 8)) + 3 * weekend[:, None]
    plain = two_sample_test(embedding_features(vectors), now, squared_distance)
    matched = two_sample_test(embedding_features(vectors, weekend), now, squared_distance, strata=weekend)
    assert plain.p_value < 1e-3 < 0.05 < matched.p_value


def test_stability_index_of_a_small_sample_is_large_and_no_alarm():
    """Twelve classes and thirty calls: the usual 0.25 is passed by chance alone, the p-value is not."""
    now = windows(30, 200)
    large, alarms = [], []
    for seed in range(SIMULATIONS):
        classes = np.eye(12)[np.random.default_rng(seed).integers(0, 12, 230)]
        result = two_sample_test(classes, now, stability_index(30, 200), seed=seed)
        large.append(result.value > 0.25)
        alarms.append(result.p_value <= 0.05)
    assert np.mean(large) > 0.5
    assert np.mean(alarms) <= at_most(0.05)


@pytest.mark.parametrize("deviations", [4.0, 5.0, 6.0])
def test_p_values_too_small_to_count_come_near_the_true_ones_and_not_below(deviations):
    """One direction: the permuted distance is that of a normal mean, whose tail is known."""
    now = windows(100, 300)
    reach = np.sqrt(1 / 100 + 1 / 300)
    vectors = np.random.default_rng(2).normal(size=(400, 1))
    vectors -= np.where(now, vectors[now].mean(), vectors[~now].mean())[:, None]
    vectors = vectors / vectors.std()
    # So that the difference is as many deviations of both windows together, the shift itself included.
    shift = deviations * reach / np.sqrt(1 - (deviations * reach) ** 2 * 0.25 * 0.75)
    vectors[now] += shift
    true = max(2 * norm.sf(deviations), LEAST_P_VALUE)
    assert true / 2 <= two_sample_test(vectors, now, squared_distance).p_value <= 30 * true


def test_the_same_windows_give_the_same_result():
    vectors = np.random.default_rng(3).normal(size=(50, 4))
    assert two_sample_test(vectors, windows(10, 40), squared_distance) == two_sample_test(
        vectors, windows(10, 40), squared_distance
    )


def test_a_window_without_units_is_refused():
    with pytest.raises(ValueError, match="0 in one and 5 in the other"):
        two_sample_test(np.zeros((5, 2)), np.zeros(5, bool), squared_distance)


def test_answers_of_another_model_are_found_and_other_answers_of_the_same_are_not(shared_data: Path):
    """RAGTruth's descriptions of places, sources of the two windows never the same; words hashed for want of time."""
    with gzip.open(shared_data / "ragtruth" / "responses.jsonl.gz") as lines:
        rows = [row for row in map(json.loads, lines) if row["task_type"] == "Data2txt"]
    sources = sorted({row["source_id"] for row in rows})
    said = {(row["source_id"], row["model"]): row["response"] for row in rows}
    hashed = HashingVectorizer(n_features=128, alternate_sign=True)

    def p_value(current: str) -> float:
        keys = [(source, current) for source in sources[:30]] + [(source, "gpt-4-0613") for source in sources[30:]]
        keys = [key for key in keys if key in said]
        now = np.array([key[0] in sources[:30] for key in keys])
        vectors = hashed.transform([said[key] for key in keys]).toarray()
        return two_sample_test(embedding_features(vectors), now, squared_distance).p_value

    assert p_value("llama-2-7b-chat") < 1e-4
    assert p_value("gpt-3.5-turbo-0613") < 0.01
    assert p_value("gpt-4-0613") > 0.05


def test_only_the_share_that_grew_is_found_larger():
    chance = np.random.default_rng(4)
    shares = np.eye(4)[np.concatenate([chance.choice(4, 60, p=[0.55, 0.15, 0.15, 0.15]), chance.integers(0, 4, 180)])]
    found = larger_shares(shares, windows(60, 180))
    assert found[0] < 0.001
    assert (found[1:] > 0.05).all()


def test_interval_of_a_difference_holds_the_difference_as_often_as_it_says():
    held = []
    for seed in range(600):
        chance = np.random.default_rng(seed)
        _, low, high = difference_interval(chance.random(25) < 0.3, chance.random(80) < 0.1)
        held.append(low <= 0.2 <= high)
    assert np.mean(held) > 0.93


def test_interval_of_a_mean_of_shares_holds_it_and_is_narrower_than_of_yes_or_no():
    held, widths = [], []
    for seed in range(600):
        shares = np.random.default_rng(seed).beta(2, 8, 40)
        _, low, high = mean_share(shares)
        held.append(low <= 0.2 <= high)
        widths.append(high - low)
    yes_or_no = mean_share(np.arange(40) < 8)
    assert np.mean(held) > 0.93
    assert np.mean(widths) < yes_or_no[2] - yes_or_no[1]


def test_a_share_that_was_never_seen_has_an_upper_bound():
    assert mean_share(np.zeros(20)) == (0.0, 0.0, pytest.approx(0.161, abs=0.01))

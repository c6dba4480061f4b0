"""Every design chooses as often as it says, alone and in pairs, and estimates what it claims to: 1,000 draws.

Bounds hold for all items together with an error rate of one in a million, by Bonferroni's and the chi-square bound.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections import Counter
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom, chi2

from canonry.catalog.specs import SampleScore, Sampling
from canonry.label.draws import make_draw
from canonry.labels import SLICE_FIELDS
from canonry.stats.survey import estimate_proportion

DAY, NOW = dt.date(2026, 11, 9), dt.datetime(2026, 11, 10, 1)
DRAWS, ERROR_RATE = 1000, 1e-6

DESIGNS = {
    "simple": {"design": "simple", "per_day": 120},
    "stratified": {"strata": ("response_model",), "per_stratum": 20},
    "proportional": {"strata": ("feature", "response_model"), "per_day": 120, "allocation": "proportional"},
    "neyman": {"strata": ("feature",), "per_day": 120, "allocation": "neyman"},
    "poisson, random": {"design": "poisson", "per_day": 120},
    "poisson, by score": {
        "design": "poisson",
        "strata": ("feature",),
        "per_day": 120,
        "score": SampleScore(by="uncertainty", scorer="s", metric="m", random_share=0.3),
    },
}


@pytest.fixture(scope="module")
def real(shared_data):
    """RAGTruth's answers as a frame; whether each is hallucinated; a score that knows a little: length and truth."""
    with gzip.open(shared_data / "ragtruth" / "responses.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    with gzip.open(shared_data / "ragtruth" / "sources.jsonl.gz", "rt") as lines:
        tasks = {row["source_id"]: row["task_type"] for row in map(json.loads, lines)}
    columns = {
        "inference_id": [f"{row['source_id']}-{row['model']}" for row in rows],
        "product": ["ragtruth"] * len(rows),
        "team": ["ai-quality"] * len(rows),
        "feature": [tasks[row["source_id"]] for row in rows],
        "response_model": [row["model"] for row in rows],
        "prompt_name": ["rag"] * len(rows),
        "prompt_version": ["v1"] * len(rows),
    }
    truth = {name: bool(row["labels"]) for name, row in zip(columns["inference_id"], rows, strict=True)}
    scores = np.array([min(len(row["response"]), 2000) / 2000 for row in rows])
    return pa.table(columns), truth, scores


def _draw(scheme, sampling, seed, frame, scores=None):
    sampled = sampling.model_copy(update={"seed": seed})
    spread = {'{"feature": "QA"}': 0.4, '{"feature": "Summary"}': 0.3}
    return make_draw(
        "groundedness",
        scheme.model_copy(update={"sampling": sampled}),
        DAY,
        frame,
        NOW,
        scores=scores if sampling.score else None,
        spread=spread if sampling.allocation == "neyman" else {},
    )


def _estimate(draw, truth):
    y = [truth[item.inference_id] for item in draw.items]
    chance = [item.inclusion_probability if draw.design == "poisson" else np.nan for item in draw.items]
    stratum = [item.stratum for item in draw.items]
    return estimate_proportion(y, stratum, [each.population for each in draw.strata], probability=chance)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_thousand_draws_of_real_answers_choose_as_often_as_they_say(scheme, real, design):
    frame, truth, scores = real
    sampling = Sampling(**DESIGNS[design])
    chosen: Counter[str] = Counter()
    probability: dict[str, float] = {}
    totals, ratios, covered, sizes = [], [], 0, []
    rate = sum(truth.values()) / len(truth)
    for seed in range(DRAWS):
        draw = _draw(scheme, sampling, seed, frame, scores)
        sizes.append(len(draw.items))
        for item in draw.items:
            chosen[item.inference_id] += 1
            assert probability.setdefault(item.inference_id, item.inclusion_probability) == item.inclusion_probability
        totals.append(sum(truth[item.inference_id] / item.inclusion_probability for item in draw.items))
        estimate = _estimate(draw, truth)
        ratios.append(estimate.value)
        covered += estimate.low <= rate <= estimate.high

    assert len(probability) == len(truth)
    # The budget holds, on average where the design lets it vary.
    expected = sum(probability.values())
    assert expected == pytest.approx(120)
    assert abs(np.mean(sizes) - expected) <= 5 * np.std(sizes) / DRAWS**0.5 + 1e-9
    pi = np.array([probability[name] for name in truth])
    seen = np.array([chosen[name] for name in truth])
    tail = ERROR_RATE / len(pi) / 2
    assert np.all((binom.ppf(tail, DRAWS, pi) <= seen) & (seen <= binom.isf(tail, DRAWS, pi)))
    statistic = np.sum((seen - DRAWS * pi) ** 2 / (DRAWS * pi * (1 - pi)))
    assert statistic <= chi2.isf(ERROR_RATE, len(pi))
    # Totals by 1 / pi are unbiased; the ratio has a bias of order 1 / n, far below its Monte Carlo error.
    for found, true in ((totals, sum(truth.values())), (ratios, rate)):
        assert abs(np.mean(found) - true) <= 4 * np.std(found) / DRAWS**0.5
    assert covered / DRAWS >= 0.95 - 3 * (0.95 * 0.05 / DRAWS) ** 0.5


@pytest.mark.parametrize("design", ["simple", "stratified", "poisson, by score"])
def test_pairs_are_chosen_together_as_often_as_the_draw_says(scheme, real, design):
    whole, _, scores = real
    frame, small = whole.slice(0, 12), scores[:12]
    sampling = Sampling(**{**DESIGNS[design], **({"per_stratum": 1} if design == "stratified" else {"per_day": 5})})
    together: Counter[tuple[str, str]] = Counter()
    probability: dict[tuple[str, str], float] = {}
    rounds = 4 * DRAWS
    for seed in range(rounds):
        draw = _draw(scheme, sampling, seed, frame, small)
        for one, other in combinations(sorted(draw.items, key=lambda item: item.inference_id), 2):
            pair = (one.inference_id, other.inference_id)
            together[pair] += 1
            probability[pair] = draw.joint_probability(one, other)
    tail = ERROR_RATE / 66 / 2
    for pair, joint in probability.items():
        assert binom.ppf(tail, rounds, joint) <= together[pair] <= binom.isf(tail, rounds, joint), pair
    if design == "simple":
        assert len(probability) == 66
        assert set(probability.values()) == {5 * 4 / (12 * 11)}


def test_negative_feedback_first_is_for_training_only_and_has_no_joint_probability(scheme, real):
    frame, _, _ = real
    sampling = Sampling(design="negative_feedback_first", per_day=10)
    disliked = np.zeros(frame.num_rows)
    disliked[[3, 77, 500]] = 1
    draw = make_draw("g", scheme.model_copy(update={"sampling": sampling}), DAY, frame, NOW, scores=disliked)
    assert draw.for_training_only
    assert len(draw.items) == 10
    assert {frame["inference_id"][row].as_py() for row in (3, 77, 500)} <= {item.inference_id for item in draw.items}
    assert {item.inclusion_probability for item in draw.items} == {None}
    with pytest.raises(ValueError, match="for training only"):
        draw.joint_probability(*draw.items[:2])


def test_a_budget_below_the_number_of_strata_is_drawn_from_all_alike(scheme, real):
    frame, _, _ = real
    draw = _draw(scheme, Sampling(strata=("response_model",), per_day=3), 0, frame)
    assert [(dict(each.values), each.population, each.drawn) for each in draw.strata] == [({}, 1652, 3)]


def test_every_item_keeps_the_facts_it_is_sliced_by(scheme, real):
    frame, _, _ = real
    draw = _draw(scheme, Sampling(strata=("response_model",), per_stratum=2), 0, frame)
    for item in draw.items:
        assert set(item.fields) == set(SLICE_FIELDS)
        assert draw.strata[item.stratum].values["response_model"] == item.fields["response_model"]

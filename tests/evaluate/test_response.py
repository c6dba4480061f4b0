"""Items without a label: why they have none is counted, and what they could have changed is said."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from canonry.catalog.specs import Sampling
from canonry.evaluate.estimates import estimate_all, estimate_sample, window_of
from canonry.evaluate.response import response_by_stratum
from canonry.evaluate.sample import NEGATIVE, POSITIVE, UNLABELED, Sample, read_sample

DAY = dt.date(2026, 11, 15)
EVAL = "hallucination-rate"
SKIPPED, TIED, NOT_REACHED = [None], ["grounded", "hallucinated"], []


@pytest.fixture
def sample(zones, catalog, live_day):
    """Two models with 60 calls each; of m1's, what reviewers made of each sixth is given."""

    def make(open_items, **design):
        sampling = Sampling.model_validate({"strata": ["response_model"], **design})
        scheme = catalog.schemes["groundedness"].model_copy(update={"sampling": sampling})
        catalog.schemes["groundedness"] = scheme
        calls = [
            {"inference_id": f"{model}-{number}", "product": "site", "response_model": model}
            for model in ("m1", "m2")
            for number in range(60)
        ]
        truth = {call["inference_id"]: ["grounded"] for call in calls}
        truth |= {f"m1-{number}": ["hallucinated"] for number in range(1, 60, 4)}
        live_day(DAY, calls, truth | {f"m1-{number}": open_items for number in range(0, 60, 6)})
        return read_sample(zones, catalog.evals[EVAL], scheme, window_of(catalog.evals[EVAL], DAY))

    return make


def _whole(catalog, sample):
    (row,) = [row for row in estimate_sample(EVAL, catalog.evals[EVAL], sample, DAY) if row["slice"] == "all"]
    return row


def _settled(sample, outcome):
    """The sample, had those who gave no label said this."""
    open_items, nobody = sample.skipped | sample.tied, np.zeros(len(sample.outcome), dtype=bool)
    return replace(sample, outcome=np.where(open_items, outcome, sample.outcome), skipped=nobody, tied=nobody)


@pytest.mark.parametrize("design", [{"per_stratum": 40}, {"design": "poisson", "per_day": 90}])
@pytest.mark.parametrize("open_items", [SKIPPED, TIED])
def test_the_worst_case_holds_whatever_the_answers_that_are_missing(catalog, sample, open_items, design):
    drawn = sample(open_items, **design)
    row = _whole(catalog, drawn)
    if_no, if_yes = (_whole(catalog, _settled(drawn, outcome)) for outcome in (NEGATIVE, POSITIVE))
    assert row["worst_case_low"] == pytest.approx(if_no["interval_low"])
    assert row["worst_case_high"] == pytest.approx(if_yes["interval_high"])
    assert (
        row["worst_case_low"] - 1e-9
        <= row["interval_low"]
        < row["value"]
        < row["interval_high"]
        < row["worst_case_high"]
    )
    assert row["undecided"] == row["drawn"] - row["labels"] > 3
    word = "skipped" if open_items is SKIPPED else "tied"
    assert f"({row['undecided']} {word}) taken as missing at random within their stratum" in row["method"]
    assert f"{row['worst_case_low']:.1%} to {row['worst_case_high']:.1%} whatever the answer" in row["method"]


def test_items_that_nobody_came_to_yet_are_no_worse_case(catalog, sample):
    row = _whole(catalog, sample(NOT_REACHED, per_stratum=40))
    assert row["labels"] < row["drawn"] and row["undecided"] == 0
    assert (row["worst_case_low"], row["worst_case_high"]) == (row["interval_low"], row["interval_high"])


def test_who_answered_is_counted_by_stratum(zones, catalog, sample):
    drawn = sample(SKIPPED, per_stratum=60)
    first, second = response_by_stratum(drawn)
    assert (dict(first.values), first.drawn, first.labeled, first.skipped) == ({"response_model": "m1"}, 60, 50, 10)
    assert (first.tied, first.waiting, first.rate) == (0, 0, 50 / 60)
    assert (second.labeled, second.rate) == (60, 1)
    assert estimate_all(zones, catalog, DAY).response == {EVAL: [first, second]}


def test_where_bad_answers_are_skipped_more_often_only_the_worst_case_holds_the_truth(catalog):
    """Simulated: half of the bad answers are skipped, and one good one in twenty."""
    generator = np.random.default_rng(20261109)
    plain, worst, rate, rounds = 0, 0, 0.2, 100
    for _ in range(rounds):
        bad = generator.random(200) < rate
        skipped = generator.random(200) < np.where(bad, 0.5, 0.05)
        row = _whole(catalog, _one_stratum(np.where(skipped, UNLABELED, bad.astype(int)), skipped))
        plain += row["interval_low"] <= rate <= row["interval_high"]
        worst += row["worst_case_low"] <= rate <= row["worst_case_high"]
    assert plain < 0.5 * rounds
    assert worst >= 0.95 * rounds


def _one_stratum(outcome: np.ndarray, skipped: np.ndarray) -> Sample:
    nobody = np.zeros(len(outcome), dtype=bool)
    return Sample(
        scheme_version=1,
        days=(DAY,),
        products=(),
        strata=({},),
        population=np.array([100_000]),
        day=np.zeros(1, dtype=int),
        poisson=np.zeros(1, dtype=bool),
        stratum=np.zeros(len(outcome), dtype=int),
        probability=np.full(len(outcome), np.nan),
        outcome=outcome,
        simulated=~nobody,
        tied=nobody,
        skipped=skipped,
        fields=({"product": "p", "team": None, "feature": None, "response_model": "m"},) * len(outcome),
        undrawn=0,
    )

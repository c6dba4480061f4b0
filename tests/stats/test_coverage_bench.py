"""On real answers the promise holds: coverage as said, narrower by scores that help, no wider by those that do not."""

from __future__ import annotations

import math

import pytest

from bench._scores import ragtruth
from bench.coverage import resample, scorers

ROUNDS = 200
SLACK = 2.5 * math.sqrt(0.95 * 0.05 / ROUNDS)


@pytest.fixture(scope="module")
def answers(shared_data):
    return scorers(ragtruth(shared_data, quick=True))


@pytest.mark.parametrize("design", ["uniform", "stratified", "poisson by uncertainty"])
@pytest.mark.parametrize("budget", [25, 100, 400])
def test_scores_of_other_sources_narrow_the_interval_at_no_cost_to_coverage(answers, design, budget):
    found = resample(answers["real"], design, budget, ROUNDS)
    assert found.covered >= 0.95 - SLACK
    assert found.relative <= 0.83
    assert found.saving >= 1.4


@pytest.mark.parametrize("scorer", ["useless", "contrary"])
@pytest.mark.parametrize("design", ["uniform", "poisson by uncertainty"])
def test_scores_that_say_nothing_or_the_contrary_cost_nothing(answers, scorer, design):
    found = resample(answers[scorer], design, 50, ROUNDS)
    assert found.covered >= 0.95 - SLACK
    assert found.relative <= 1.03
    assert found.coefficient < 0.15

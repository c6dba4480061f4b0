"""What scores add to labels: coverage and width of 95 % intervals over simulated draws from real, labeled answers.

Each dataset is a finite population whose share of hallucinated answers is known. For each design and budget many draws
are simulated; every drawn answer has its real label, and every answer the score of a scorer that never saw its source.
`useless` is the same scores in another order, `contrary` is 1 - score. The ratio is the mean, over budgets, of the
prediction-powered interval's width over the human-only one's, on RAGTruth drawn uniformly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench._report import arguments, report
from bench._scores import Scored, halueval, ragtruth
from canonry.stats.designs import allocate, poisson_probabilities, whole_numbers
from canonry.stats.ppi import estimate_with_scores

BUDGETS = (25, 50, 100, 200, 400)
RANDOM_SHARE = 0.5


@dataclass(frozen=True)
class Found:
    """Over all simulated draws of one design and budget."""

    labels: float
    covered: float
    """Share of the intervals that hold the truth."""
    human_covered: float
    width: float
    human_width: float
    saving: float
    """Human-only labels of that width, a label."""
    coefficient: float


Drawn = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Rows drawn, the strata of all answers, the strata's sizes, inclusion probabilities (NaN of simple samples)."""


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=2000, quick_rows=100)
    budgets = BUDGETS[::2] if options.quick else BUDGETS
    rows: list[tuple[Any, ...]] = []
    ratios = []
    for answers in (ragtruth(options.data, quick=options.quick), halueval(options.data)):
        fit = float(np.corrcoef(answers.positive, answers.score)[0, 1] ** 2)
        print(
            f"{answers.name}: {len(answers.positive):,} answers, {answers.positive.mean():.1%} hallucinated, "
            f"score explains {fit:.0%} of the variance"
        )
        for scorer, scored in scorers(answers).items():
            for design in DESIGNS:
                for budget in budgets:
                    found = resample(scored, design, budget, options.rows)
                    told = (found.labels, found.covered, found.human_covered, found.width)
                    relative = found.width / found.human_width
                    name = f"{answers.name}, {scorer} score, {design}"
                    rows.append((name, budget, *told, relative, found.saving, found.coefficient))
                    if (answers.name, scorer, design) == ("RAGTruth", "real", "uniform"):
                        ratios.append(relative)
    print(f"{options.rows:,} simulated draws each\n")
    header = ("", "budget", "labels", "coverage", "human-only", "width", "/ human-only", "labels' worth", "coefficient")
    report("estimates", float(np.mean(ratios)), "lower", header, rows)


def scorers(answers: Scored) -> dict[str, Scored]:
    """The answers with their real scores, with useless ones and with contrary ones."""
    shuffled = np.random.default_rng(1).permutation(answers.score)
    return {
        "real": answers,
        "useless": replace(answers, score=shuffled),
        "contrary": replace(answers, score=1 - answers.score),
    }


def resample(answers: Scored, design: str, budget: int, rounds: int, seed: int = 20261109) -> Found:
    """Estimates of the share of positives from `rounds` simulated draws."""
    generator = np.random.default_rng([seed, budget])
    truth, mean = float(answers.positive.mean()), float(answers.score.mean())
    draw = DESIGNS[design](answers, budget, generator)
    found = np.zeros((rounds, 7))
    for each in range(rounds):
        rows, stratum, sizes, probability = draw()
        got = estimate_with_scores(
            answers.positive[rows], answers.score[rows], stratum[rows], sizes, mean, probability=probability
        )
        ours, human = got.estimate, got.human_only
        found[each] = (
            len(rows),
            ours.low - 1e-12 <= truth <= ours.high + 1e-12,
            human.low - 1e-12 <= truth <= human.high + 1e-12,
            ours.high - ours.low,
            human.high - human.low,
            got.labels_worth / len(rows),
            got.coefficient,
        )
    return Found(*found.mean(0).tolist())


def _uniform(answers: Scored, budget: int, generator: np.random.Generator) -> Callable[[], Drawn]:
    size = len(answers.positive)
    strata, unknown = np.zeros(size, dtype=np.intp), np.full(budget, np.nan)
    return lambda: (generator.choice(size, budget, replace=False), strata, np.array([size]), unknown)


def _stratified(answers: Scored, budget: int, generator: np.random.Generator) -> Callable[[], Drawn]:
    sizes = np.bincount(answers.stratum)
    wanted = whole_numbers(allocate(np.ones(len(sizes)), sizes, budget), sizes, budget)
    members = [np.flatnonzero(answers.stratum == each) for each in range(len(sizes))]

    def draw() -> Drawn:
        rows = [generator.choice(rows, n, replace=False) for rows, n in zip(members, wanted, strict=True)]
        return np.concatenate(rows), answers.stratum, sizes, np.full(budget, np.nan)

    return draw


def _by_uncertainty(answers: Scored, budget: int, generator: np.random.Generator) -> Callable[[], Drawn]:
    size = len(answers.positive)
    chance = poisson_probabilities(budget, 1 - np.abs(2 * answers.score - 1), RANDOM_SHARE)

    def draw() -> Drawn:
        rows = np.flatnonzero(generator.random(size) < chance)
        return rows, np.zeros(size, dtype=np.intp), np.array([size]), chance[rows]

    return draw


DESIGNS: dict[str, Callable[[Scored, int, np.random.Generator], Callable[[], Drawn]]] = {
    "uniform": _uniform,
    "stratified": _stratified,
    "poisson by uncertainty": _by_uncertainty,
}


if __name__ == "__main__":
    main()

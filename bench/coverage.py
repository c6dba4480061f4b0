"""What scores add to labels: coverage and width of 95 % intervals over simulated draws from real, labeled answers.

Each dataset is a finite population whose share of hallucinated answers is known. For each design and budget many draws
are simulated; every drawn answer has its real label, and every answer the score of a scorer that never saw its source.
Under `rate by document` the answers are drawn, too: documents come anew each time, with all of their answers, and what
is estimated is the rate behind them. `useless` is the same scores in another order, `contrary` is 1 - score. The ratio
is the mean, over budgets, of the prediction-powered interval's width over the human-only one's, on RAGTruth drawn
uniformly. The human-only interval is Korn and Graubard's, which is cautious; `/ same kind` is the width over that of
an interval from the labels alone that is made as the prediction-powered one is: what the scores themselves add. Cells
whose coverage is not 93 to 97 % are named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench._report import arguments, report
from bench._scores import Scored, halueval, ragtruth
from canonry.stats.designs import allocate, poisson_probabilities, whole_numbers
from canonry.stats.ppi import PredictionPowered, estimate_with_scores, jeffreys, labels_of
from canonry.stats.rates import estimate_rate
from canonry.stats.survey import Proportion

BUDGETS = (25, 50, 100, 200, 400)
RANDOM_SHARE = 0.5
WIDEST = {"real": 1.0, "useless": 1.03, "contrary": 1.03}


@dataclass(frozen=True)
class Found:
    """Over all simulated draws of one design and budget."""

    labels: float
    covered: float
    """Share of the intervals that hold the truth."""
    human_covered: float
    width: float
    human_width: float
    same_kind_width: float
    """Of an interval without scores that has the ends of the one with them."""
    saving: float
    """Human-only labels of that width, a label."""
    coefficient: float

    @property
    def relative(self) -> float:
        """The interval's width over that of the human-only one."""
        return self.width / self.human_width


Draw = Callable[[], PredictionPowered]
"""The estimate of one simulated draw."""


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=2000, quick_rows=100)
    budgets = BUDGETS[::2] if options.quick else BUDGETS
    rows: list[tuple[Any, ...]] = []
    ratios = []
    outside = []
    for answers in (ragtruth(options.data, quick=options.quick), halueval(options.data)):
        fit = float(np.corrcoef(answers.positive, answers.score)[0, 1] ** 2)
        print(
            f"{answers.name}: {len(answers.positive):,} answers, {answers.positive.mean():.1%} hallucinated, "
            f"score explains {fit:.0%} of the variance",
            flush=True,
        )
        designs = [each for each in DESIGNS if each != BY_DOCUMENT or answers.name == "RAGTruth"]
        for scorer, scored in scorers(answers).items():
            for design in designs:
                for budget in budgets:
                    found = resample(scored, design, budget, options.rows)
                    told = (found.labels, found.covered, found.human_covered, found.width)
                    name = f"{answers.name}, {scorer} score, {design}"
                    beside = (found.relative, found.width / found.same_kind_width)
                    rows.append((name, budget, *told, *beside, found.saving, found.coefficient))
                    outside += [f"{name}, {budget}: {said}" for said in _outside(found, WIDEST[scorer])]
                    if (answers.name, scorer, design) == ("RAGTruth", "real", "uniform"):
                        ratios.append(found.relative)
    print(f"{options.rows:,} simulated draws each\n")
    widths = ("width", "/ human-only", "/ same kind")
    header = ("", "budget", "labels", "coverage", "human-only", *widths, "labels' worth", "coefficient")
    report(
        "coverage", float(np.mean(ratios)), "lower", header, rows, notes=outside or ["no cell is outside 93 to 97 %"]
    )


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
    truth = float(answers.positive.mean())
    draw = DESIGNS[design](answers, budget, generator)
    found = np.zeros((rounds, 8))
    for each in range(rounds):
        got = draw()
        ours, human = got.estimate, got.human_only
        found[each] = (
            got.labels,
            ours.low - 1e-12 <= truth <= ours.high + 1e-12,
            human.low - 1e-12 <= truth <= human.high + 1e-12,
            ours.high - ours.low,
            human.high - human.low,
            _same_kind(human, got.labels),
            got.labels_worth / got.labels,
            got.coefficient,
        )
    return Found(*found.mean(0).tolist())


def _same_kind(human: Proportion, labels: float) -> float:
    """Width of Jeffreys' interval for the labels that have the human-only variance, whatever their weights claim."""
    if not 0 < human.value < 1 or human.variance <= 0:
        return human.high - human.low
    effective = labels_of(human.value, human.variance, labels)
    low, high = jeffreys(human.value * effective, effective, 0.95)
    return min(high, 1.0) - max(low, 0.0)


def _outside(found: Found, widest: float) -> list[str]:
    said = [
        f"{name} covers {share:.1%}"
        for name, share in (("prediction-powered", found.covered), ("human-only", found.human_covered))
        if not 0.93 <= share <= 0.97
    ]
    return said + ([f"{found.relative:.3f} as wide as human-only"] if found.relative > widest else [])


def _uniform(answers: Scored, budget: int, generator: np.random.Generator) -> Draw:
    size = len(answers.positive)
    return lambda: _estimate(answers, generator.choice(size, budget, replace=False), np.zeros(size, dtype=np.intp))


def _stratified(answers: Scored, budget: int, generator: np.random.Generator) -> Draw:
    sizes = np.bincount(answers.stratum)
    wanted = whole_numbers(allocate(np.ones(len(sizes)), sizes, budget), sizes, budget)
    members = [np.flatnonzero(answers.stratum == each) for each in range(len(sizes))]

    def draw() -> PredictionPowered:
        rows = [generator.choice(rows, n, replace=False) for rows, n in zip(members, wanted, strict=True)]
        return _estimate(answers, np.concatenate(rows), answers.stratum)

    return draw


def _by_uncertainty(answers: Scored, budget: int, generator: np.random.Generator) -> Draw:
    size = len(answers.positive)
    chance = poisson_probabilities(budget, 1 - np.abs(2 * answers.score - 1), RANDOM_SHARE)

    def draw() -> PredictionPowered:
        rows = np.flatnonzero(generator.random(size) < chance)
        return _estimate(answers, rows, np.zeros(size, dtype=np.intp), chance[rows])

    return draw


def _by_document(answers: Scored, budget: int, generator: np.random.Generator) -> Draw:
    members = [np.flatnonzero(answers.source == each) for each in range(answers.source.max() + 1)]

    def draw() -> PredictionPowered:
        came = [members[each] for each in generator.integers(len(members), size=len(members))]
        calls, document = np.concatenate(came), np.repeat(np.arange(len(came)), [len(each) for each in came])
        labeled = generator.choice(len(calls), budget, replace=False)
        return estimate_rate(answers.positive[calls[labeled]], labeled, answers.score[calls], cluster=document)

    return draw


def _estimate(
    answers: Scored, rows: np.ndarray, stratum: np.ndarray, probability: np.ndarray | None = None
) -> PredictionPowered:
    return estimate_with_scores(
        answers.positive[rows],
        answers.score[rows],
        stratum[rows],
        np.bincount(stratum),
        float(answers.score.mean()),
        probability=probability,
    )


BY_DOCUMENT = "rate by document"

DESIGNS: dict[str, Callable[[Scored, int, np.random.Generator], Draw]] = {
    "uniform": _uniform,
    "stratified": _stratified,
    "poisson by uncertainty": _by_uncertainty,
    BY_DOCUMENT: _by_document,
}


if __name__ == "__main__":
    main()

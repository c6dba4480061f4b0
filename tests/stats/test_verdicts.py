"""Verdicts keep what they promise: what they say wrongly, and how often an equal candidate passes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import multinomial

from canonry.stats.noninferiority import critical_value, pairs_for_power, power_of
from canonry.stats.paired import design_effect, tango_scores
from canonry.stats.verdicts import Verdict, first, gravest, judge_means, judge_pairs, same, undecided


def flags(pairs: int, lost: int, gained: int) -> tuple[np.ndarray, np.ndarray]:
    before = np.zeros(pairs, dtype=bool)
    after = np.zeros(pairs, dtype=bool)
    before[:lost] = True
    after[lost : lost + gained] = True
    return before, after


def passing(pairs: int, margin: float) -> np.ndarray:
    """(lost, gained) whether the verdict on so many changes passes."""
    lost, gained = np.meshgrid(np.arange(pairs + 1), np.arange(pairs + 1), indexing="ij")
    return (tango_scores(-margin, lost, gained, pairs) >= critical_value(pairs, margin)) & (lost + gained <= pairs)


def test_every_outcome_is_judged_by_the_same_rule_as_the_simulations() -> None:
    passes = passing(22, 0.2)
    assert 10 < passes.sum() < 150
    for lost, gained in itertools.product((0, 1, 3, 6), (1, 5, 9, 14, 20)):
        if lost + gained <= 22:
            assert judge_pairs(*flags(22, lost, gained), 0.2).passed == passes[lost, gained]


def probability(passes: np.ndarray, changed: float, difference: float) -> float:
    """Of passing, by SciPy's own multinomial."""
    pairs = len(passes) - 1
    lost, gained = np.nonzero(passes)
    chances = [(changed - difference) / 2, (changed + difference) / 2, 1 - changed]
    return float(multinomial.pmf(np.stack([lost, gained, pairs - lost - gained], axis=1), pairs, chances).sum())


def test_what_is_worse_by_the_margin_passes_at_most_as_often_as_promised() -> None:
    """Exactly, by SciPy's multinomial, at shares between those that the critical value was found with."""
    passes = passing(30, 0.2)
    assert passes.sum() > 10
    worst = max(probability(passes, changed, -0.2) for changed in np.linspace(0.2, 0.9, 101))
    assert 0.015 < worst <= 0.025


@pytest.mark.parametrize(
    ("pairs", "margin", "changed"),
    [(n, m, c) for n, m, c in itertools.product((60, 150, 400), (0.05, 0.1), (0.11, 0.3))],
)
def test_simulated_regressions_of_the_margin_are_let_through_at_most_as_often_as_promised(
    pairs: int, margin: float, changed: float
) -> None:
    draw = np.random.default_rng(7)
    lost, gained, _ = draw.multinomial(pairs, [(changed + margin) / 2, (changed - margin) / 2, 1 - changed], 200_000).T
    passed = passing(pairs, margin)[lost, gained].mean()
    assert passed <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 200_000)


@pytest.mark.parametrize(("margin", "changed", "power"), [(0.05, 0.02, 0.8), (0.05, 0.1, 0.8), (0.1, 0.2, 0.9)])
def test_an_equal_candidate_passes_as_often_as_planned(margin: float, changed: float, power: float) -> None:
    pairs = pairs_for_power(margin, changed, power)
    assert pairs is not None
    draw = np.random.default_rng(3)
    lost, gained, _ = draw.multinomial(pairs, [changed / 2, changed / 2, 1 - changed], 200_000).T
    passed = passing(pairs, margin)[lost, gained].mean()
    assert passed >= power - 3 * np.sqrt(power * (1 - power) / 200_000)
    assert power_of(pairs, margin, changed) == pytest.approx(passed, abs=0.005)
    assert power_of(pairs * 3 // 4, margin, changed) < power


@pytest.mark.parametrize(
    ("lost", "gained", "word"),
    [(0, 0, "not worse"), (5, 30, "better"), (60, 5, "worse"), (20, 12, "undecided"), (12, 8, "not worse")],
)
def test_the_word_is_read_off_the_interval(lost: int, gained: int, word: str) -> None:
    verdict = judge_pairs(*flags(300, lost, gained), 0.05)
    assert verdict.word == word
    assert verdict.low is not None and verdict.high is not None
    expected = (
        "better"
        if verdict.low > 0
        else "not worse"
        if verdict.low >= -0.05
        else "worse"
        if verdict.high < -0.05
        else "undecided"
    )
    assert word == expected
    assert verdict.passed == (word in ("better", "not worse"))
    assert (verdict.lost, verdict.gained, verdict.pairs) == (lost, gained, 300)


def test_too_few_items_are_undecided_and_say_how_many_are_needed() -> None:
    verdict = judge_pairs(*flags(20, 0, 0), 0.05)
    assert verdict.word == "undecided"
    assert verdict.power is not None and verdict.power < 0.1
    assert verdict.needed is not None
    assert f"{verdict.needed:,} items are needed, {verdict.needed - 20:,} more" in verdict.message
    # With so many the same candidate, of whose pairs as many may change, has the wanted power.
    assert power_of(verdict.needed, 0.05, 1 / 22) >= 0.8


def test_nothing_to_compare_by_is_undecided_and_says_how_many_are_needed() -> None:
    verdict = judge_pairs([], [], 0.1)
    assert verdict.word == "undecided" and verdict.needed
    assert f"at least {verdict.needed} items are needed" in verdict.message


def test_more_items_help_none_that_is_worse_than_the_margin() -> None:
    assert pairs_for_power(0.05, 0.2, 0.8, difference=-0.05) is None
    assert pairs_for_power(0.05, 0.2, 0.8, difference=-0.02) > pairs_for_power(0.05, 0.2, 0.8)  # type: ignore[operator]


def test_items_that_change_together_count_as_fewer() -> None:
    before, after = flags(300, 20, 10)
    alone = judge_pairs(before, after, 0.1)
    together = judge_pairs(before, after, 0.1, groups=list(np.arange(300) // 10))
    assert alone.passed and not together.passed
    assert together.value == alone.value
    assert together.needed is not None and alone.needed is not None and together.needed > alone.needed


def test_groups_of_items_that_change_alone_cost_little() -> None:
    change = np.random.default_rng(5).choice([-1.0, 0, 1], 3_000, p=[0.1, 0.8, 0.1])
    assert design_effect(change, None) == 1
    assert design_effect(change, list(range(3_000))) == pytest.approx(1, abs=0.01)
    assert design_effect(change, np.arange(3_000) // 3) == pytest.approx(1, abs=0.15)  # type: ignore[arg-type]
    assert design_effect(np.repeat(change[:1_000], 3), np.arange(3_000) // 3) == pytest.approx(3, abs=0.05)  # type: ignore[arg-type]
    assert design_effect(np.zeros(30), np.arange(30) // 3) == 3  # type: ignore[arg-type]


def test_means_are_judged_by_the_same_words() -> None:
    draw = np.random.default_rng(2)
    before = draw.random(400)
    assert judge_means(before, before + draw.normal(0, 0.05, 400), 0.05).word == "not worse"
    assert judge_means(before, before - 0.1 + draw.normal(0, 0.05, 400), 0.05).word == "worse"
    assert judge_means(before, before + 0.1, 0.05).word == "better"
    few = judge_means(before[:20], before[:20] + draw.normal(0, 0.3, 20), 0.05)
    assert few.word == "undecided" and few.needed is not None and few.needed > 100


def test_the_gravest_of_several_decides() -> None:
    verdicts = [Verdict("better", ""), same(), undecided(""), first("")]
    assert gravest(verdicts).word == "undecided"
    assert gravest([*verdicts, Verdict("worse", "")]).word == "worse"
    assert first("").passed and same().passed and not undecided("").passed


@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_margins_at_the_ends_are_judged_too(margin: float) -> None:
    assert judge_pairs(*flags(50, 0, 0), margin).passed == (margin == 1)
    assert judge_pairs(*flags(50, 1, 20), margin).word == "better"

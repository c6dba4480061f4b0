"""What every promotion gate reads: a candidate beside what is released, as one word against a margin.

The word is read off the interval of the paired difference, candidate minus released, where more is better:

    better      wholly above 0
    not worse   wholly above -margin
    worse       wholly below -margin
    undecided   holds -margin: neither is ruled out
    first       nothing is released yet, so there is no difference; what let it pass is in the message
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from canonry.stats.noninferiority import critical_value, pairs_for_power, power_of
from canonry.stats.paired import design_effect, paired_bootstrap_interval, paired_difference_interval

Word = Literal["first", "better", "not worse", "worse", "undecided"]

PASSES: frozenset[Word] = frozenset({"first", "better", "not worse"})
POWER = 0.8

_ROUNDING = 1e-12
_GRAVEST_FIRST: tuple[Word, ...] = ("worse", "undecided", "not worse", "better", "first")


@dataclass(frozen=True)
class Verdict:
    """A word with what it was read off. Of what was not compared the numbers are None."""

    word: Word
    message: str
    value: float | None = None
    """Paired difference, candidate minus released."""
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    confidence: float = 0.95
    pairs: int = 0
    power: float | None = None
    """How likely a candidate that is equal passes with so many pairs, of which as many change as here."""
    power_wanted: float | None = None
    needed: int | None = None
    """Pairs with the wanted power; None where no number of them has it."""
    lost: int | None = None
    gained: int | None = None

    @property
    def passed(self) -> bool:
        """A gate lets it through."""
        return self.word in PASSES

    def to_metadata(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def judge_pairs(
    before: ArrayLike,
    after: ArrayLike,
    margin: float,
    *,
    confidence: float = 0.95,
    power: float = POWER,
    groups: Sequence[object] | None = None,
    what: str = "share of good answers",
) -> Verdict:
    """The verdict on yes or no of the same items: booleans (n,), of what is released and of the candidate.

    A candidate worse by exactly the margin passes in at most (1 - confidence) / 2 of samples (see noninferiority.py).
    """
    first, second = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    if not len(first):
        needed = pairs_for_power(margin, margin, power, confidence)
        return undecided(f"there is nothing to compare by; at least {needed} items are needed", margin, needed)
    worth = 1 / design_effect(second.astype(float) - first, groups)
    effective = max(1, int(len(first) * worth))
    quantile = max(critical_value(effective, each, confidence) for each in (margin, 0.0))
    found = paired_difference_interval(first, second, confidence, groups=groups, quantile=min(quantile, _LARGEST))
    # That no pair of a few changed does not say that none would.
    changed = (found.lost + found.gained + 1) / (found.pairs + 2)
    had = power_of(effective, margin, changed, confidence)
    needed = pairs_for_power(margin, changed, power, confidence)
    if needed is not None and had >= power:
        # An equal one would have passed: so many are needed if the difference is what it seems.
        needed = pairs_for_power(margin, changed, power, confidence, min(found.value, 0.0))
    needed = None if needed is None else max(1, round(needed / worth))
    word = _word(found.low, found.high, margin)
    changes = f", {found.lost} lost, {found.gained} gained"
    return Verdict(
        word,
        _said(what, found.value, found.low, found.high, margin, confidence, found.pairs, changes, word, had, needed),
        found.value,
        found.low,
        found.high,
        margin,
        confidence,
        found.pairs,
        had,
        power,
        needed,
        found.lost,
        found.gained,
    )


def judge_means(
    before: ArrayLike,
    after: ArrayLike,
    margin: float,
    *,
    confidence: float = 0.95,
    power: float = POWER,
    what: str = "mean",
) -> Verdict:
    """The verdict on values of the same items, floats (n,), by their bootstrapped mean difference."""
    found = paired_bootstrap_interval(before, after, confidence)
    change = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    quantile, wanted = (NormalDist().inv_cdf(each) for each in ((1 + confidence) / 2, power))
    spread = float(change.std(ddof=1)) if len(change) > 1 else 1.0
    had = NormalDist().cdf(margin * len(change) ** 0.5 / spread - quantile) if spread else 1.0
    towards = margin + (min(found.value, 0.0) if had >= power else 0.0)
    needed = max(1, int(np.ceil(((quantile + wanted) * spread / towards) ** 2))) if towards > 0 else None
    word = _word(found.low, found.high, margin)
    return Verdict(
        word,
        _said(what, found.value, found.low, found.high, margin, confidence, found.pairs, "", word, had, needed),
        found.value,
        found.low,
        found.high,
        margin,
        confidence,
        found.pairs,
        had,
        power,
        needed,
    )


def first(message: str) -> Verdict:
    """Nothing is released to compare with, and nothing speaks against it."""
    return Verdict("first", message)


def same(message: str = "the candidate is the released version, byte for byte") -> Verdict:
    """What is not another version cannot be worse."""
    return Verdict("not worse", message, 0.0, 0.0, 0.0)


def undecided(message: str, margin: float | None = None, needed: int | None = None) -> Verdict:
    """It could not be compared: the message says why, and what to do."""
    return Verdict("undecided", message, margin=margin, needed=needed)


def gravest(verdicts: Iterable[Verdict]) -> Verdict:
    """The one that decides where a candidate is judged by several figures: the worst word."""
    return min(verdicts, key=lambda each: _GRAVEST_FIRST.index(each.word))


_LARGEST = 38.0
"""A score that no count reaches: with so few pairs nothing is ever ruled out."""


def _word(low: float, high: float, margin: float) -> Word:
    if low > 0:
        return "better"
    if low >= -margin - _ROUNDING:
        return "not worse"
    return "worse" if high < -margin else "undecided"


def _said(
    what: str,
    value: float,
    low: float,
    high: float,
    margin: float,
    confidence: float,
    pairs: int,
    changes: str,
    word: Word,
    power: float,
    needed: int | None,
) -> str:
    measured = (
        f"{what} {value:+.3f} ({confidence:.0%} interval {low:+.3f} to {high:+.3f}) over {pairs:,} items{changes}; "
    )
    if word == "better":
        return f"{measured}better: a difference of 0 is ruled out"
    if word == "not worse":
        return f"{measured}not worse: a drop of more than {margin:g} is ruled out"
    if word == "worse":
        return f"{measured}worse: it dropped by more than {margin:g}"
    surely = "it is surely worse, though perhaps by less; " if high < 0 else ""
    return (
        f"{measured}undecided: a drop of more than {margin:g} is not ruled out; {surely}{_advice(pairs, power, needed)}"
    )


def _advice(pairs: int, power: float, needed: int | None) -> str:
    passes = f"with so many items an equal candidate passes in {power:.0%} of cases"
    if needed is None:
        return f"{passes}, and more items would not help one that is as it seems: look at what it lost"
    if needed <= pairs:
        return f"{passes}: look at what it lost"
    return f"{passes}; {needed:,} items are needed, {needed - pairs:,} more"

"""How many labels an interval of a given width takes, by simulating draws from a population like the one seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from canonry.stats.survey import estimate_proportion

ROUNDS = 100


def expected_width(
    sizes: np.ndarray,
    labels: np.ndarray,
    positives: np.ndarray,
    seen: np.ndarray,
    confidence: float = 0.95,
    rounds: int = ROUNDS,
) -> float:
    """Mean width of `estimate_proportion`'s interval over simulated draws of `labels` (H,) from strata of `sizes` (H,).

    Each stratum's rate is drawn anew in each round from what `positives` of `seen` (H,) labels leave open (Jeffreys'
    prior); of a stratum of which nothing was seen it is one half, which gives the widest interval.
    """
    generator = np.random.default_rng(20261109)
    stratum = np.repeat(np.arange(len(sizes)), labels)
    starts = np.concatenate([[0], np.cumsum(labels)[:-1]])
    place = np.arange(len(stratum)) - starts[stratum]
    widths = []
    for _ in range(rounds):
        rates = np.where(seen > 0, generator.beta(positives + 0.5, seen - positives + 0.5), 0.5)
        bad = np.rint(sizes * rates).astype(np.int64)
        found = generator.hypergeometric(bad, sizes - bad, labels)
        estimate = estimate_proportion(place < found[stratum], stratum, sizes, confidence=confidence)
        widths.append(estimate.high - estimate.low)
    return float(np.mean(widths))


def least_budget(width_of: Callable[[int], float], width: float, least: int, most: int) -> int | None:
    """The least budget in least..most with an expected width of at most `width`; None where even the most is wider."""
    if width_of(most) > width:
        return None
    while least < most:
        middle = (least + most) // 2
        if width_of(middle) <= width:
            most = middle
        else:
            least = middle + 1
    return most

"""Is a candidate surely no worse than what is released, by more than a margin? The size and the power of that question.

Of n pairs of yes or no, `lost` turned from yes to no and `gained` from no to yes. T. Tango, Statistics in Medicine 17
(1998) 891-908, has the statistic; that a test of it errs as seldom as it says, whatever share of pairs changes, is
computed here over every outcome, as H. Hsueh, J. Liu and J. Chen do in Biometrics 57 (2001) 478-483.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from scipy.special import gammaln, ndtr, xlogy

from canonry.stats.paired import pairs_to_rule_out, tango_scores

EXACT_UP_TO = 200
"""Pairs; of more the statistic exceeds what the normal limit says by four in ten thousand at most."""

_BEYOND = 0.015
"""Added to the normal quantile beyond, which is more than that."""

_NORMAL_FROM = 3_000
"""Pairs from which power is read off the normal limit."""

_SHARES, _MOST_CHANGED = 60, 0.9


@lru_cache(maxsize=4096)
def critical_value(pairs: int, margin: float, confidence: float = 0.95) -> float:
    """What the score statistic at `-margin` must reach, so that a candidate worse by it reaches that seldom enough.

    At most in (1 - confidence) / 2 of samples of `pairs`, whatever share of them changes, up to nine in ten; never less
    than the normal quantile, which a few designs exceed by two in a thousand.
    """
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)
    if margin >= _MOST_CHANGED:
        return quantile
    if pairs > EXACT_UP_TO:
        return quantile + _BEYOND
    lost, gained = _outcomes(pairs, 0, pairs)
    scores = tango_scores(-margin, lost, gained, pairs)
    reached = np.flatnonzero(scores >= quantile - 1e-9)
    order = reached[np.argsort(-scores[reached], kind="stable")]
    lost, gained, scores = lost[order], gained[order], scores[order]
    most = np.zeros(len(order))
    # Dense where few pairs change: there the outcomes are coarse.
    for changed in margin + (_MOST_CHANGED - margin) * np.linspace(0, 1, _SHARES) ** 2:
        np.maximum(most, np.cumsum(_probability(lost, gained, pairs, changed, -margin)), out=most)
    allowed = most <= (1 - confidence) / 2
    if allowed.all():
        return quantile
    first_excluded = scores[int(np.argmin(allowed))]
    kept = scores[scores > first_excluded + 1e-9]
    return float(kept[-1]) - 1e-9 if len(kept) else math.inf


def power_of(pairs: int, margin: float, changed: float, confidence: float = 0.95, difference: float = 0.0) -> float:
    """How likely a candidate with this true `difference` is found no worse by more than `margin`.

    `changed`: share of pairs of which one is yes and the other no.
    """
    changed = min(max(changed, abs(difference)), 1.0)
    if pairs > _NORMAL_FROM:
        quantile = critical_value(pairs, margin, confidence)
        spread = math.sqrt(max(changed - difference**2, margin * (1 - margin)) / pairs)
        return float(ndtr((margin + difference) / spread - quantile))
    # What lies eight deviations away adds nothing.
    middle, reach = pairs * changed / 2, 8 * math.sqrt(pairs * changed / 2) + 8 + pairs * abs(difference)
    lost, gained = _outcomes(pairs, math.floor(middle - reach), math.ceil(middle + reach))
    passes = tango_scores(-margin, lost, gained, pairs) >= critical_value(pairs, margin, confidence)
    return float(min(_probability(lost[passes], gained[passes], pairs, changed, difference).sum(), 1.0))


@lru_cache(maxsize=1024)
def pairs_for_power(
    margin: float, changed: float, power: float, confidence: float = 0.95, difference: float = 0.0
) -> int | None:
    """Fewest pairs with which `power_of` is reached; None where the true difference is no better than the margin."""
    if difference <= -margin:
        return None
    changed = min(max(changed, abs(difference)), 1.0)
    low = pairs_to_rule_out(margin, confidence) if margin < 1 else 1
    quantile, wanted = (NormalDist().inv_cdf(each) for each in ((1 + confidence) / 2, power))
    spread = max(changed - difference**2, margin * (1 - margin))
    about = math.ceil(spread * ((quantile + max(wanted, 0.0)) / (margin + difference)) ** 2)
    high = max(low, about)
    while power_of(high, margin, changed, confidence, difference) < power:
        low, high = high, math.ceil(high * 1.25)
    while low < high:
        middle = (low + high) // 2
        if power_of(middle, margin, changed, confidence, difference) >= power:
            high = middle
        else:
            low = middle + 1
    return high


def _outcomes(pairs: int, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """Every `lost` and `gained` that so many pairs can have, each of them in low..high."""
    counts = np.arange(max(low, 0), min(high, pairs) + 1)
    lost, gained = np.meshgrid(counts, counts, indexing="ij")
    possible = lost + gained <= pairs
    return lost[possible], gained[possible]


def _probability(lost: np.ndarray, gained: np.ndarray, pairs: int, changed: float, difference: float) -> np.ndarray:
    """Of each outcome, where pairs change with these chances (a trinomial)."""
    kept = pairs - lost - gained
    ways = gammaln(pairs + 1) - gammaln(lost + 1) - gammaln(gained + 1) - gammaln(kept + 1)
    loses, gains = (changed - difference) / 2, (changed + difference) / 2
    chances = (max(loses, 0.0), max(gains, 0.0), max(1 - changed, 0.0))
    logs = sum(xlogy(count, chance) for count, chance in zip((lost, gained, kept), chances, strict=True))
    return np.exp(ways + logs)

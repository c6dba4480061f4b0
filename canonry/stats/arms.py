"""Two arms of a canary compared hour by hour, with a chance of a false alarm that holds however often it is looked at.

Of an hour's calls with and without a property, given how many have it in all, how many of those fall into one arm is
hypergeometric where the arms are alike, whatever the hour is like. Bets on odds ratios against it multiply to a test
martingale, an exact e-process for two-by-two tables (Turner, Ly and Grünwald 2024, Generic e-variables for exact
sequential k-sample tests). Calls are taken as independent: where arms are given to users, a user's calls are not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, logsumexp

ODDS = np.array([0.25, 0.5, 1.0, 2.0])
"""Logs of odds ratios that are bet on."""


def arms_evidence(
    hits: npt.ArrayLike, calls: npt.ArrayLike, other_hits: npt.ArrayLike, other_calls: npt.ArrayLike,
    *, up: bool = True, down: bool = True,
) -> np.ndarray:  # fmt: skip
    """(T,) log of the e-value after each of T hours that the first arm's share of hits is higher, lower or either.

    Raises ValueError for more hits than calls.
    """
    h, n, g, m = (np.asarray(each, dtype=np.int64) for each in (hits, calls, other_hits, other_calls))
    if ((h > n) | (g > m) | (h < 0) | (g < 0)).any():
        raise ValueError("an hour has more hits than calls, or fewer than none")
    bets = np.concatenate([ODDS if up else [], -ODDS if down else []])
    won = np.array([_step(*each, bets) for each in zip(h, n, g, m, strict=True)]).reshape(len(h), len(bets))
    return logsumexp(np.cumsum(won, axis=0) - np.log(len(bets)), axis=1)


def _step(hits: int, calls: int, other_hits: int, other_calls: int, bets: np.ndarray) -> np.ndarray:
    """Logs of one hour's likelihood ratios: of noncentral hypergeometrics to the central one."""
    total = hits + other_hits
    places = np.arange(max(0, total - other_calls), min(calls, total) + 1)
    if len(places) == 1:
        return np.zeros(len(bets))
    chance = _choose(calls, places) + _choose(other_calls, total - places)
    most = chance.max()
    weights = np.exp(chance - most)
    return bets * hits - np.log(np.exp(bets[:, None] * places) @ weights / weights.sum())


def _choose(n: int, k: np.ndarray) -> np.ndarray:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

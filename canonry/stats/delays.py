"""How soon a shift of a watched stream is found: what a monitor may promise."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from canonry.stats.changes import Changes, Watch, even_share

_LONGEST = 24 * 7 * 8
_WEEK = 168


def promised_delay(
    found: Changes, stream: int, shift: npt.ArrayLike, watch: Watch | None = None, share: float = 0.9, rounds: int = 200
) -> int | None:
    """Periods within which a lasting shift is found in `share` of cases; None where eight weeks or the horizon pass.

    `shift` is in the stream's unit: one for all periods, or (T,) for each.

    By simulation: the stream's own residuals in a random order with the shift in them, ranked among themselves, bet on
    as `find_changes` does; of the bets only those that begin with the shift. A forecast that follows the value before
    takes its part of a shift away from the second period on.
    """
    watch = watch or Watch()
    sizes = np.broadcast_to(np.asarray(shift, dtype=float), found.residual.shape[1:])
    steps = 48
    while steps < min(watch.horizon, _LONGEST):
        steps = min(steps * 3, watch.horizon, _LONGEST)
        delay = _simulated_delays(found, stream, sizes, watch, rounds, steps)
        promised = int(np.quantile(delay, share, method="higher"))
        if promised <= steps:
            return promised
    return None


def shift_of_share(counts: npt.ArrayLike, before: float, after: float) -> np.ndarray:
    """(T,) how far `even_share` of so many calls (T,) moves, on average, where the share of hits does; NaN of none."""
    sizes, places = np.unique(np.asarray(counts, dtype=np.int64), return_inverse=True)
    moved = [_mean_even_share(int(n), after) - _mean_even_share(int(n), before) for n in sizes]
    return np.array(moved)[places]


def _mean_even_share(count: int, share: float) -> float:
    from scipy.stats import binom

    hits = np.arange(count + 1)
    return float(np.sum(binom.pmf(hits, count, share) * even_share(hits, np.full(count + 1, count))))


def _simulated_delays(
    found: Changes, stream: int, shift: np.ndarray, watch: Watch, rounds: int, steps: int
) -> np.ndarray:
    """(rounds,) periods until a shift is found; steps + 1 where it takes longer."""
    errors, spreads = found.residual[stream], found.deviation[stream]
    known = np.flatnonzero(~np.isnan(errors))
    past = np.sort(errors[known])
    lots = np.random.default_rng(20261128)
    # A shift may begin at any period of the last week; those of few calls show it less.
    week = (shift / spreads)[known[-_WEEK:]]
    starts = lots.integers(len(week), size=rounds)
    size = week[(starts[:, None] + np.arange(steps)) % len(week)]
    size[:, 1:] *= 1 - float(np.clip(found.carried[stream], 0.0, 1.0))
    drawn = lots.choice(errors[known], (rounds, steps)) + size
    rank = np.searchsorted(past, drawn) + lots.random(drawn.shape)
    total = np.cumsum(ndtri(rank / (len(past) + 1)), axis=1)
    time = np.arange(1, steps + 1)
    won = np.full(total.shape, -np.inf)
    for bet in watch.bets():
        won = np.logaddexp(won, bet * total - bet**2 / 2 * time)
    enough = won >= watch.threshold() + math.log(watch.horizon * len(watch.bets()))
    return np.where(enough.any(axis=1), enough.argmax(axis=1) + 1, steps + 1)

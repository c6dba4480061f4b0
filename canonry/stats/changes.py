"""Changes of streams that are looked at every hour, with a chance of a false alarm that holds for all looks together.

Three steps, each from what came before alone. What the seasons and the hours before say of an hour is taken away:
recursive residuals of least squares (Brown, Durbin and Evans 1975), independent and alike where nothing changes. Each
is ranked among those before it, which gives independent uniforms whatever their distribution (Vovk, Gammerman and
Shafer 2005, conformal test martingales). Bets on a shift that began at any hour so far make a martingale of them, and
Ville's inequality bounds how often it ever grows large (Shin, Ramdas and Rinaldo 2024, e-detectors).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

SHIFTS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Sizes of shift that are bet on, in standard deviations of an hour's residual."""

LAGS = 3
"""Values before that a forecast follows: what a load carries on from hour to hour, seen through a sample's noise."""

MARGIN = 2.0
"""So many times fewer alarms are aimed at than promised, for what a stream does that the forecast does not know."""

_VAGUE = 1e4
"""Variance of a coefficient before anything was seen, in variances of the stream."""


@dataclass(frozen=True)
class Watch:
    """How streams are watched."""

    warm_up: int = 336
    """Periods that are only learnt from: two of the longest season at least."""
    horizon: int = 8760
    """Periods after the warm-up for which the promise holds."""
    false_alarms: float = 0.05
    """Chance of any alarm within the horizon where nothing changes."""
    up: bool = True
    """Whether a rise is an alarm."""
    down: bool = True
    """Whether a fall is an alarm."""

    def threshold(self) -> float:
        """Log of the e-value from which there is an alarm."""
        return math.log(MARGIN / self.false_alarms)

    def bets(self) -> np.ndarray:
        """Signed shifts that are bet on, each with the same part of the capital."""
        shifts = np.array(SHIFTS)
        return np.concatenate([shifts if self.up else [], -shifts if self.down else []])


@dataclass(frozen=True)
class Changes:
    """What was found in each of B streams of T periods."""

    residual: np.ndarray
    """(B, T) standardised recursive residuals; NaN where there is no value."""
    deviation: np.ndarray
    """(B, T) standard deviation of the residual, in the stream's unit."""
    evidence: np.ndarray
    """(B, T) log of the e-value: at least `threshold` is an alarm."""
    alarm: np.ndarray
    """(B,) first period with an alarm; -1 where there is none."""
    since: np.ndarray
    """(B,) the period from which the shift that explains the alarm best counts; -1 where there is none."""
    shift: np.ndarray
    """(B,) its size in the stream's unit, mean residual since then; NaN where there is none."""
    carried: np.ndarray
    """(B,) how much of a value's excess the next period's forecast takes over."""
    threshold: float


def seasons(hours: npt.ArrayLike, daily: int = 4) -> np.ndarray:
    """(T, 15) what a season of days and weeks is made of, by whole hours since a Monday's midnight (T,).

    A level for each weekday, `daily` harmonics of the day, and the same again for weekends.
    """
    hour = np.asarray(hours, dtype=float)
    day = (hour // 24 % 7).astype(int)
    levels = np.eye(7)[day]
    angle = 2 * np.pi * hour[:, None] / 24 * np.arange(1, daily + 1)
    waves = np.hstack([np.sin(angle), np.cos(angle)])
    return np.hstack([levels, waves, waves * (day >= 5)[:, None]])


def even_share(hits: npt.ArrayLike, counts: npt.ArrayLike) -> np.ndarray:
    """Shares on a scale where their variance is about 1 / (4 n) whatever the share (Anscombe 1948); NaN of none."""
    n = np.asarray(counts, dtype=float)
    with np.errstate(invalid="ignore"):
        return np.where(n > 0, np.arcsin(np.sqrt((np.asarray(hits) + 0.375) / (n + 0.75))), np.nan)


def find_changes(
    values: npt.ArrayLike, season: npt.ArrayLike, counts: npt.ArrayLike | None = None, watch: Watch | None = None
) -> Changes:
    """Look for a shift in each stream of `values` (B, T), NaN where a period has none.

    `season` (T, p) is what is known beforehand of each period. `counts` (B, T) are the calls that a value is made of:
    its variance is then a / count + b, both found in the warm-up. Raises ValueError for too short a warm-up.
    """
    watch = watch or Watch()
    y = np.atleast_2d(np.asarray(values, dtype=float))
    x = np.asarray(season, dtype=float)
    if watch.warm_up < 2 * (x.shape[1] + LAGS):
        raise ValueError(f"warm_up is {watch.warm_up}, expected at least {2 * (x.shape[1] + LAGS)} for this season")
    start = y[:, : watch.warm_up]
    with np.errstate(invalid="ignore"):
        level = np.nanmean(start, axis=1, keepdims=True) if start.size else np.zeros((len(y), 1))
        spread = np.nanstd(start, axis=1, keepdims=True)
    spread = np.where(spread > 0, spread, 1.0)
    scaled = (y - level) / spread
    noise = np.ones_like(scaled)
    if counts is not None:
        size = np.atleast_2d(np.asarray(counts, dtype=float))
        first, _, _ = _recursive_residuals(scaled[:, : watch.warm_up], x, noise)
        noise = _noise(first, size, x.shape[1] + LAGS)
    residual, factor, carried = _recursive_residuals(scaled, x, noise)
    learnt = residual[:, x.shape[1] + LAGS : watch.warm_up]
    sigma = np.sqrt(np.nanmean(learnt**2, axis=1, keepdims=True))
    scores = _normal_scores(residual, x.shape[1] + LAGS)
    evidence, pieces = _evidence(scores, watch)
    threshold = watch.threshold()
    over = evidence >= threshold
    alarm = np.where(over.any(axis=1), over.argmax(axis=1), -1)
    deviation = spread * sigma * factor
    since, shift = _explained(residual * spread * factor, scores, pieces, alarm, watch)
    return Changes(residual / sigma, deviation, evidence, alarm, since, shift, carried, threshold)


def _recursive_residuals(
    y: np.ndarray, season: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(B, T) each period's error of a forecast from those before it, over its standard deviation; (B, T) the latter;
    (B,) the last coefficients of the values before, summed.

    The forecast is linear in the season and in the values of the periods before. Without a value nothing is learnt.
    """
    streams, periods = y.shape
    width = season.shape[1] + LAGS
    cover = np.tile(np.eye(width) * _VAGUE, (streams, 1, 1))
    weights = np.zeros((streams, width))
    before = np.zeros((streams, LAGS))
    residual, factor = np.full(y.shape, np.nan), np.full(y.shape, np.nan)
    x = np.empty((streams, width))
    for period in range(periods):
        x[:, : season.shape[1]] = season[period]
        x[:, season.shape[1] :] = before
        reach = np.einsum("bij,bj->bi", cover, x)
        variance = noise[:, period] + np.einsum("bi,bi->b", reach, x)
        forecast = np.einsum("bi,bi->b", weights, x)
        error = y[:, period] - forecast
        there = ~np.isnan(error)
        gain = np.where(there, 1 / variance, 0.0)
        weights += reach * (gain * np.where(there, error, 0.0))[:, None]
        cover -= reach[:, :, None] * (reach * gain[:, None])[:, None, :]
        residual[:, period] = error / np.sqrt(variance)
        factor[:, period] = np.where(there, np.sqrt(variance), np.nan)
        before = np.column_stack([np.where(there, y[:, period], forecast), before[:, :-1]])
    return residual, factor, weights[:, season.shape[1] :].sum(axis=1)


def _noise(residual: np.ndarray, counts: np.ndarray, skip: int) -> np.ndarray:
    """(B, T) relative variance of a period's value, a / count + b, from the squared residuals of the warm-up."""
    from scipy.optimize import nnls

    found = np.ones_like(counts)
    for stream, (errors, sizes) in enumerate(zip(residual, counts, strict=True)):
        used = ~np.isnan(errors) & (sizes[: len(errors)] > 0)
        used[:skip] = False
        if used.sum() < 2:
            continue
        part = 1 / sizes[: len(errors)][used]
        # Weighted as chi-squared: the variance of a square is twice that of what is squared, squared.
        weight = 1 / (part / part.mean() + 1)
        design = np.column_stack([part, np.ones_like(part)]) * weight[:, None]
        (by_count, fixed), _ = nnls(design, errors[used] ** 2 * weight)
        with np.errstate(divide="ignore", invalid="ignore"):
            noise = by_count / sizes + fixed
        typical = np.mean(by_count * part + fixed)
        found[stream] = np.where((sizes > 0) & (typical > 0), noise / max(typical, 1e-300), 1.0)
    return found


def _normal_scores(residual: np.ndarray, skip: int) -> np.ndarray:
    """(B, T) normal quantiles of each residual's rank among those before it; NaN where there is none. Ties by lot."""
    lots = np.random.default_rng(20261128).random(residual.shape[1])
    rank = np.full(residual.shape, np.nan)
    for stream, errors in enumerate(residual.tolist()):
        past: list[float] = []
        for period in range(skip, len(errors)):
            error = errors[period]
            if error == error:
                below, at_most = bisect_left(past, error), bisect_right(past, error)
                rank[stream, period] = (below + lots[period] * (at_most - below + 1)) / (len(past) + 1)
                past.insert(at_most, error)
    return ndtri(rank)


def _evidence(scores: np.ndarray, watch: Watch) -> tuple[np.ndarray, np.ndarray]:
    """(B, T) log of the capital, and (bets, B, T) of each bet's part.

    At each period a part 1 / horizon of the capital is put on a shift that begins there; what waits keeps its worth.
    """
    streams, periods = scores.shape
    bets = watch.bets()
    part = math.log(1 / (watch.horizon * len(bets)))
    placed = np.zeros(streams)
    worth = np.full((len(bets), streams), -np.inf)
    evidence, pieces = np.zeros(scores.shape), np.full((len(bets), streams, periods), -np.inf)
    for period in range(watch.warm_up, periods):
        score = scores[:, period]
        there = ~np.isnan(score)
        open_ = there & (placed < watch.horizon)
        worth = np.where(open_, np.logaddexp(worth, part), worth)
        placed += open_
        step = bets[:, None] * score - bets[:, None] ** 2 / 2
        worth = np.where(there, worth + step, worth)
        waiting = np.maximum(1 - placed / watch.horizon, 0.0)
        with np.errstate(divide="ignore"):
            evidence[:, period] = np.logaddexp(np.logaddexp.reduce(worth, axis=0), np.log(waiting))
        pieces[:, :, period] = worth
    return evidence, pieces


def _explained(
    errors: np.ndarray, scores: np.ndarray, pieces: np.ndarray, alarm: np.ndarray, watch: Watch
) -> tuple[np.ndarray, np.ndarray]:
    """When the shift behind each alarm began: where the winning bet would have won most; and its mean error."""
    since, shift = np.full(len(alarm), -1), np.full(len(alarm), np.nan)
    bets = watch.bets()
    for stream in np.flatnonzero(alarm >= 0):
        end = alarm[stream]
        bet = bets[int(np.argmax(pieces[:, stream, end]))]
        steps = bet * scores[stream, watch.warm_up : end + 1] - bet**2 / 2
        won = np.cumsum(np.nan_to_num(steps)[::-1])[::-1]
        since[stream] = watch.warm_up + int(np.argmax(won))
        shift[stream] = float(np.nanmean(errors[stream, since[stream] : end + 1]))
    return since, shift

"""A mean over calls of which some were answered by their users: raw, and reweighted by the chance of being answered.

Who gives feedback is a self-selected sample. Reweighting assumes that answers are **missing at random given the
covariates**: among calls that are alike in all of them, those that got feedback would not have got another than those
that did not. It mends what differs between such cells (one product's users press more than another's, slow answers are
judged more often). It cannot mend what differs within them: users who press only when they are angry make every cell
look angry, and no figure here can show it. An interval says how far chance may have moved the figure, not how wrong
this assumption is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from canonry.stats.propensity import Refused, Response

LEAST_CLUSTERS = 10
"""Of users (or sessions, or traces) with feedback."""
LEAST_EFFECTIVE = 20.0


@dataclass(frozen=True)
class Mean:
    """A mean of figures from 0 to 1, and how sure it is."""

    value: float
    low: float
    high: float
    effective: float
    """Kish's effective number of responses, (sum w)^2 / sum w^2; those that there are where none is weighted."""
    clusters: int
    """Of those that responded."""


def reweighted_mean(
    parts: Sequence[tuple[Response, npt.ArrayLike, npt.ArrayLike]],
    clusters: Sequence[npt.ArrayLike],
    *,
    confidence: float = 0.95,
) -> Mean:
    """The mean figure that the members' calls would have, had all been answered.

    Each part is a response model of n calls, their figures (n,) from 0 to 1 (whatever where there is none), and which
    are members of the slice (n,); `clusters` has for each part whose every call was (n,), numbered across parts.

    Estimand: the mean over such calls, under missingness at random given the covariates.
    Point: the Hajek ratio with weights 1 / chance (Robins, Hernan and Brumback, Epidemiology 11 (2000) 550-560).
    Variance: linearised, the estimated coefficients allowed for as in stacked estimating equations (Lunceford and
    Davidian, Statistics in Medicine 23 (2004) 2937-2960, section 4), summed by cluster, times G / (G - 1).
    Interval: Wilson's with the effective number of responses that this variance amounts to, and Student's t with the
    effective number of clusters less one as its degrees of freedom; where all figures are 0, or all 1, with Kish's
    number by cluster. Trimming and a wrong model bias the point, which no interval shows.

    Raises Refused for fewer than LEAST_CLUSTERS clusters with a response, or weights so unequal that they are worth
    fewer than LEAST_EFFECTIVE responses. ValueError for figures that are not from 0 to 1.
    """
    prepared = [
        (response, *_figures(figure, response.responded & np.asarray(member, dtype=bool)))
        for response, figure, member in parts
    ]
    weights = [np.where(taken, 1 / response.chance, 0.0) for response, _, taken in prepared]
    total = sum(float(each.sum()) for each in weights)
    if total == 0:
        raise Refused("0 responses")
    value = sum(float((w * y).sum()) for w, (_, y, _) in zip(weights, prepared, strict=True)) / total
    influence = [
        _influence(response, w * (y - value)) / total for w, (response, y, _) in zip(weights, prepared, strict=True)
    ]
    cluster = np.concatenate([np.asarray(each, dtype=np.intp) for each in clusters])
    return _mean(value, np.concatenate(influence), np.concatenate(weights), cluster, confidence)


def raw_mean(figure: npt.ArrayLike, cluster: npt.ArrayLike, *, confidence: float = 0.95) -> Mean:
    """The mean figure of those who responded, as it is: their opinion, not everybody's.

    `figure` (n,) from 0 to 1 and `cluster` (n,) of the responses alone. The interval is that of `reweighted_mean` with
    weights of 1. Raises Refused and ValueError as there.
    """
    y, _ = _figures(figure, np.ones(len(np.asarray(figure)), dtype=bool))
    if not len(y):
        raise Refused("0 responses")
    value = float(y.mean())
    return _mean(value, (y - value) / len(y), np.ones(len(y)), np.asarray(cluster, dtype=np.intp), confidence)


def _figures(figure: npt.ArrayLike, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = np.where(taken, np.asarray(figure, dtype=float), 0.0)
    if not ((y >= 0) & (y <= 1)).all():
        raise ValueError("figure: expected from 0 to 1")
    return y, taken


def _influence(response: Response, residual: np.ndarray) -> np.ndarray:
    """What each call moves the weighted sum of residuals by, through its own weight and through the coefficients."""
    if not response.information.size:
        return residual
    cells = len(response.design)
    # The chance of a trimmed call does not move with the coefficients.
    moved = np.where(response.trimmed, 0.0, residual * (1 - response.chance))
    gradient = response.design.T @ np.bincount(response.cell, moved, cells)
    # Covariates that say the same twice share their coefficient, as in the fit.
    direction = response.design @ (np.linalg.pinv(response.information, hermitian=True) @ gradient)
    fitted = np.where(response.trimmed, 0.0, response.chance)
    score = np.where(response.trimmed, 0.0, response.responded - fitted)
    return residual - direction[response.cell] * score


def _mean(value: float, influence: np.ndarray, weights: np.ndarray, cluster: np.ndarray, confidence: float) -> Mean:
    size = int(cluster.max(initial=-1)) + 1
    of_clusters = np.bincount(cluster, weights, size)
    responding = of_clusters[of_clusters > 0]
    if len(responding) < LEAST_CLUSTERS:
        raise Refused(f"responses of {len(responding)} users or sessions, fewer than {LEAST_CLUSTERS}")
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    if effective < LEAST_EFFECTIVE:
        unequal = effective < 0.999 * np.count_nonzero(weights)
        few = (
            f"weights so unequal that the responses are worth {effective:.1f}"
            if unequal
            else f"{effective:.0f} responses"
        )
        raise Refused(f"{few}, fewer than {LEAST_EFFECTIVE:g}")
    moved = np.bincount(cluster, influence, size)
    squares = moved[moved != 0] ** 2
    # Without any spread the variance knows nothing.
    known = 0 < value < 1 and squares.sum() > 0
    if known:
        variance = float(squares.sum()) * len(responding) / (len(responding) - 1)
        worth = value * (1 - value) / variance
        freedom = float(squares.sum() ** 2 / (squares**2).sum()) - 1
    else:
        worth = float(responding.sum() ** 2 / (responding**2).sum())
        freedom = worth - 1
    quantile = -float(stdtrit(max(freedom, 1.0), (1 - confidence) / 2))
    low, high = _wilson(value, worth, quantile)
    return Mean(value, low, high, effective, len(responding))


def _wilson(value: float, size: float, quantile: float) -> tuple[float, float]:
    squared = quantile**2
    centre = value + squared / (2 * size)
    half = quantile * float(np.sqrt(value * (1 - value) / size + squared / (4 * size**2)))
    low, high = (centre - half) / (1 + squared / size), (centre + half) / (1 + squared / size)
    # Rounding must not put the mean outside its own interval.
    return max(0.0, min(low, value)), min(1.0, max(high, value))

"""A mean over calls of which some were answered by their users: raw, and reweighted by the chance of being answered.

Who gives feedback is a self-selected sample. Reweighting assumes that answers are **missing at random given the
covariates**: among calls that are alike in all of them, those that got feedback would not have got another than those
that did not. It mends what differs between such cells (one product's users press more than another's, slow answers are
judged more often). It cannot mend what differs within them: users who press only when they are angry make every cell
look angry, and no figure here can show it. An interval says how far chance may have moved the figure, not how wrong
this assumption is.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

LEAST_RESPONSES = 30
LEAST_CLUSTERS = 10
"""Of users (or sessions, or traces) with feedback."""
LEAST_OF_LEVEL = 5
"""Calls with, and without, feedback that a level of a covariate needs to have a coefficient of its own."""
RESPONSES_PER_COEFFICIENT = 10
"""Peduzzi et al., Journal of Clinical Epidemiology 49 (1996) 1373-1379."""
LARGEST_WEIGHT = 10.0
"""A call stands for at most so many times the calls that it would stand for if all were as likely to be answered."""
MOST_WITHOUT_OVERLAP = 0.05
"""Share of calls that may be hardly ever answered; above it an estimate is refused."""
LEAST_EFFECTIVE = 20.0

Levels = npt.NDArray[np.intp]
"""(calls,) the level of a covariate, from 0."""


class Refused(Exception):
    """An estimate that the data cannot support; the message says why."""


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


@dataclass(frozen=True)
class Response:
    """The chance of each call to be answered, as estimated, with what an interval needs to allow for that."""

    responded: npt.NDArray[np.bool_]
    """(calls,)"""
    chance: npt.NDArray[np.float64]
    """(calls,) above 0, at most 1, after trimming."""
    trimmed: npt.NDArray[np.bool_]
    """(calls,) whether the chance was raised to the least that is used."""
    design: npt.NDArray[np.float64]
    """(cells, coefficients) calls of one cell are alike."""
    cell: Levels
    """(calls,)"""
    information: npt.NDArray[np.float64]
    """(coefficients, coefficients) Fisher information; empty where every call was answered."""
    used: tuple[str, ...]
    """Covariates with a coefficient."""
    left_out: tuple[str, ...]
    """Those that vary, but for which there are too few responses."""
    uncovered: float
    """Share of calls in levels that nobody answered, and that are taken to be like the others."""


def bands(numbers: npt.ArrayLike, count: int = 5) -> Levels:
    """(n,) the band of each number between quantiles, from 0 to count - 1, those that are NaN in band `count`."""
    x = np.asarray(numbers, dtype=float)
    missing = np.isnan(x)
    if missing.all():
        return np.full(len(x), count, dtype=np.intp)
    edges = np.quantile(x[~missing], np.arange(1, count) / count)
    return np.where(missing, count, np.searchsorted(edges, x))


def fit_response(covariates: Mapping[str, npt.ArrayLike], responded: npt.ArrayLike) -> Response:
    """The chance of each of n calls to be answered, by logistic regression on its covariates.

    `covariates`: levels (n,) from 0, by name, the most telling first; cut numbers into bands. `responded` (n,). Levels
    with fewer than LEAST_OF_LEVEL calls with or without feedback are put together, and covariates enter in the order
    given while there are RESPONSES_PER_COEFFICIENT responses for each coefficient. Chances below 1 / LARGEST_WEIGHT of
    the mean one are raised to that. Maximum likelihood by statsmodels.

    Raises Refused where there are too few responses, or calls that hardly anybody answers (no overlap).
    """
    r = np.asarray(responded, dtype=bool)
    answered, calls = int(r.sum()), len(r)
    if answered < LEAST_RESPONSES:
        raise Refused(f"{answered:,} responses, fewer than {LEAST_RESPONSES}")
    if answered == calls:
        nothing = np.zeros((1, 0))
        return Response(r, np.ones(calls), ~r, nothing, np.zeros(calls, np.intp), np.zeros((0, 0)), (), (), 0.0)
    if calls - answered < LEAST_OF_LEVEL:
        raise Refused(f"only {calls - answered:,} calls without a response: too few to tell who does not respond")
    columns, used, left_out, uncovered = _choose(covariates, r)
    cells, cell = _cells(columns, calls)
    design = np.column_stack([np.ones(len(cells)), *(_dummies(cells[:, place]) for place in range(len(columns)))])
    of_cells = _fit(design, np.bincount(cell, r, len(cells)), np.bincount(cell, minlength=len(cells)))
    floor = r.mean() / LARGEST_WEIGHT
    low = of_cells < floor
    if (share := float(low[cell].mean())) > MOST_WITHOUT_OVERLAP:
        reason = f"{share:.0%} of the calls are less than 1/{LARGEST_WEIGHT:g} as likely as the mean to be answered"
        raise Refused(f"no overlap: {reason}")
    spread = np.bincount(cell, minlength=len(cells)) * of_cells * (1 - of_cells)
    information = (design * spread[:, None]).T @ design
    chance = np.maximum(of_cells, floor)
    return Response(r, chance[cell], low[cell], design, cell, information, used, left_out, uncovered)


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


def _choose(
    covariates: Mapping[str, npt.ArrayLike], r: np.ndarray
) -> tuple[list[np.ndarray], tuple[str, ...], tuple[str, ...], float]:
    """Levels of the covariates that enter, their names, those left out, and the share of calls nobody answers."""
    room = min(int(r.sum()), int((~r).sum())) // RESPONSES_PER_COEFFICIENT - 1
    columns, used, left_out = [], [], []
    uncovered = np.zeros(len(r), dtype=bool)
    for name, given in covariates.items():
        levels = np.asarray(given, dtype=np.intp)
        silent = _silent(levels, r)
        if (share := float(silent.mean())) > MOST_WITHOUT_OVERLAP:
            raise Refused(f"no overlap: {share:.0%} of the calls are of a {name} that nobody answered")
        uncovered |= silent
        merged = _merged(levels, r)
        coefficients = int(merged.max(initial=0))
        if coefficients > room:
            left_out.append(name)
        elif coefficients:
            room -= coefficients
            columns.append(merged)
            used.append(name)
    return columns, tuple(used), tuple(left_out), float(uncovered.mean())


def _silent(levels: np.ndarray, r: np.ndarray) -> np.ndarray:
    """(calls,) of levels without a response, though as many calls of others would hardly have gone without (1 %)."""
    calls, answered = np.bincount(levels), np.bincount(levels, r)
    return ((answered == 0) & ((1 - r.mean()) ** calls < 0.01))[levels]


def _merged(levels: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Levels from 0 without gaps: small ones are one level; where that is small, too, it is the commonest one's."""
    calls, answered = np.bincount(levels), np.bincount(levels, r)
    large = (answered >= LEAST_OF_LEVEL) & (calls - answered >= LEAST_OF_LEVEL)
    to = np.arange(len(calls))
    rest = int(to[~large][0]) if (~large).any() else 0
    to[~large] = rest
    together = calls[~large].sum(), answered[~large].sum()
    if large.any() and (together[1] < LEAST_OF_LEVEL or together[0] - together[1] < LEAST_OF_LEVEL):
        to[~large] = np.flatnonzero(large)[np.argmax(calls[large])]
    return np.unique(to[levels], return_inverse=True)[1]


def _cells(columns: Sequence[np.ndarray], calls: int) -> tuple[np.ndarray, np.ndarray]:
    """(cells, covariates) the levels of each cell, and (calls,) its number."""
    if not columns:
        return np.zeros((1, 0), dtype=np.intp), np.zeros(calls, dtype=np.intp)
    code = np.zeros(calls, dtype=np.int64)
    for column in columns:
        # Numbered anew each time, so that no product of levels overflows.
        code = np.unique(code * (int(column.max()) + 1) + column, return_inverse=True)[1]
    _, first = np.unique(code, return_index=True)
    return np.column_stack([column[first] for column in columns]), code


def _dummies(levels: np.ndarray) -> np.ndarray:
    return (levels[:, None] == np.arange(1, int(levels.max(initial=0)) + 1)).astype(float)


def _fit(design: np.ndarray, answered: np.ndarray, calls: np.ndarray) -> np.ndarray:
    import statsmodels.api as sm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.GLM(np.column_stack([answered, calls - answered]), design, family=sm.families.Binomial())
        found = model.fit(maxiter=50)
    if not found.converged or not np.isfinite(found.fittedvalues).all():
        raise Refused("the model of who responds did not converge: a covariate tells it all but surely")
    return np.clip(np.asarray(found.fittedvalues, dtype=float), 1e-9, 1.0)

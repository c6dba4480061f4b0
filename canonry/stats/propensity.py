"""The chance of a call to be answered by its user, from what is known of it: who gives feedback has chosen to."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEAST_RESPONSES = 30
LEAST_OF_LEVEL = 5
"""Calls with, and without, feedback that a level of a covariate needs to have a coefficient of its own."""
RESPONSES_PER_COEFFICIENT = 10
"""Peduzzi et al., Journal of Clinical Epidemiology 49 (1996) 1373-1379."""
LARGEST_WEIGHT = 10.0
"""A call stands for at most so many times the calls that it would stand for if all were as likely to be answered."""
MOST_WITHOUT_OVERLAP = 0.05
"""Share of calls that may be hardly ever answered; above it an estimate is refused."""

Levels = npt.NDArray[np.intp]
"""(calls,) the level of a covariate, from 0."""


class Refused(Exception):
    """An estimate that the data cannot support; the message says why."""


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

"""How far annotators agree beyond chance, and how sure that is: Krippendorff's alpha, Cohen's kappa, F1 of marks.

Intervals are of the items' sampling: items (or clusters of them) are drawn again with replacement, the annotators stay
(A. Zapf et al., BMC Medical Research Methodology 16 (2016) 93). As items that look alike are interchangeable, each
resample is a multinomial draw of the few patterns there are, so that a thousand resamples take milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from canonry.stats.survey import clopper_pearson

Floats = npt.NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval"]

RESAMPLES = 1000
_CELLS = 2_000_000
"""Patterns times resamples that are drawn at once."""


@dataclass(frozen=True)
class Agreement:
    """A coefficient with its interval. `value` is None where it is not defined: everybody always gave one answer."""

    value: float | None
    low: float | None
    high: float | None
    items: int
    """Items, or clusters, that several annotators answered."""


def alpha(
    counts: npt.ArrayLike,
    level: Level = "nominal",
    *,
    values: npt.ArrayLike | None = None,
    cluster: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """Krippendorff's alpha: 1 is perfect agreement, 0 what chance would give.

    `counts` (units, answers): how many annotators gave each answer; units with fewer than two play no part. `values`
    (answers,) are the answers' numbers at the level `interval`, by default 0, 1, 2, …. `cluster` (units,): units that
    are drawn again together, such as the tokens of a text.

    K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), https://repository.upenn.edu/asc_papers/43.
    The interval is of percentiles. Where disagreement is rare, resamples hold too little of it, and its lower end is
    moved to what Clopper and Pearson's upper limit of the share of items with a disagreement leaves.
    """
    paired, clusters = _paired(np.asarray(counts, dtype=float), cluster)
    if not len(paired):
        return Agreement(None, None, None, 0)
    coincidences = _coincidences(paired, clusters)
    size = paired.shape[1]
    numbers = np.arange(size, dtype=float) if values is None else np.asarray(values, dtype=float)

    def coefficient(totals: Floats) -> Floats:
        return 1 - _disagreement(totals.reshape(-1, size, size), level, numbers)

    discordant = (coincidences * (1 - np.eye(size)).ravel()).sum(axis=1) > 0
    chance = _chance(coincidences.sum(axis=0).reshape(1, size, size), level, numbers)
    return _interval(coincidences, coefficient, discordant, chance, confidence, resamples, seed)


def kappa(table: npt.ArrayLike, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> Agreement:
    """Cohen's kappa of two annotators, from `table` (answers, answers): items by the first's answer and the second's.

    J. Cohen, Educational and Psychological Measurement 20 (1960) 37-46. The interval is made as alpha's.
    """
    cells = np.asarray(table, dtype=float)
    size = len(cells)
    filled = cells.ravel() > 0
    patterns = np.eye(size * size)[filled]
    discordant = ~np.eye(size, dtype=bool).ravel()[filled]

    def coefficient(totals: Floats) -> Floats:
        shares = totals.reshape(-1, size, size)
        items = shares.sum(axis=(1, 2))
        observed = np.trace(shares, axis1=1, axis2=2)
        chance = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1) / items
        return 1 - _ratio(items - observed, items - chance)

    items = max(float(cells.sum()), 1.0)
    chance = 1 - float(cells.sum(axis=0) @ cells.sum(axis=1)) / items**2
    return _interval(patterns, coefficient, discordant, chance, confidence, resamples, seed, cells.ravel()[filled])


def share(same: float, items: float, *, confidence: float = 0.95) -> Agreement:
    """Share of items on which two annotators agree, with Clopper and Pearson's interval."""
    if items <= 0:
        return Agreement(None, None, None, 0)
    low, high = clopper_pearson(same, items, confidence)
    return Agreement(same / items, low, high, round(items))


def f1(
    common: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """F1 between what two annotators marked: 2 · common / (first + second), over all items.

    Each (items,): how much both marked alike, and how much each marked. It is the same whoever is taken for the truth,
    and what kappa tends to where most is unmarked (G. Hripcsak and A. Rothschild, JAMIA 12 (2005) 296-298).
    """
    marked = np.stack([np.asarray(each, dtype=float) for each in (common, first, second)], axis=1)
    discordant = marked[:, 1] + marked[:, 2] > 2 * marked[:, 0]

    def coefficient(totals: Floats) -> Floats:
        return 1 - _ratio(totals[:, 1] + totals[:, 2] - 2 * totals[:, 0], totals[:, 1] + totals[:, 2])

    return _interval(marked, coefficient, discordant, 1.0, confidence, resamples, seed)


def _paired(counts: Floats, cluster: npt.ArrayLike | None) -> tuple[Floats, npt.NDArray[np.intp] | None]:
    if counts.ndim != 2:
        raise ValueError(f"counts: expected (units, answers), found {counts.ndim} dimensions")
    several = counts.sum(axis=1) > 1
    if cluster is None:
        return counts[several], None
    names = np.asarray(cluster)
    if names.shape != counts.shape[:1]:
        raise ValueError(f"cluster: expected one for each of {len(counts)} units, found {names.shape}")
    return counts[several], np.unique(names[several], return_inverse=True)[1]


def _coincidences(counts: Floats, clusters: npt.NDArray[np.intp] | None) -> Floats:
    """(items or clusters, answers²) pairs of answers within a unit, each unit having as many as it has answers."""
    size = counts.shape[1]
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs[:, np.arange(size), np.arange(size)] -= counts
    pairs = (pairs / (counts.sum(axis=1) - 1)[:, None, None]).reshape(len(counts), size * size)
    if clusters is None:
        return pairs
    total = np.zeros((int(clusters.max()) + 1, size * size))
    np.add.at(total, clusters, pairs)
    return total


def _disagreement(coincidence: Floats, level: Level, numbers: Floats) -> Floats:
    """Observed over expected disagreement, of (resamples, answers, answers)."""
    margins = coincidence.sum(axis=2)
    distance = _distance(margins, level, numbers)
    observed = (coincidence * distance).sum(axis=(1, 2)) * (margins.sum(axis=1) - 1)
    return _ratio(observed, _expected(margins, distance))


def _expected(margins: Floats, distance: Floats) -> Floats:
    return (margins[:, :, None] * margins[:, None, :] * distance).sum(axis=(1, 2))


def _chance(coincidence: Floats, level: Level, numbers: Floats) -> float:
    """Disagreement that chance gives, as a share of the greatest there could be."""
    margins = coincidence.sum(axis=2)
    distance = _distance(margins, level, numbers)
    total = float(margins.sum())
    return float(_expected(margins, distance)[0]) / max(total * (total - 1) * float(distance.max()), 1e-9)


def _distance(margins: Floats, level: Level, numbers: Floats) -> Floats:
    """(resamples, answers, answers) how much two answers differ."""
    shape = (*margins.shape, len(numbers))
    if level == "nominal":
        return np.broadcast_to(1 - np.eye(len(numbers)), shape)
    if level == "interval":
        return np.broadcast_to((numbers[:, None] - numbers[None, :]) ** 2, shape)
    middles = np.cumsum(margins, axis=1) - margins / 2
    return (middles[:, :, None] - middles[:, None, :]) ** 2


def _ratio(part: Floats, whole: Floats) -> Floats:
    # Sums of many fractions leave a rest of rounding where nothing is.
    defined = whole > 1e-9
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=defined)


def _interval(
    patterns: Floats,
    coefficient: Callable[[Floats], Floats],
    discordant: npt.NDArray[np.bool_],
    chance: float,
    confidence: float,
    resamples: int,
    seed: int,
    times: Floats | None = None,
) -> Agreement:
    """Of a coefficient of the sum of (items, …) rows, of which `discordant` (items,) disagree, each counted `times`.

    `chance` is the disagreement that chance gives, as a share of that of items that disagree as far as they can.
    """
    times = np.ones(len(patterns)) if times is None else times
    items = round(float(times.sum()))
    if not items:
        return Agreement(None, None, None, 0)
    value = float(coefficient(times @ patterns[None])[0])
    if np.isnan(value):
        return Agreement(None, None, None, items)
    distinct, place = np.unique(patterns, axis=0, return_inverse=True)
    chances = np.bincount(place.ravel(), times, len(distinct)) / items
    draw = np.random.default_rng(seed)
    at_once = max(1, _CELLS // len(distinct))
    found = np.concatenate(
        [
            coefficient(draw.multinomial(items, chances, min(at_once, resamples - done)) @ distinct)
            for done in range(0, resamples, at_once)
        ]
    )
    # A resample with one answer alone says nothing: it could be anything.
    tail = (1 - confidence) / 2
    low = float(np.quantile(np.where(np.isnan(found), -1.0, found), tail))
    high = float(np.quantile(np.where(np.isnan(found), 1.0, found), 1 - tail))
    seen = float(times[discordant].sum())
    upper = clopper_pearson(seen, items, confidence)[1]
    disagreement = (1 - value) * items / seen if seen else 1 / chance
    low = min(low, 1 - disagreement * upper)
    return Agreement(value, max(min(low, value), -1.0), max(high, value), items)

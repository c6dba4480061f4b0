"""Who answered: how many drawn items were labeled, looked at in vain, or not reached yet, and what is made of that.

Everybody in a weighting cell is taken to answer alike, so that a cell's labels stand for its calls without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from canonry.evaluate.frame import Frame
from canonry.evaluate.sample import UNLABELED, Sample
from canonry.evaluate.slices import Slice
from canonry.labels import stratum_name

CELL_LABELS = 10
"""Least labels of a Poisson cell of its own."""


@dataclass(frozen=True)
class StratumResponse:
    """What became of the items drawn from the strata with these values, over the days of a window."""

    values: Mapping[str, str | None]
    drawn: int
    labeled: int
    skipped: int
    """Nobody who looked gave an answer."""
    tied: int
    waiting: int
    """Nobody came to it yet."""

    @property
    def rate(self) -> float:
        """Labeled, of those that somebody looked at; NaN where nobody looked at any."""
        looked = self.drawn - self.waiting
        return self.labeled / looked if looked else float("nan")


def response_by_stratum(sample: Sample) -> list[StratumResponse]:
    """How each kind of stratum was answered, by name."""
    names = np.array([stratum_name(values) for values in sample.strata], dtype=object)
    of_items = names[sample.stratum] if len(names) else names
    labeled = sample.outcome != UNLABELED
    found = []
    for name in sorted(set(names)):
        inside = of_items == name
        drawn, given, skipped, tied = (
            int(np.sum(inside & each)) for each in (inside, labeled, sample.skipped, sample.tied)
        )
        values = sample.strata[int(np.flatnonzero(names == name)[0])]
        found.append(StratumResponse(values, drawn, given, skipped, tied, drawn - given - skipped - tied))
    return found


def undecided(sample: Sample) -> np.ndarray:
    """(items,) whether somebody looked at it and it has no label: all passed it over, or they are tied."""
    return (sample.outcome == UNLABELED) & (sample.skipped | sample.tied)


def weighting_cells(sample: Sample, inside: np.ndarray) -> np.ndarray:
    """(strata,) the cell each is weighted up in. A simple random sample is one; Poisson samples of several days are one
    a stratum's values, together with all others where that would have few labels."""
    cell = np.arange(len(sample.strata))
    poisson = sample.poisson
    labels = np.bincount(sample.stratum[sample.outcome != UNLABELED], minlength=len(cell))
    names = np.array([stratum_name(values) for values in sample.strata], dtype=object)
    rest = []
    for name in sorted(set(names[poisson & inside])):
        alike = np.flatnonzero(poisson & inside & (names == name))
        cell[alike] = alike[0]
        if labels[alike].sum() < CELL_LABELS:
            rest += alike.tolist()
    cell[rest] = min(rest, default=0)
    return cell


def response_probability(sample: Sample, used: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """(items,) probability of being chosen and answered; NaN of simple random samples, whose counts say it.

    Everybody in a cell is taken to answer alike: its rate is the weighted share of its drawn items with a label.
    """
    poisson = ~np.isnan(sample.probability) & used[sample.stratum]
    found = np.full(len(sample.probability), np.nan)
    weight = 1 / sample.probability[poisson]
    size = int(cells.max(initial=-1)) + 1
    drawn = np.bincount(cells[poisson], weight, size)
    answered = np.bincount(cells[poisson], weight * (sample.outcome[poisson] != UNLABELED), size)
    with np.errstate(invalid="ignore"):
        found[poisson] = np.minimum(sample.probability[poisson] * (answered / drawn)[cells[poisson]], 1.0)
    return found


def covered_strata(
    sample: Sample, strata: np.ndarray | None, items: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """(strata,) the cell of each; (strata,) which of the slice can be estimated; what share of its calls lies there."""
    touched = np.zeros(len(sample.strata), dtype=bool)
    touched[sample.stratum[items]] = True
    inside = touched if strata is None else strata
    cell = weighting_cells(sample, inside)
    used = np.isin(cell, cell[sample.stratum[sample.outcome != UNLABELED]]) & inside
    return cell, used, float(sample.population[used].sum() / max(sample.population[inside].sum(), 1))


@dataclass(frozen=True)
class Labels:
    """The labels that a slice is estimated with, and the strata that they stand for."""

    taken: np.ndarray
    """(items,) which items."""
    cell: np.ndarray
    """(strata,) position of each stratum's cell in `population`; -1 of strata that play no part."""
    stratum: np.ndarray
    """(n,) position of each label's cell."""
    population: np.ndarray
    """(cells,) calls of each."""
    probability: np.ndarray
    """(n,) of being chosen and answered; NaN of simple random samples."""
    member: np.ndarray | None
    """(n,) whether the label is of the slice; None where all are."""

    @property
    def design(self) -> dict[str, Any]:
        """What `estimate_proportion` needs to know of them."""
        names = ("stratum", "population", "probability", "member")
        return {name: getattr(self, name) for name in names}

    def among(self, frame: Frame, part: Slice) -> tuple[np.ndarray, dict[str, Any]]:
        """(N,) which calls the labels stand for, and what `estimate_rate` needs to know of those."""
        of_calls = self.cell[frame.stratum]
        seen = of_calls >= 0
        return seen, {
            "labeled": (np.cumsum(seen) - 1)[frame.place[self.taken]],
            "stratum": of_calls[seen],
            "probability": self.probability,
            "cluster": None if frame.cluster is None else frame.cluster[seen],
            "member": None if self.member is None else part.calls[seen],
        }


def labels_of(sample: Sample, strata: np.ndarray | None, items: np.ndarray) -> Labels:
    """The labels that a slice is estimated with: one that cuts through strata with all labels of those strata."""
    cell, used, _ = covered_strata(sample, strata, items)
    taken = (sample.outcome != UNLABELED) & used[sample.stratum]
    cells, of_strata = np.unique(cell[used], return_inverse=True)
    of_items = np.searchsorted(cells, cell[sample.stratum])
    place = np.full(len(cell), -1, dtype=np.int64)
    place[used] = of_strata
    return Labels(
        taken,
        place,
        of_items[taken],
        np.bincount(of_strata, sample.population[used]),
        response_probability(sample, used, of_items)[taken],
        items[taken] if strata is None else None,
    )

"""Slices: which strata, drawn items and calls a figure is about, and the rest it is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from canonry.evaluate.frame import Frame
from canonry.evaluate.sample import Sample


@dataclass(frozen=True)
class Slice:
    """The part of a sample that has these values."""

    values: Mapping[str, str | None]
    strata: np.ndarray | None
    """(strata,) those that it is made of; None where it cuts through strata."""
    items: np.ndarray
    """(items,) which of those drawn lie in it."""
    calls: np.ndarray
    """(N,) which calls of the frame lie in it; of length 0 without a frame."""

    @property
    def rest(self) -> Slice:
        """Everything else."""
        return Slice(self.values, None if self.strata is None else ~self.strata, ~self.items, ~self.calls)


def slices_of(sample: Sample, frame: Frame | None, fields: tuple[str, ...]) -> Iterator[Slice]:
    """One a combination of the fields' values, in order; of strata it is made of, where all of them have the fields."""
    if not sample.strata:
        nothing = np.zeros(0, dtype=bool)
        yield Slice({}, nothing, nothing, nothing)
        return
    whole = all(set(fields) <= stratum.keys() for stratum in sample.strata)
    of_items = [tuple(each[field] for field in fields) for each in sample.fields]
    of_strata = [tuple(each[field] for field in fields) for each in sample.strata] if whole else []
    for found in sorted(set(of_strata or of_items), key=lambda each: [value or "" for value in each]):
        values = dict(zip(fields, found, strict=True))
        yield Slice(
            values,
            np.array([each == found for each in of_strata], dtype=bool) if whole else None,
            np.array([each == found for each in of_items], dtype=bool),
            frame.inside(values) if frame and not frame.refused else np.zeros(0, dtype=bool),
        )


def slice_name(fields: tuple[str, ...]) -> str:
    """A slice as one text: its fields, in the eval's order; `all` for everything."""
    return ",".join(fields) or "all"

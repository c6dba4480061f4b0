"""Calls of two windows, and the askers that they are compared by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from canonry.evaluate.drift_calls import DriftCall


@dataclass(frozen=True)
class Windows:
    """One product's calls: those of the reference, then those of the window."""

    calls: tuple[DriftCall, ...]
    current: np.ndarray
    """(calls,) whether each is of the window."""

    def of(self, keep: np.ndarray) -> Windows:
        """The calls to keep (calls,)."""
        return Windows(tuple(call for call, kept in zip(self.calls, keep, strict=True) if kept), self.current[keep])


@dataclass(frozen=True)
class Units:
    """Askers of a day: (n, d) mean features of their calls, (n,) whether of the window, (n,) whether of a weekend."""

    features: np.ndarray
    current: np.ndarray
    weekend: np.ndarray


def units_of(windows: Windows, features: np.ndarray) -> Units:
    """Mean features of each asker's calls (calls, d)."""
    _, first, of_call, counts = np.unique(
        [call.asker for call in windows.calls], return_index=True, return_inverse=True, return_counts=True
    )
    together = np.argsort(of_call, kind="stable")
    sums = np.add.reduceat(features[together], np.concatenate([[0], np.cumsum(counts)[:-1]]), axis=0)
    weekend = np.array([call.weekend for call in windows.calls], dtype=bool)
    return Units(sums / counts[:, None], windows.current[first], weekend[first])

"""A swap of one summariser for another under the same name, by real scores of their real summaries, drawn again."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd

from bench._causes import moments_of
from bench._world import HOURS, Stream
from canonry.evaluate.measures.explained import around, cause_of
from canonry.evaluate.measures.times import moment_of

CALLS = 20.0
"""An hour, on average."""

LEAST = 0.05
"""Least difference of mean scores between the two models of a swap."""


class Swaps:
    """A pair of models for each replay, drawn from those whose mean scores are far enough apart, the worse one last."""

    def __init__(self, data: Path, replays: int) -> None:
        with gzip.open(data / "vectara_v1_summaries" / "summaries_judged.jsonl.gz", "rt") as lines:
            rows = pd.DataFrame(map(json.loads, lines))
        rows = rows[rows["hhem_score"].notna()]
        self.scores = {str(name): each["hhem_score"].to_numpy(float) for name, each in rows.groupby("model_name")}
        means = {name: scores.mean() for name, scores in self.scores.items()}
        pairs = [(a, b) for a in means for b in means if means[a] - means[b] >= LEAST]
        lots = np.random.default_rng(20261128)
        self.pairs = [pairs[each] for each in lots.integers(len(pairs), size=replays)]
        self.sizes = [float(means[b] - means[a]) for a, b in self.pairs]
        hour = np.arange(HOURS)
        busy = np.where(hour // 24 % 7 >= 5, 0.35, 1.0) * (0.3 + np.exp(-((hour % 24 - 14) ** 2) / 30))
        self.calls = lots.poisson(busy * CALLS / busy.mean(), (replays, HOURS))

    def stream(self, at: np.ndarray) -> Stream:
        """Mean scores by hour: of the better model before the swap, of the other since."""
        values = np.full(self.calls.shape, np.nan)
        for replay, swapped in enumerate(at):
            scores, hours = self._scores(replay, int(swapped))
            total = np.bincount(hours, scores, minlength=HOURS)
            with np.errstate(invalid="ignore"):
                values[replay] = total / self.calls[replay]
        return Stream(values, np.zeros_like(self.calls), self.calls)

    def named(self, replay: int, at: int, began: int, alarm: int) -> bool:
        """Whether the monitor names the model that answers since, and that nobody asked for it."""
        scores, hours = self._scores(replay, at)
        near = (hours >= began - 7 * 24) & (hours <= alarm)
        since = moment_of(began)
        better, worse = self.pairs[replay]
        calls = pd.DataFrame(
            {
                "started_at": moments_of(hours[near]),
                "score": scores[near],
                "product": "news",
                "request_model": "summariser",
                "response_model": np.where(hours[near] >= at, worse, better),
            }
        )
        calls = around(calls, since, moment_of(alarm + 1))
        cause = cause_of("score", calls, calls, {"product": "news"}, since)
        told = cause is not None and (cause.kind, cause.field) == ("provider", "response_model")
        return told and cause is not None and f"from {better}" in cause.said and f"to {worse}" in cause.said

    def _scores(self, replay: int, at: int) -> tuple[np.ndarray, np.ndarray]:
        """Each call's score, drawn from the model that answers then, and its hour."""
        lots = np.random.default_rng([20261128, replay])
        hours = np.repeat(np.arange(HOURS), self.calls[replay])
        place = lots.random(len(hours))
        better, worse = (self.scores[name] for name in self.pairs[replay])
        old, new = (scores[(place * len(scores)).astype(int)] for scores in (better, worse))
        return np.where(hours >= at, new, old), hours

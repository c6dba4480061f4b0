"""What else changed with a change that is put in: generated calls on both sides, and the cause that is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from canonry.evaluate.measures.explained import around, cause_of, within
from canonry.evaluate.measures.times import moment_of

MOST = 60
"""Replays of a change whose cause is judged."""

OTHERS = 2 / 3
"""Calls of the other product that asks the same model, for each of the product that is watched."""


@dataclass(frozen=True)
class Scenario:
    """One cause of one change."""

    measure: str
    size: float
    kind: str
    field: str | None
    """What is right."""
    swapped: str | None
    """The field that is otherwise since; None where nothing that is recorded is."""
    calls: np.ndarray
    """(replays, hours) calls of the product that is watched."""

    @staticmethod
    def of(measure: str, said: str, size: float, calls: np.ndarray) -> Scenario:
        """Each change has a cause of its own, so that all kinds come."""
        kind, field, swapped = _RIGHT[measure, said]
        return Scenario(measure, size, kind, field, swapped, calls)

    def named(self, replay: int, at: int, began: int, alarm: int) -> bool:
        """Whether the monitor of the product `search` names the right cause, by the calls that it reads."""
        calls = self._calls(np.random.default_rng([20261128, replay]), replay, at, began - 7 * 24, alarm)
        slice_: dict[str, str | None] = {"product": "search"}
        since = moment_of(began)
        calls = around(calls, since, moment_of(alarm + 1))
        cause = cause_of(self.measure, within(calls, slice_), calls, slice_, since)
        return cause is not None and (cause.kind, cause.field) == (self.kind, self.field)

    def _calls(self, lots: np.random.Generator, replay: int, at: int, first: int, last: int) -> pd.DataFrame:
        """Calls of two products that ask one model, of which both or one are otherwise since."""
        own = self.calls[replay, first : last + 1]
        counts = np.stack([own, lots.poisson(OTHERS * own)], axis=1)
        hours = np.repeat(np.arange(first, last + 1), counts.sum(axis=1))
        product = np.repeat(np.tile(["search", "support"], len(own)), counts.ravel())
        n = len(hours)
        since = hours >= at
        changed = since & ((product == "search") | (self.kind != "product"))
        tokens = lots.gamma(1.5, 200 / 1.5, n) + 1
        calls = pd.DataFrame(
            {
                "started_at": moments_of(hours),
                "product": product,
                "request_model": "gpt-4o",
                "response_model": "gpt-4o-2024-08-06",
                "system_fingerprint": "fp_a",
                "prompt_version": lots.choice(["3", "2"], n, p=[0.9, 0.1]),
                "index_version": "7",
                "latency_ms": np.exp(6.5 + 0.5 * lots.normal(size=n)),
                "output_tokens": tokens,
                "tokens": tokens,
                "cost": tokens * 1e-5,
                "error_type": None,
                "finish_reason": "stop",
                "score": (lots.random(n) < 0.85 + np.where(changed, self.size, 0)).astype(float),
            }
        )
        if self.swapped:
            calls[self.swapped] = np.where(changed, "new", calls[self.swapped])
        return self._with_change(calls, changed, lots)

    def _with_change(self, calls: pd.DataFrame, changed: np.ndarray, lots: np.random.Generator) -> pd.DataFrame:
        times = np.where(changed, 1 + self.size, 1)
        if self.measure == "latency_p95":
            return calls.assign(latency_ms=calls["latency_ms"] * times)
        if self.measure == "cost_per_call":
            return calls.assign(cost=calls["cost"] * times)
        if self.measure == "output_length":
            return calls.assign(output_tokens=calls["output_tokens"] * times)
        if self.measure == "error_rate":
            fails = lots.random(len(calls)) < 0.01 + np.where(changed, self.size, 0)
            return calls.assign(error_type=pd.Series("timeout", calls.index).where(fails))
        if self.measure == "refusal_rate":
            refused = lots.random(len(calls)) < 0.03 + np.where(changed, self.size, 0)
            return calls.assign(finish_reason=np.where(refused, "content_filter", "stop"))
        return calls


def moments_of(hours: np.ndarray) -> pd.DatetimeIndex:
    """Times of hours, by their number."""
    return pd.Timestamp(moment_of(0)) + pd.to_timedelta(hours, unit="h")


_RIGHT: dict[tuple[str, str], tuple[str, str | None, str | None]] = {
    ("score", "-5 points"): ("swap", "prompt_version", "prompt_version"),
    ("score", "-10 points"): ("provider", "system_fingerprint", "system_fingerprint"),
    ("latency_p95", "+30 %"): ("provider", "request_model", None),
    ("cost_per_call", "price x 2"): ("price", None, None),
    ("output_length", "+20 %"): ("swap", "index_version", "index_version"),
    ("error_rate", "1 % to 4 %"): ("product", "product", None),
    ("refusal_rate", "3 % to 8 %"): ("swap", "request_model", "request_model"),
}

"""One day's calls as live measures see them: a value for each call that counts, by measure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from canonry import lake
from canonry.storage import Zones

FIELDS = (
    "product",
    "team",
    "feature",
    "provider",
    "request_model",
    "response_model",
    "system_fingerprint",
    "prompt_name",
    "prompt_version",
    "index_version",
    "arm",
)
"""What calls are sliced by, and what a cause is sought in."""

_FACTS = ("inference_id", "started_at", "latency_ms", "output_tokens", "input_tokens")
_SAID = ("finish_reason", "error_type", "cache_hit", "attributes")

REFUSED = frozenset({"content_filter", "refusal", "safety"})
"""Reasons to finish that are a refusal."""


def read_calls(
    zones: Zones, days: Iterable[dt.date], *, costs: bool = False, score: str | None = None, until: dt.datetime
) -> pd.DataFrame:
    """Calls that began before `until`, one row each, cached ones left out: their facts, `cost` and `score`.

    `cost` is NaN where a part of it is not known; `score` is the mean of a metric of the scorer that scored last.
    """
    parts = []
    for day in days:
        calls = lake.read(zones.lake, "inferences", [day], [*_FACTS, *_SAID, *FIELDS]).to_pandas()
        if calls.empty:
            continue
        if costs:
            calls = calls.merge(_costs(zones, day), on="inference_id", how="left")
        if score is not None:
            calls = calls.merge(_scores(zones, day, score), on="inference_id", how="left")
        parts.append(calls)
    if not parts:
        columns = [*_FACTS, *_SAID, *FIELDS, "cost", "score"]
        return pd.DataFrame({name: pd.Series(dtype="object") for name in columns})
    calls = pd.concat(parts, ignore_index=True)
    return calls[(calls["cache_hit"] != True) & (calls["started_at"] < until)]  # noqa: E712


def values_of(measure: str, calls: pd.DataFrame, slower_than: float | None = None) -> pd.Series:
    """Each call's value, NaN where it does not count; of a share 0 or 1.

    `slower_than`: milliseconds, from which a latency is a hit; the latency itself where it is not given.
    """
    return _VALUES[measure](calls, slower_than).astype(float)


def simulated(calls: pd.DataFrame) -> bool:
    """Whether calls say that a program made up a part of them."""
    said = calls["attributes"].dropna()
    return bool(len(said)) and bool(said.str.contains('"simulated"', regex=False).any())


def _latency(calls: pd.DataFrame, slower_than: float | None) -> pd.Series:
    latency = calls["latency_ms"].astype(float)
    return latency if slower_than is None else (latency > slower_than).astype(float).where(latency.notna())


def _refused(calls: pd.DataFrame, _: float | None) -> pd.Series:
    return calls["finish_reason"].isin(REFUSED).where(calls["error_type"].isna()).astype(float)


def _length(calls: pd.DataFrame, _: float | None) -> pd.Series:
    return calls["output_tokens"].astype(float).where(calls["error_type"].isna())


_VALUES: dict[str, Callable[[pd.DataFrame, float | None], pd.Series]] = {
    "latency_p95": _latency,
    "error_rate": lambda calls, _: calls["error_type"].notna(),
    "refusal_rate": _refused,
    "output_length": _length,
    "cost_per_call": lambda calls, _: calls["cost"],
    "total_cost": lambda calls, _: calls["cost"],
    "score": lambda calls, _: calls["score"],
}


def _costs(zones: Zones, day: dt.date) -> pd.DataFrame:
    charges = lake.read(zones.lake, "charges", [day], ["inference_id", "amount", "status", "quantity"]).to_pandas()
    known = charges["status"].isin(["priced", "free"])
    amount = pd.Series(np.where(known, charges["amount"].astype(float), np.nan), index=charges.index)
    return (
        charges.assign(cost=amount, tokens=charges["quantity"])
        .groupby("inference_id", as_index=False)
        .agg(cost=("cost", lambda each: each.sum(skipna=False)), tokens=("tokens", "sum"))
    )


def _scores(zones: Zones, day: dt.date, metric: str) -> pd.DataFrame:
    columns = ["inference_id", "scorer", "scorer_version", "metric", "value", "scored_at"]
    scores = lake.read(zones.lake, "scores", [day], columns).to_pandas()
    scores = scores[scores["metric"] == metric].sort_values(["scored_at", "scorer", "scorer_version"])
    return scores.groupby("inference_id", as_index=False).agg(score=("value", "last"))

"""Drift of a day: each product's last days against its reference, part by part, with the chance of a false alarm."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from canonry.catalog.specs import DriftSpec
from canonry.catalog.specs.drifts import Part
from canonry.evaluate.drift_calls import DriftCall
from canonry.evaluate.topics import find_topics
from canonry.evaluate.windows import Windows, units_of
from canonry.stats.twosample import (
    TwoSample,
    embedding_features,
    squared_distance,
    stability_index,
    two_sample_test,
)

Row = dict[str, Any]
Calls = Mapping[dt.date, Mapping[str, Sequence[DriftCall]]]
"""Sampled calls by day and product."""

MOST_CLASSES = 20
"""Classes of a field; rarer ones are counted together."""
TENTHS = 10

BY_EMBEDDING = (
    "squared distance of mean embeddings with a ridged covariance divided out, askers shared out anew within "
    "weekends and within working days"
)
BY_SHARES = "population stability index of askers' mean shares, askers shared out anew within weekends and working days"


def window_of(spec: DriftSpec, day: dt.date) -> tuple[list[dt.date], list[dt.date]] | None:
    """Days of the reference and of the window that a day ends; None while the first reference lasts."""
    reference = spec.reference(day)
    if reference is None:
        return None
    first = max(day - dt.timedelta(days=spec.window_days - 1), reference.last + dt.timedelta(days=1))
    return _days(reference.first, reference.last), _days(first, day)


def measure_drift(
    name: str, spec: DriftSpec, day: dt.date, calls: Calls, vectors: Mapping[str, np.ndarray]
) -> tuple[list[Row], list[Row]]:
    """Rows of `lake/drift` and of `lake/drift_topics` for a day. `vectors` has every text of the parts by itself."""
    windows = window_of(spec, day)
    if windows is None:
        return [], []
    reference, window = windows
    rows, topics = [], []
    for product in sorted({product for each in window for product in calls.get(each, {})}):
        before, now = ([call for each in some for call in calls.get(each, {}).get(product, ())] for some in windows)
        both = Windows((*before, *now), np.arange(len(before) + len(now)) >= len(before))
        common = {
            "drift": name,
            "product": product,
            "level": spec.level,
            "reference_start": reference[0],
            "reference_end": reference[-1],
            "window_start": window[0],
            "window_end": window[-1],
        }
        for part in spec.parts:
            said = both.of(np.array([bool(call.texts(part)) for call in both.calls], dtype=bool))
            row = common | {"part": part, "measure": "embedding", "encoder": spec.encoder, "method": BY_EMBEDDING}
            rows.append(row | _tested(spec, said, partial(_embedded, part=part, vectors=vectors)))
            if part != "retrieved" and rows[-1]["refused"] is None:
                topics += _topics(common, part, said, vectors)
        for field in spec.categories:
            values = [call.facts[field] or "not said" for call in both.calls]
            row = common | {"part": field, "measure": "stability_index", "method": BY_SHARES}
            rows.append(row | _tested(spec, both, partial(_shares, classes=_classes(values))))
        for length in spec.lengths:
            lengths = [call.length(length) for call in both.calls]
            row = common | {"part": f"{length}_length", "measure": "stability_index", "method": BY_SHARES}
            rows.append(row | _tested(spec, both, partial(_shares, classes=_tenths(lengths))))
    return rows, topics


def _tested(spec: DriftSpec, windows: Windows, test: Callable[[Windows], TwoSample]) -> Row:
    current = len({call.asker for call, now in zip(windows.calls, windows.current, strict=True) if now})
    reference = len({call.asker for call in windows.calls}) - current
    counted = {
        "reference_askers": reference,
        "window_askers": current,
        "reference_calls": int((~windows.current).sum()),
        "window_calls": int(windows.current.sum()),
    }
    for askers, where in ((reference, "the reference"), (current, "the window")):
        if askers < spec.minimum_askers:
            refused = f"{askers} askers in {where}, at least {spec.minimum_askers} are needed"
            return counted | {"alarm": None, "refused": refused}
    found = test(windows)
    return counted | {
        "value": found.value,
        "typical": found.typical,
        "noise": found.noise,
        "p_value": found.p_value,
        "alarm": found.p_value <= spec.level,
        "refused": None,
    }


def _embedded(windows: Windows, part: Part, vectors: Mapping[str, np.ndarray]) -> TwoSample:
    means = np.stack([np.mean([vectors[text] for text in call.texts(part)], axis=0) for call in windows.calls])
    units = units_of(windows, means)
    features = embedding_features(units.features, units.weekend)
    return two_sample_test(features, units.current, squared_distance, strata=units.weekend)


def _shares(windows: Windows, classes: np.ndarray) -> TwoSample:
    units = units_of(windows, np.eye(int(classes.max()) + 1)[classes])
    current = int(units.current.sum())
    statistic = stability_index(current, len(units.current) - current)
    return two_sample_test(units.features, units.current, statistic, strata=units.weekend)


def _classes(values: Sequence[str]) -> np.ndarray:
    """(n,) class of each value: the most frequent of both windows, and one for all others."""
    names, of_value, counts = np.unique(values, return_inverse=True, return_counts=True)
    place = np.full(len(names), MOST_CLASSES)
    kept = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
    place[kept] = np.arange(len(kept))
    return np.unique(place[of_value], return_inverse=True)[1]


def _tenths(lengths: Sequence[int | None]) -> np.ndarray:
    """(n,) which tenth of both windows' lengths each lies in; those that are not known are a class of their own."""
    values = np.array([np.nan if each is None else each for each in lengths], dtype=float)
    known = values[~np.isnan(values)]
    edges = np.unique(np.quantile(known, np.arange(1, TENTHS) / TENTHS)) if len(known) else np.zeros(0)
    return np.where(np.isnan(values), 0, 1 + np.searchsorted(edges, values, side="left"))


def _topics(common: Row, part: Part, windows: Windows, vectors: Mapping[str, np.ndarray]) -> list[Row]:
    texts = [call.texts(part)[0] for call in windows.calls]
    shared = {key: common[key] for key in ("drift", "product")} | {"part": part}
    found = find_topics(windows, texts, np.stack([vectors[text] for text in texts]))
    return [shared | row for row in found]


def _days(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + dt.timedelta(days=each) for each in range((last - first).days + 1)]

"""The human-only row of an estimate: a slice's labels, weighed by how they were drawn, with their interval."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from canonry.catalog import EvalSpec
from canonry.evaluate.frame import Frame
from canonry.evaluate.response import covered_strata, labels_of, undecided
from canonry.evaluate.sample import NEGATIVE, POSITIVE, UNLABELED, Sample
from canonry.evaluate.slices import Slice
from canonry.evaluate.words import estimand, method
from canonry.stats.rates import estimate_rate
from canonry.stats.survey import Proportion, allow_for_uncovered, estimate_proportion

LEAST_COVERED = 0.5
"""Least share of a slice's calls that must lie in strata with a label; below it an estimate is refused."""

LEAST_CLUSTERS = 5
"""Fewer clusters with a label than this say too little of how far clusters differ."""


def from_labels(spec: EvalSpec, sample: Sample, frame: Frame | None, part: Slice) -> dict[str, Any]:
    """What the labels of a slice say: columns of `lake/estimates`. `value` is absent where the figure is refused."""
    labeled = part.items & (sample.outcome != UNLABELED)
    used, covered = covered_strata(sample, part.strata, part.items)[1:]
    population = _population(sample, part)
    clusters = _clusters(frame, labeled)
    row: dict[str, Any] = {
        "estimand": estimand(spec, sample, part, population),
        "estimand_kind": spec.estimand,
        "cluster": spec.cluster,
        "clusters": clusters,
        "population": population,
        "drawn": int(part.items.sum()),
        "labels": int(labeled.sum()),
        "positives": int(np.sum(sample.outcome[labeled] == POSITIVE)),
        "undecided": int(np.sum(part.items & undecided(sample))),
        "simulated": bool(sample.simulated[part.items].any()),
        "method": None,
        "refused": _refusal(spec, sample, frame, int(labeled.sum()), covered, clusters, cut=part.strata is None),
    }
    if row["refused"]:
        return row
    estimate = _proportion(spec, sample, frame, part)
    low, high = _worst_case(spec, sample, frame, part, estimate)
    row |= {"value": estimate.value, "interval_low": estimate.low, "interval_high": estimate.high}
    row |= {"worst_case_low": low, "worst_case_high": high}
    row["method"] = method(
        spec, sample, part, int(used.sum()), covered, estimate.effective_labels, clusters, (low, high)
    )
    return row


def _proportion(spec: EvalSpec, sample: Sample, frame: Frame | None, part: Slice) -> Proportion:
    covered = covered_strata(sample, part.strata, part.items)[2]
    labels = labels_of(sample, part.strata, part.items)
    positive = sample.outcome[labels.taken] == POSITIVE
    if spec.estimand == "calls":
        return allow_for_uncovered(estimate_proportion(positive, confidence=spec.confidence, **labels.design), covered)
    assert frame is not None
    seen, given = labels.among(frame, part)
    found = estimate_rate(positive, score=np.zeros(seen.sum()), confidence=spec.confidence, **given)
    return allow_for_uncovered(found.human_only, covered)


def _worst_case(
    spec: EvalSpec, sample: Sample, frame: Frame | None, part: Slice, estimate: Proportion
) -> tuple[float, float]:
    """The interval's ends, had every undecided item been answered no, and yes.

    Horowitz and Manski (1998, Journal of Econometrics 84) of what people looked at; an item that nobody came to yet is
    missing whatever its answer is, as items are handed out in an order that knows nothing of them.
    """
    open_items = undecided(sample)
    if not np.any(part.items & open_items):
        return estimate.low, estimate.high
    ends = [
        _proportion(spec, replace(sample, outcome=np.where(open_items, answer, sample.outcome)), frame, part)
        for answer in (NEGATIVE, POSITIVE)
    ]
    return min(ends[0].low, estimate.low), max(ends[1].high, estimate.high)


def _refusal(
    spec: EvalSpec,
    sample: Sample,
    frame: Frame | None,
    labels: int,
    covered: float,
    clusters: int | None,
    *,
    cut: bool,
) -> str | None:
    if not sample.strata and sample.undrawn:
        return f"no inclusion probability: these {sample.undrawn:,} labels were not drawn"
    if not sample.strata and sample.for_training_only:
        return (
            f"for training only: these {sample.for_training_only:,} items were chosen by a design that cannot say how "
            "likely each was"
        )
    if not sample.strata:
        return "nothing was drawn in the window"
    if labels < spec.minimum_labels:
        return f"{labels} labels, fewer than {spec.minimum_labels}"
    if cut and covered < 1:
        return "some strata that the slice cuts through have no label; wait, or make the slice's fields strata"
    if covered < LEAST_COVERED:
        return f"only {covered:.0%} of the calls lie in strata with a label"
    if spec.estimand == "rate" and frame is not None and frame.refused:
        return f"{frame.refused}: a rate needs every call, labeled or not"
    if clusters is not None and clusters < LEAST_CLUSTERS:
        return (
            f"the labels are of {clusters} clusters by {spec.cluster}, fewer than {LEAST_CLUSTERS}: how far clusters "
            "differ cannot be told"
        )
    return None


def _clusters(frame: Frame | None, labeled: np.ndarray) -> int | None:
    if frame is None or frame.refused or frame.cluster is None:
        return None
    return len(np.unique(frame.cluster[frame.place[labeled]]))


def _population(sample: Sample, part: Slice) -> int:
    if part.strata is not None:
        return int(sample.population[part.strata].sum())
    if len(part.calls):
        return int(part.calls.sum())
    drawn = np.bincount(sample.stratum, minlength=len(sample.strata))
    weight = (sample.population / np.maximum(drawn, 1))[sample.stratum]
    weight = np.where(np.isnan(sample.probability), weight, 1 / sample.probability)
    return round(float(np.sum(weight[part.items])))

"""The prediction-powered row of an estimate: the same labels, with the scores of every call."""

from __future__ import annotations

from typing import Any

import numpy as np

from canonry.catalog import EvalSpec
from canonry.evaluate.frame import Frame
from canonry.evaluate.response import covered_strata, labels_of
from canonry.evaluate.sample import POSITIVE, Sample
from canonry.evaluate.scores import Scores
from canonry.evaluate.slices import Slice
from canonry.stats.ppi import PredictionPowered, estimate_with_scores
from canonry.stats.rates import estimate_rate
from canonry.stats.survey import allow_for_uncovered


def with_scores(
    spec: EvalSpec, sample: Sample, frame: Frame, scores: Scores, part: Slice, human: dict[str, Any]
) -> dict[str, Any]:
    """The row of the same labels with scores, from that of the labels alone."""
    row = human | {"scorer": scores.scorer, "scorer_version": scores.version}
    unknown = ("value", "interval_low", "interval_high", "worst_case_low", "worst_case_high", "method")
    refused = human["refused"] or scores.refused
    if refused:
        return row | dict.fromkeys(unknown) | {"refused": refused}
    _, used, covered = covered_strata(sample, part.strata, part.items)
    # Strata of which no call of a cutting slice was drawn have some of its calls all the same.
    inside = part.calls if part.strata is None else used[frame.stratum]
    refused = scores.refusal(inside, labels_of(sample, part.strata, part.items).taken)
    if refused:
        return row | dict.fromkeys(unknown) | {"refused": refused}
    found = _combined(spec, sample, frame, scores, part, inside)
    estimate = allow_for_uncovered(found.estimate, covered)
    return row | {
        "value": estimate.value,
        "interval_low": estimate.low,
        "interval_high": estimate.high,
        "worst_case_low": min(human["worst_case_low"], estimate.low),
        "worst_case_high": max(human["worst_case_high"], estimate.high),
        "coefficient": found.coefficient,
        "labels_worth": found.labels_worth,
        "method": f"prediction-powered (difference estimator): {scores.scorer} {scores.version} scored "
        f"{1 - np.isnan(scores.values[inside]).mean():.1%} of {inside.sum():,} calls, coefficient "
        f"{found.coefficient:.2f}, as narrow as {found.labels_worth:.0f} labels alone; {human['method']}",
    }


def _combined(
    spec: EvalSpec, sample: Sample, frame: Frame, scores: Scores, part: Slice, inside: np.ndarray
) -> PredictionPowered:
    labels = labels_of(sample, part.strata, part.items)
    positive = sample.outcome[labels.taken] == POSITIVE
    # A call without a score counts as the mean: that, too, is known of every call, whatever its label.
    mean = float(np.nanmean(scores.values[inside]))
    if spec.estimand == "calls":
        score = np.where(np.isnan(scores.of_items), mean, scores.of_items)[labels.taken]
        return estimate_with_scores(positive, score, mean_score=mean, confidence=spec.confidence, **labels.design)
    seen, given = labels.among(frame, part)
    score = np.where(np.isnan(scores.values), mean, scores.values)[seen]
    return estimate_rate(positive, score=score, confidence=spec.confidence, **given)

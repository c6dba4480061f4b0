"""The prediction-powered row of an estimate: the same labels, with the scores of every call."""

from __future__ import annotations

from typing import Any

import numpy as np

from canonry.catalog import EvalSpec
from canonry.evaluate.response import covered_strata, labels_of
from canonry.evaluate.sample import POSITIVE, Sample
from canonry.evaluate.scores import Scores
from canonry.stats.ppi import estimate_with_scores
from canonry.stats.survey import allow_for_uncovered


def with_scores(
    spec: EvalSpec,
    sample: Sample,
    scores: Scores,
    values: dict[str, str | None],
    strata: np.ndarray | None,
    items: np.ndarray,
    human: dict[str, Any],
) -> dict[str, Any]:
    """The row of the same labels with scores, from that of the labels alone."""
    row = human | {"estimator": "prediction_powered", "scorer": scores.scorer, "scorer_version": scores.version}
    unknown = ("value", "interval_low", "interval_high", "worst_case_low", "worst_case_high", "method")
    refused = human["refused"] or scores.refused
    if refused:
        return row | dict.fromkeys(unknown) | {"refused": refused}
    _, used, covered = covered_strata(sample, strata, items)
    taken, given = labels_of(sample, strata, items)
    # Strata of which no call of a cutting slice was drawn have some of its calls all the same.
    inside = scores.inside(np.ones_like(used) if strata is None else used, values)
    refused = scores.refusal(inside, taken)
    if refused:
        return row | dict.fromkeys(unknown) | {"refused": refused}
    # A call without a score counts as the mean: that, too, is known of every call, whatever its label.
    mean = float(np.nanmean(scores.values[inside]))
    score = np.where(np.isnan(scores.of_items), mean, scores.of_items)[taken]
    found = estimate_with_scores(
        sample.outcome[taken] == POSITIVE, score, mean_score=mean, confidence=spec.confidence, **given
    )
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

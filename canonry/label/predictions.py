"""What a scorer says of an item, as the marks that a reviewer may be shown: Label Studio's predictions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pyarrow.compute as pc

from canonry import lake
from canonry.catalog import SchemeSpec
from canonry.label.config import SPANS
from canonry.storage import Storage


def shows_predictions(scheme: SchemeSpec) -> bool:
    """Whether reviewers see what the scorer says: it draws their answers towards it, and estimates with them."""
    if scheme.predicted_by is None:
        return False
    if scheme.predictions is None:
        return scheme.sampling.design == "negative_feedback_first"
    return scheme.predictions == "shown"


def read_predictions(
    lake_zone: Storage, day: dt.date, scheme: SchemeSpec, answers: Mapping[str, str]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Predictions in Label Studio's format, and why others are left out, one line each.

    `answers`, and what is given, are by inference_id of the day's calls. Of several rows of `lake/scores` that the
    scorer has of a call, the latest counts. One that marks nothing is none.
    """
    if not shows_predictions(scheme):
        return {}, []
    rows = lake.read(lake_zone, "scores", [day])
    rows = rows.filter(pc.and_(pc.equal(rows["scorer"], scheme.predicted_by), rows["spans"].is_valid()))
    latest = {row["inference_id"]: row for row in sorted(rows.to_pylist(), key=lambda row: str(row["scored_at"]))}
    found, problems = {}, []
    for inference_id in sorted(latest.keys() & answers.keys()):
        row, answer = latest[inference_id], answers[inference_id]
        wrong = [problem for each in row["spans"] if (problem := _problem(each, answer, scheme.spans))]
        if wrong:
            problems.append(f"lake/{lake.folder('scores', day)}: spans: inference {inference_id}: {wrong[0]}")
        elif row["spans"]:
            found[inference_id] = _prediction(row, answer)
    return found, problems


def _prediction(row: Mapping[str, Any], answer: str) -> dict[str, Any]:
    regions = [
        {
            "id": f"prediction-{place}",
            "from_name": SPANS,
            "to_name": "answer",
            "type": "labels",
            "value": {
                "start": span["start"],
                "end": span["end"],
                "text": answer[span["start"] : span["end"]],
                "labels": [span["label"]],
            },
        }
        for place, span in enumerate(row["spans"])
    ]
    return {"model_version": f"{row['scorer']} {row['scorer_version']}", "result": regions}


def _problem(span: Mapping[str, Any], answer: str, labels: tuple[str, ...]) -> str | None:
    start, end, label = span["start"], span["end"], span["label"]
    if start is None or end is None or not 0 <= start < end <= len(answer):
        return f"{start} to {end} is no part of an answer of {len(answer)} characters"
    if label not in labels:
        return f"{label!r} is not a label of the scheme ({', '.join(labels)})"
    return None

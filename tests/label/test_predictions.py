"""A scorer's marks reach reviewers only where the scheme lets them; what its page does not allow is never sent."""

from __future__ import annotations

import copy
import datetime as dt
import json

import pyarrow as pa
import pytest
from label_studio_sdk.label_interface import LabelInterface
from pydantic import ValidationError

from canonry import lake
from canonry.catalog import SchemeSpec
from canonry.label.checks import check_tasks
from canonry.label.config import labeling_config
from canonry.label.draws import draw_day
from canonry.label.tasks import export_tasks

DAY = dt.date(2026, 11, 9)
NOW = dt.datetime(2026, 11, 10, 1)
ANSWER = "Call open(path) and read it."


def _shown(scheme: SchemeSpec, **changes) -> SchemeSpec:
    return scheme.model_copy(update={"predicted_by": "judge", "predictions": "shown", **changes})


@pytest.fixture
def write_scores(zones):
    """Writes the day's scores: (inference_id, spans) or more fields as a dict."""

    def write(*rows):
        made = [
            {**dict.fromkeys(lake.SCHEMAS["scores"].names), "scorer": "judge", "scorer_version": "1", "scored_at": NOW}
            | {
                "inference_id": row["inference_id"],
                "spans": [dict(zip(("start", "end", "label"), span, strict=True)) for span in row["spans"]],
            }
            | {name: value for name, value in row.items() if name != "spans"}
            for row in rows
        ]
        lake.write(zones.lake, "scores", DAY, pa.Table.from_pylist(made, lake.SCHEMAS["scores"]), {})

    return write


@pytest.fixture
def export(zones, write_calls):
    """Exports a day of two calls; returns the tasks by call and what was left out."""
    write_calls([{"inference_id": name, "answer": ANSWER} for name in "ab"])

    def run(scheme):
        draw = draw_day(zones, "groundedness", scheme, DAY, NOW)
        made = export_tasks(zones, "groundedness", scheme, draw)
        calls = {item.item_id: item.inference_id for item in draw.items}
        tasks = json.loads(zones.exchange.read(made.path))
        return {calls[task["data"]["item_id"]]: task for task in tasks}, made.problems

    return run


def test_the_latest_marks_of_the_schemes_scorer_are_a_prediction(scheme, write_scores, export):
    write_scores(
        {"inference_id": "a", "spans": [(0, 4, "unsupported")]},
        {
            "inference_id": "a",
            "spans": [(5, 9, "unsupported")],
            "scorer_version": "2",
            "scored_at": NOW + dt.timedelta(1),
        },
        {"inference_id": "a", "spans": [(0, 1, "unsupported")], "scorer": "other", "scored_at": NOW + dt.timedelta(2)},
        {"inference_id": "b", "spans": []},
    )
    spec = _shown(scheme)
    tasks, problems = export(spec)
    (prediction,) = tasks["a"]["predictions"]
    assert prediction["model_version"] == "judge 2"
    (region,) = prediction["result"]
    assert region["value"] == {"start": 5, "end": 9, "text": "open", "labels": ["unsupported"]}
    assert "predictions" not in tasks["b"]
    assert problems == ()
    assert check_tasks(list(tasks.values()), "groundedness", spec) == []
    assert LabelInterface(labeling_config("groundedness", spec)).validate_prediction(prediction)


@pytest.mark.parametrize("changes", [{}, {"predicted_by": "judge"}, {"predicted_by": "judge", "predictions": "hidden"}])
def test_nothing_is_predicted_to_reviewers_whose_answers_estimates_are_made_from(scheme, write_scores, export, changes):
    write_scores({"inference_id": "a", "spans": [(0, 4, "unsupported")]})
    tasks, _ = export(scheme.model_copy(update=changes))
    assert all("predictions" not in task for task in tasks.values())


def test_items_for_training_only_come_with_predictions(scheme, write_scores, export):
    write_scores({"inference_id": "a", "spans": [(0, 4, "unsupported")]})
    sampling = {"strata": (), "per_stratum": None, "per_day": 2, "design": "negative_feedback_first"}
    spec = scheme.model_copy(update={"predicted_by": "judge", "sampling": scheme.sampling.model_copy(update=sampling)})
    assert "predictions" in export(spec)[0]["a"]


@pytest.mark.parametrize(
    ("span", "problem"),
    [
        ((20, 90, "unsupported"), "20 to 90 is no part of an answer of 28 characters"),
        ((4, 4, "unsupported"), "4 to 4 is no part of an answer of 28 characters"),
        ((0, 4, "invented"), "'invented' is not a label of the scheme (unsupported)"),
    ],
)
def test_marks_that_the_page_cannot_show_are_left_out_and_named(scheme, write_scores, export, span, problem):
    write_scores({"inference_id": "a", "spans": [(0, 4, "unsupported"), span]})
    tasks, problems = export(_shown(scheme))
    assert problems == (f"lake/scores/day=2026-11-09: spans: inference a: {problem}",)
    assert "predictions" not in tasks["a"]


REGION = {
    "from_name": "spans",
    "to_name": "answer",
    "type": "labels",
    "value": {"start": 0, "end": 4, "labels": ["unsupported"]},
}
CHOICE = {"from_name": "groundedness", "to_name": "answer", "type": "choices", "value": {"choices": ["perhaps"]}}
MARK = "predictions.0.result.0"


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("data.answer", None, "expected a text, found None"),
        ("data.scheme_version", 2, "expected 1, found 2"),
        ("data.passages.0", {"text": "x"}, "expected chunk_id and text, found an object of 1"),
        (f"{MARK}.from_name", "tone", "'tone' is not on the scheme's page (it has groundedness, spans)"),
        (f"{MARK}.to_name", "question", "expected 'answer', found 'question'"),
        (f"{MARK}.value.labels", ["bad"], "'bad' is not one of the scheme's (unsupported)"),
        (f"{MARK}.value", {**REGION["value"], "end": 29}, "0 to 29 is no part of an answer of 28 characters"),
        (MARK, CHOICE, "'perhaps' is not one of the scheme's (grounded, hallucinated)"),
    ],
)
def test_a_task_that_the_page_does_not_allow_is_named_by_item_and_field(scheme, export, path, value, problem):
    tasks, _ = export(scheme)
    task = {**tasks["a"], "predictions": [{"result": [copy.deepcopy(REGION)]}]}
    assert check_tasks([task], "groundedness", scheme) == []
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    part = task
    for each in parents:
        part = part[each]
    part[last] = value
    (found,) = check_tasks([task], "groundedness", scheme)
    where = f"{MARK}.value.choices" if value is CHOICE else path
    assert found == f"item {task['data']['item_id']}: {where}: {problem}"


def test_an_item_that_is_there_twice_is_not_allowed(scheme, export):
    task = export(scheme)[0]["a"]
    assert check_tasks([task, task], "groundedness", scheme) == [f"item {task['data']['item_id']}: is there twice"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"predictions": "shown"}, "`shown` needs `predicted_by`"),
        ({"predicted_by": "judge", "spans": []}, "a scorer's marks need labels in `spans`"),
    ],
)
def test_a_scheme_that_could_show_nothing_is_refused(scheme, changes, message):
    with pytest.raises(ValidationError, match=message):
        SchemeSpec.model_validate({**scheme.model_dump(), **changes})

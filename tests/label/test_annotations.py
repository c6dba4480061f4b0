"""What comes back is checked, kept once, and turned into rows; one bad annotation stops no other."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

import pytest
from label_studio_sdk.label_interface import LabelInterface

from canonry import lake
from canonry.consensus import consensus
from canonry.label.adjudication import items_to_adjudicate
from canonry.label.annotations import Annotation, AnnotationProblem, parse_task
from canonry.label.config import labeling_config
from canonry.label.draws import draw_day
from canonry.label.gold import gold_set
from canonry.label.inbox import import_annotations
from canonry.label.partition import write_labels
from canonry.label.progress import LabelProgress, label_progress
from canonry.label.tasks import export_tasks

DAY = dt.date(2026, 11, 9)
NOW = dt.datetime(2026, 11, 10, 1)
SPAN = {"from_name": "spans", "to_name": "answer", "type": "labels", "value": {"start": 0, "end": 2, "text": "An"}}


@pytest.fixture
def tasks(zones, scheme, write_calls):
    """Three exported tasks of a draw."""
    write_calls([{"inference_id": name} for name in "abc"])
    export = export_tasks(zones, "groundedness", scheme, draw_day(zones, "groundedness", scheme, DAY, NOW))
    return [{"id": number, **task} for number, task in enumerate(json.loads(zones.exchange.read(export.path)), start=1)]


def _labels(zones):
    return lake.read(zones.lake, "labels", [DAY])


def _values(zones):
    return [label.value for label in consensus(_labels(zones), "groundedness")]


def test_an_annotation_is_read_whole(tasks, scheme, annotate):
    span = {**SPAN, "value": {**SPAN["value"], "labels": ["unsupported"]}}
    raw = annotate(7, "hallucinated", meta={"simulated": True})
    raw["result"].append(span)
    assert LabelInterface(labeling_config("groundedness", scheme)).validate_annotation(raw)
    (read,) = parse_task({**tasks[0], "annotations": [raw]}, "groundedness", scheme)
    assert isinstance(read, Annotation)
    assert read.result == {
        "groundedness": "hallucinated",
        "spans": [{"start": 0, "end": 2, "label": "unsupported"}],
    }
    assert (read.created_at, read.updated_at) == (dt.datetime(2026, 11, 10, 8), dt.datetime(2026, 11, 10, 8, 0, 5))
    assert (read.duration_s, read.cancelled, read.simulated) == (12.5, False, True)
    assert read.annotation_id == f"{tasks[0]['data']['item_id']}.7"


def test_reviewers_are_told_apart_but_not_named(tasks, scheme, annotate):
    people = [5, {"id": 5, "email": "someone@example.com"}, {"email": "other@example.com"}, 6]
    raws = [annotate(number, "grounded", reviewer=person) for number, person in enumerate(people)]
    read = parse_task({**tasks[0], "annotations": raws}, "groundedness", scheme, b"key")
    hashes = [each.annotator_hash for each in read]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3
    (unkeyed,) = parse_task({**tasks[0], "annotations": raws[:1]}, "groundedness", scheme)
    assert unkeyed.annotator_hash != hashes[0]


def _region(**changes):
    region = {"from_name": "groundedness", "to_name": "answer", "type": "choices", "value": {"choices": ["grounded"]}}
    return {"result": [region | changes]}


BAD_LABEL = {"start": 0, "end": 1, "labels": ["x"]}
DEEP: list = []
for _ in range(500):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        (_region(value={"choices": ["perhaps"]}), "annotations.1.result.0.value.choices", "'perhaps' is not an answer"),
        (_region(value={"choices": ["grounded", "hallucinated"]}), "annotations.1.result.0.value.choices", "one ans"),
        (_region(value={"rating": 99}), "annotations.1.result.0.value.choices", "one ans"),
        (_region(value=None), "annotations.1.result.0.value", "expected an object"),
        (_region(from_name="mood"), "annotations.1.result.0.from_name", "'mood' is not asked"),
        ({"result": []}, "annotations.1.result", "no answer to groundedness"),
        ({"result": [3]}, "annotations.1.result.0", "expected an object"),
        ({"result": "grounded"}, "annotations.1.result", "expected a list"),
        ({"result": [_region()["result"][0]] * 2}, "annotations.1.result.1.from_name", "answered twice"),
        ({"result": [{**SPAN, "value": {"start": 3, "end": 1}}]}, "annotations.1.result.0.value", "start < end"),
        ({"result": [{**SPAN, "value": BAD_LABEL}]}, "annotations.1.result.0.value.labels", "'x' is not a label"),
        ({"id": "../../etc"}, "annotations.1.id", "short name"),
        ({"id": None}, "annotations.1.id", "short name"),
        ({"completed_by": None}, "annotations.1.completed_by", "nobody is named"),
        ({"created_at": "yesterday"}, "annotations.1.created_at", "'yesterday'"),
        ({"updated_at": 5}, "annotations.1.updated_at", "ISO 8601"),
        ({"lead_time": -1}, "annotations.1.lead_time", "expected seconds"),
        ({"was_cancelled": "no"}, "annotations.1.was_cancelled", "true or false"),
    ],
)  # fmt: skip
def test_a_bad_annotation_is_kept_with_its_reason_and_stops_no_other(
    zones, scheme, tasks, annotate, put_export, changes, field, message
):
    annotations = [annotate(1, "grounded"), annotate(2, "grounded", 2) | changes, annotate(3, "grounded", 3)]
    put_export([{**tasks[0], "annotations": annotations}])
    report = import_annotations(zones, "groundedness", scheme)
    ((path, problem),) = report.problems
    assert (path, problem.task, problem.field) == (
        "label-studio/groundedness/in/export.json",
        tasks[0]["data"]["item_id"],
        field,
    )
    assert message in problem.message
    assert report.new == 2
    (kept,) = [json.loads(zones.journal.read(e.path)) for e in zones.journal.list("rejected_annotations/groundedness")]
    assert kept["raw"]["annotation"] == annotations[1]


def test_an_annotation_nested_too_deeply_to_write_is_kept_with_its_file(zones, scheme, tasks, annotate, put_export):
    deep = annotate(1, "grounded") | _region(from_name=DEEP)
    put_export([{**tasks[0], "annotations": [deep, annotate(2, "grounded")]}])
    report = import_annotations(zones, "groundedness", scheme)
    assert report.new == 1
    assert "a list of 1 is not asked" in report.problems[0][1].message
    (raw,) = [entry for entry in zones.journal.list("rejected_annotations") if entry.path.endswith(".bin")]
    assert zones.journal.read(raw.path) == zones.exchange.read("label-studio/groundedness/in/export.json")


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda task: "text", "task"),
        (lambda task: {"id": 1, "groundedness": "grounded"}, "data"),
        (lambda task: {"id": 1, "data": task["data"]}, "annotations"),
        (lambda task: task | {"data": task["data"] | {"scheme": "tone"}}, "data.scheme"),
        (lambda task: task | {"data": task["data"] | {"scheme_version": 9}}, "data.scheme_version"),
        (lambda task: task | {"data": task["data"] | {"item_id": "0" * 32}}, "data.item_id"),
        (lambda task: task | {"data": task["data"] | {"draw_id": "../x"}}, "data.item_id"),
        (lambda task: task | {"data": task["data"] | {"item_id": None}}, "data.item_id"),
    ],
)
def test_a_foreign_or_broken_task_is_a_problem_and_the_next_is_read(
    zones, scheme, tasks, annotate, put_export, spoil, field
):
    first, second = ({**task, "annotations": [annotate(1, "grounded")]} for task in tasks[:2])
    put_export([spoil(first), second])
    report = import_annotations(zones, "groundedness", scheme)
    assert [problem.field for _, problem in report.problems] == [field]
    assert report.new == 1


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'[{"id": 1', b"\xff\xfe", b"[" * 100_000, json.dumps([DEEP]).encode(), b'"text"']
)
def test_a_file_that_is_no_export_is_kept_and_the_next_is_read(zones, scheme, tasks, annotate, put_export, data):
    put_export(data, "a.json")
    put_export([{**tasks[0], "annotations": [annotate(1, "grounded")]}], "b.json")
    report = import_annotations(zones, "groundedness", scheme)
    assert (report.files, report.new) == (2, 1)
    assert [path.rpartition("/")[2] for path, _ in report.problems] == ["a.json"]
    assert isinstance(report.problems[0][1], AnnotationProblem)
    assert list(zones.journal.list("rejected_annotations/groundedness"))
    assert zones.exchange.read("label-studio/groundedness/in/a.json") == data


def test_importing_again_journals_nothing_twice_and_writes_the_same_bytes(zones, scheme, tasks, annotate, put_export):
    put_export([{**task, "annotations": [annotate(task["id"], "grounded")]} for task in tasks])
    first = import_annotations(zones, "groundedness", scheme)
    assert (first.annotations, first.new, first.days) == (3, 3, (DAY,))
    assert write_labels(zones, DAY).changed
    before = _bytes(zones)
    again = import_annotations(zones, "groundedness", scheme)
    assert (again.annotations, again.new, again.days) == (3, 0, ())
    assert not write_labels(zones, DAY).changed
    assert _bytes(zones) == before


def test_a_growing_export_adds_only_what_is_new_and_deletes_nothing(zones, scheme, tasks, annotate, put_export):
    put_export([{**tasks[0], "annotations": [annotate(1, "grounded")]}], "monday.json")
    import_annotations(zones, "groundedness", scheme)
    zones.exchange.delete("label-studio/groundedness/in/monday.json")
    put_export([{**tasks[1], "annotations": [annotate(2, "hallucinated")]}], "tuesday.json")
    assert import_annotations(zones, "groundedness", scheme).new == 1
    assert write_labels(zones, DAY).rows == 2


def test_the_latest_version_counts_in_whichever_order_it_came(zones, scheme, tasks, annotate, put_export):
    old = annotate(1, "grounded")
    new = annotate(1, "hallucinated", updated_at="2026-11-10T09:00:00.000000Z")
    for file, annotation in (("1.json", new), ("2.json", old)):
        put_export([{**tasks[0], "annotations": [annotation]}], file)
        import_annotations(zones, "groundedness", scheme)
    write_labels(zones, DAY)
    assert _values(zones) == ["hallucinated"]


def test_rows_carry_how_their_item_was_drawn(zones, scheme, tasks, annotate, put_export):
    put_export([{**tasks[0], "annotations": [annotate(1, "grounded")]}])
    import_annotations(zones, "groundedness", scheme)
    write_labels(zones, DAY)
    (row,) = _labels(zones).to_pylist()
    assert row["inclusion_probability"] == 1.0
    assert json.loads(row["stratum"]) == {"product": "site", "response_model": None}
    assert row["inference_id"] in "abc"
    assert json.loads(row["result"]) == {"groundedness": "grounded", "spans": []}


def test_majority_wins_ties_stay_open_and_a_skip_counts_for_nothing(zones, scheme, tasks, annotate, put_export):
    votes = [
        ["grounded", "hallucinated", "hallucinated"],
        ["grounded", "hallucinated"],
        [None],
    ]
    put_export(
        [
            {**task, "annotations": [annotate(10 * task["id"] + who, vote, who) for who, vote in enumerate(some)]}
            for task, some in zip(tasks, votes, strict=True)
        ]
    )
    import_annotations(zones, "groundedness", scheme)
    assert write_labels(zones, DAY).skipped == 1
    by_item = {label.item_id: label for label in consensus(_labels(zones), "groundedness")}
    assert by_item[tasks[0]["data"]["item_id"]].value == "hallucinated"
    assert by_item[tasks[1]["data"]["item_id"]].value is None
    assert by_item[tasks[1]["data"]["item_id"]].votes == {"grounded": 1, "hallucinated": 1}
    assert tasks[2]["data"]["item_id"] not in by_item
    assert label_progress(zones, "groundedness") == [LabelProgress("groundedness", 1, "site", 3, 3, 2, 1)]


def test_an_answer_to_a_task_that_asks_to_settle_doubt_overrules(zones, scheme, tasks, annotate, put_export):
    item = tasks[0]
    asked = {**item, "id": 99, "data": {**item["data"], "adjudication": True}}
    votes = [annotate(1, "grounded", 1), annotate(2, "hallucinated", 2)]
    put_export([{**item, "annotations": votes}])
    import_annotations(zones, "groundedness", scheme)
    write_labels(zones, DAY)
    (open_one,) = items_to_adjudicate(zones, "groundedness", scheme)
    assert (open_one.item_id, open_one.reason) == (item["data"]["item_id"], "tied") and len(open_one.not_by) == 2
    put_export([{**asked, "annotations": [annotate(3, "hallucinated", 3)]}], "settled.json")
    assert import_annotations(zones, "groundedness", scheme).new == 1
    write_labels(zones, DAY)
    (label,) = consensus(_labels(zones), "groundedness")
    assert (label.value, label.method, label.confidence) == ("hallucinated", "adjudicated", 1.0)
    assert items_to_adjudicate(zones, "groundedness", scheme) == []


def test_a_reviewer_who_answers_twice_has_one_vote(zones, scheme, tasks, annotate, put_export):
    answers = [
        annotate(1, "grounded", 1),
        annotate(2, "hallucinated", 1, updated_at="2026-11-11T00:00:00Z"),
    ]
    put_export([{**tasks[0], "annotations": answers}])
    import_annotations(zones, "groundedness", scheme)
    write_labels(zones, DAY)
    (label,) = consensus(_labels(zones), "groundedness")
    assert label.votes == {"hallucinated": 1}


def test_a_gold_set_holds_what_is_agreed_with_its_text(zones, scheme, tasks, annotate, put_export):
    put_export(
        [
            {**tasks[0], "annotations": [annotate(1, "grounded", meta={"simulated": True})]},
            {**tasks[1], "annotations": [annotate(2, "grounded", 1), annotate(3, "hallucinated", 2)]},
        ]
    )
    import_annotations(zones, "groundedness", scheme)
    write_labels(zones, DAY)
    gold = gold_set(zones.lake, zones.journal, "groundedness", scheme, [DAY])
    assert gold.metadata == {
        "scheme": "groundedness",
        "scheme_version": 1,
        "items": 1,
        "values": {"groundedness=grounded": 1},
        "splits": gold.metadata["splits"],
        "unresolved": 1,
        "without_text": 0,
        "between_splits": 0,
        "simulated": 1,
    }
    assert gold.files == gold_set(zones.lake, zones.journal, "groundedness", scheme, [DAY]).files
    assert gold_set(zones.lake, zones.journal, "groundedness", scheme, []).empty


def _bytes(zones):
    return {
        f"{zone.url}/{entry.path}": hashlib.sha256(zone.read(entry.path)).hexdigest()
        for zone in (zones.lake, zones.journal, zones.exchange)
        for entry in zone.list()
    }

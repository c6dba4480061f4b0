"""What reviewers are in doubt about goes out once more, to be settled by somebody who sees what they said, not who."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from label_studio_sdk.label_interface import LabelInterface

from canonry import lake
from canonry.consensus import consensus
from canonry.label.adjudication import items_to_adjudicate
from canonry.label.checks import check_tasks
from canonry.label.config import labeling_config
from canonry.label.doubts import export_doubts
from canonry.label.draws import draw_day
from canonry.label.inbox import import_annotations
from canonry.label.partition import write_labels
from canonry.label.tasks import export_tasks

DAY = dt.date(2026, 11, 9)
NOW = dt.datetime(2026, 11, 10, 1)


@pytest.fixture
def label(zones, scheme, write_calls, annotate, put_export):
    """Labels the day's calls: answers by call, of reviewers 1, 2, 3…; they mark the first word where they doubt it."""
    write_calls([{"inference_id": name, "answer": "Call open."} for name in "abc"])
    draw = draw_day(zones, "groundedness", scheme, DAY, NOW)
    export = export_tasks(zones, "groundedness", scheme, draw)
    calls = {item.item_id: item.inference_id for item in draw.items}
    mark = {"from_name": "spans", "to_name": "answer", "type": "labels"}
    mark["value"] = {"start": 0, "end": 4, "text": "Call", "labels": ["unsupported"]}

    def run(answers, file="export.json", tasks=None):
        tasks = tasks or json.loads(zones.exchange.read(export.path))
        for number, task in enumerate(tasks):
            task["annotations"] = []
            for reviewer, answer in enumerate(answers.get(calls[task["data"]["item_id"]], []), start=1):
                made = annotate(1000 * number + len(file) * 10 + reviewer, answer, reviewer)
                made["result"] += [mark] if answer == "hallucinated" else []
                task["annotations"].append(made)
        put_export(tasks, file)
        assert import_annotations(zones, "groundedness", scheme).problems == ()
        write_labels(zones, DAY)
        return {item.inference_id: item.item_id for item in draw.items}

    return run


def _tasks(zones, export):
    return json.loads(zones.exchange.read(export.path))


def test_a_tie_goes_out_with_what_was_said_and_without_names(zones, scheme, label):
    label({"a": ["grounded", "hallucinated"], "b": ["grounded", "grounded"], "c": ["grounded"]})
    export = export_doubts(zones, "groundedness", scheme)
    assert (export.tasks, export.written) == (1, True)
    (task,) = _tasks(zones, export)
    asked, *said, _, marked = task["data"]["answers"].splitlines()
    assert asked == "Supported?"
    assert sorted(line[3:] for line in said) == ["grounded", "hallucinated"]
    assert [line[:3] for line in said] == ["A: ", "B: "]
    assert marked[1:] == " marked as unsupported: “Call”"
    for annotator in lake.read(zones.lake, "labels", [DAY])["annotator_hash"].to_pylist():
        assert annotator not in json.dumps(task)
    assert check_tasks([task], "groundedness", scheme) == []
    page = LabelInterface(labeling_config("groundedness", scheme, adjudication=True))
    assert page.validate_task({"data": task["data"]})


def test_an_item_goes_out_once_and_later_doubts_beside_it(zones, scheme, label):
    label({"a": ["grounded", "hallucinated"]})
    first = export_doubts(zones, "groundedness", scheme)
    before = zones.exchange.read(first.path)
    assert export_doubts(zones, "groundedness", scheme) is None
    items = label({"a": ["grounded", "hallucinated"], "b": ["hallucinated", "grounded"]}, "later.json")
    second = export_doubts(zones, "groundedness", scheme)
    assert [task["data"]["item_id"] for task in _tasks(zones, second)] == [items["b"]]
    assert zones.exchange.read(first.path) == before


def test_what_is_answered_there_overrules_and_leaves_the_queue(zones, scheme, label):
    items = label({"a": ["grounded", "hallucinated"]})
    (doubt,) = items_to_adjudicate(zones, "groundedness", scheme)
    assert doubt.item_id == items["a"]
    tasks = _tasks(zones, export_doubts(zones, "groundedness", scheme))
    label({"a": [None, None, "hallucinated"]}, "settled.json", tasks)
    (settled,) = consensus(lake.read(zones.lake, "labels", [DAY]), "groundedness")
    assert (settled.value, settled.method, settled.confidence) == ("hallucinated", "adjudicated", 1.0)
    assert items_to_adjudicate(zones, "groundedness", scheme) == []


def test_an_item_whose_text_is_gone_stays_in_the_queue_and_goes_nowhere(zones, scheme, label, write_calls):
    label({"a": ["grounded", "hallucinated"]})
    write_calls([{"inference_id": "z"}])
    assert export_doubts(zones, "groundedness", scheme) is None
    assert len(items_to_adjudicate(zones, "groundedness", scheme)) == 1


def test_who_is_a_is_another_one_with_each_item(zones, scheme, label):
    label({name: ["grounded", "hallucinated"] for name in "abc"})
    tasks = _tasks(zones, export_doubts(zones, "groundedness", scheme))
    assert len({task["data"]["answers"].splitlines()[1] for task in tasks}) == 2

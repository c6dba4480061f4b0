"""An item that was taken back, as nobody answered it: what the journal says of it, and what follows."""

from __future__ import annotations

import datetime as dt
import json

from canonry.label import register
from canonry.label.draws import draw_day
from canonry.label.inbox import import_annotations
from canonry.label.partition import write_labels
from canonry.label.progress import label_progress
from canonry.label.register import Project
from canonry.label.tasks import export_tasks

DAY = dt.date(2026, 11, 9)
NEXT = dt.date(2026, 11, 10)
NOW = dt.datetime(2026, 11, 10, 1)
PROJECT = Project("groundedness", 1, 7, dt.datetime(2026, 11, 10, tzinfo=dt.UTC))


def _recall(zones, items):
    register.record_project(zones.journal, PROJECT, "http://127.0.0.1:8080")
    tasks = {item_id: number for number, item_id in enumerate(items)}
    name = register.record_recall(zones.journal, PROJECT, tasks, NOW)
    assert register.unfinished_recalls(zones.journal, PROJECT) == {name: tasks}
    assert register.recalled_items(zones.journal, PROJECT) == frozenset()
    register.record_recalled(zones.journal, PROJECT, name, items)
    assert register.unfinished_recalls(zones.journal, PROJECT) == {}


def test_an_answer_to_a_recalled_item_is_its_label(zones, scheme, write_calls, annotate, put_export):
    write_calls([{"inference_id": name} for name in "ab"])
    draw = draw_day(zones, "groundedness", scheme, DAY, NOW)
    tasks = json.loads(zones.exchange.read(export_tasks(zones, "groundedness", scheme, draw).path))
    _recall(zones, [item.item_id for item in draw.items])
    (before,) = label_progress(zones, "groundedness")
    assert (before.drawn, before.labeled, before.recalled) == (2, 0, 2)
    put_export([{**tasks[0], "annotations": [annotate(1, "grounded")]}])
    import_annotations(zones, "groundedness", scheme)
    write_labels(zones, DAY)
    (after,) = label_progress(zones, "groundedness")
    assert (after.drawn, after.labeled, after.recalled) == (2, 1, 1)
    assert draw_day(zones, "groundedness", scheme, DAY, NOW) == draw


def test_a_later_call_that_reads_the_same_is_asked_about_anew(zones, scheme, write_calls):
    sampling = scheme.sampling.model_copy(update={"same_text_once": True})
    spec = scheme.model_copy(update={"sampling": sampling})
    write_calls([{"inference_id": "a"}])
    (item,) = draw_day(zones, "groundedness", spec, DAY, NOW).items
    write_calls([{"inference_id": "b"}], NEXT)
    (same,) = draw_day(zones, "groundedness", spec, NEXT, NOW).items
    assert same.same_as is not None and same.same_as.item_id == item.item_id
    _recall(zones, [item.item_id])
    write_calls([{"inference_id": "c"}], NEXT + dt.timedelta(days=1))
    (anew,) = draw_day(zones, "groundedness", spec, NEXT + dt.timedelta(days=1), NOW).items
    assert anew.same_as is None

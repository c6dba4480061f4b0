"""Items whose answer is known: nobody can tell them from others, and they are part of no estimate."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import pytest

from canonry import lake
from canonry.label.draws import draw_day
from canonry.label.inbox import import_annotations
from canonry.label.journal import journalled
from canonry.label.partition import write_labels
from canonry.label.tasks import export_tasks
from canonry.labels import KnownItem

DAY = dt.date(2026, 11, 9)
NOW = dt.datetime(2026, 11, 10, 1)
KNOWN = KnownItem("k1", "g1", "old-call", {"groundedness": "grounded"}, "3f2a")


@pytest.fixture
def tasks(zones, scheme, write_calls):
    """Two exported tasks of a draw, and one like them of an item whose answer is known."""
    write_calls([{"inference_id": name} for name in "ab"])
    draw = draw_day(zones, "groundedness", scheme, DAY, NOW)
    export = export_tasks(zones, "groundedness", scheme, draw)
    zones.journal.delete(draw.path)
    zones.journal.put(draw.path, replace(draw, known=(KNOWN,)).to_json())
    made = json.loads(zones.exchange.read(export.path))
    return [*made, {"data": {**made[0]["data"], "item_id": KNOWN.item_id}}]


def test_an_answer_to_a_known_item_is_journalled_and_is_no_label(zones, scheme, tasks, annotate, put_export):
    put_export([{**task, "annotations": [annotate(number, "grounded")]} for number, task in enumerate(tasks)])
    found = import_annotations(zones, "groundedness", scheme)
    assert (found.new, found.problems) == (3, ())
    assert KNOWN.item_id in {each["item_id"] for each in journalled(zones.journal, "groundedness", DAY)}
    assert write_labels(zones, DAY).rows == 2
    assert KNOWN.item_id not in lake.read(zones.lake, "labels", [DAY])["item_id"].to_pylist()


def test_an_answer_to_an_item_that_its_draw_lacks_is_an_error_that_names_both(
    zones, scheme, tasks, annotate, put_export
):
    put_export([{**tasks[2], "annotations": [annotate(1, "grounded")]}])
    import_annotations(zones, "groundedness", scheme)
    draw = draw_day(zones, "groundedness", scheme, DAY, NOW)
    zones.journal.put(draw.path, replace(draw, known=()).to_json())
    with pytest.raises(LookupError, match=rf"journal/{draw.path}: items: has no 'k1', which annotation 'k1\.1' is of"):
        write_labels(zones, DAY)

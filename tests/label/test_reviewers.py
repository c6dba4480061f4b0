"""How reviewers get on, and what waits since when: from the journal and the lake alone, whatever the clock says."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from canonry.label.draws import draw_day
from canonry.label.inbox import import_annotations
from canonry.label.partition import write_labels
from canonry.label.progress import label_progress
from canonry.label.reviewers import DAYS, reviewer_progress
from canonry.label.tasks import export_tasks

DAY = dt.date(2026, 11, 9)
DRAWN = dt.datetime(2026, 11, 10, 1)


def answered(day: int, seconds: float | None) -> dict[str, Any]:
    """When an annotation was made, and what it took."""
    at = dt.datetime(2026, 11, day, 9).isoformat() + "Z"
    return {"created_at": at, "updated_at": at, "lead_time": seconds}


def test_each_reviewer_has_counts_by_day_and_the_time_an_item_took(
    zones, scheme, write_calls, annotate, put_export
) -> None:
    write_calls([{"inference_id": name, "answer": f"Answer {name}."} for name in "abc"])
    draw = draw_day(zones, "groundedness", scheme, DAY, DRAWN)
    export = export_tasks(zones, "groundedness", scheme, draw)
    tasks = json.loads(zones.exchange.read(export.path))
    first = [annotate(1, "grounded", **answered(10, 10)), annotate(2, "grounded", 2, **answered(10, None))]
    second = [annotate(3, "grounded", **answered(10, 20)), annotate(4, None, 2, **answered(11, 3))]
    third = [annotate(5, "hallucinated", **answered(12, 90)), annotate(6, "grounded", 3, **answered(10, 5))]
    answers = [first, second, third]
    put_export([{**task, "annotations": made} for task, made in zip(tasks, answers, strict=True)])
    import_annotations(zones, "groundedness", scheme)
    write_labels(zones, DAY)

    found = reviewer_progress(zones, "groundedness")
    counted = [(each.labeled, each.skipped, each.days) for each in found]
    assert counted[0] == (3, 0, 2) and sorted(counted[1:]) == [(1, 0, 1), (1, 1, 2)]
    busiest = found[0]
    assert (busiest.median_s, busiest.p90_s, busiest.per_day) == (20.0, 76.0, 1.5)
    assert (busiest.last_day, busiest.simulated) == (dt.date(2026, 11, 12), False)
    unmeasured = next(each for each in found if each.skipped)
    assert (unmeasured.median_s, unmeasured.p90_s) == (None, None)
    assert all(len(each.annotator_hash) == 32 for each in found)


def test_only_the_last_weeks_count(zones, scheme, write_calls, annotate, put_export) -> None:
    write_calls([{"inference_id": "a"}])
    draw = draw_day(zones, "groundedness", scheme, DAY, DRAWN)
    (task,) = json.loads(zones.exchange.read(export_tasks(zones, "groundedness", scheme, draw).path))
    late = (dt.datetime(2026, 11, 10, 9) + dt.timedelta(days=DAYS)).isoformat() + "Z"
    made = [annotate(1, "grounded", **answered(10, 1)), annotate(2, "grounded", 2, created_at=late, updated_at=late)]
    put_export([{**task, "annotations": made}])
    import_annotations(zones, "groundedness", scheme)
    write_labels(zones, DAY)
    (only,) = reviewer_progress(zones, "groundedness")
    assert only.last_day == dt.date(2026, 11, 10) + dt.timedelta(days=DAYS)


def test_what_was_handed_out_and_not_looked_at_waits_since_it_was_drawn(
    zones, scheme, write_calls, annotate, put_export
) -> None:
    for later in range(3):
        day = DAY + dt.timedelta(days=later)
        write_calls([{"inference_id": f"c{later}", "answer": f"Answer {later}."}], day)
        draw = draw_day(zones, "groundedness", scheme, day, DRAWN + dt.timedelta(days=later))
        if later < 2:
            export_tasks(zones, "groundedness", scheme, draw)
    (waiting,) = label_progress(zones, "groundedness")
    assert (waiting.oldest_waits_since, waiting.half_wait_since) == (DRAWN, DRAWN + dt.timedelta(days=1))
    first = json.loads(zones.exchange.read(f"label-studio/groundedness/out/{DAY}.json"))
    put_export([{**first[0], "annotations": [annotate(1, None)]}])
    import_annotations(zones, "groundedness", scheme)
    write_labels(zones, DAY)
    (waiting,) = label_progress(zones, "groundedness")
    assert waiting.oldest_waits_since == waiting.half_wait_since == DRAWN + dt.timedelta(days=1)

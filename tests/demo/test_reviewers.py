"""Simulated reviewers: what they hand in is an export of Label Studio, and they know only simulated calls."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from canonry import catalog
from canonry.collect.partition import collect_day
from canonry.demo import traffic
from canonry.demo.products import DAYS
from canonry.demo.questions import Question
from canonry.demo.reviewers import REVIEWERS, review
from canonry.label.annotations import Annotation, parse_task
from canonry.label.draws import draw_day
from canonry.label.inbox import import_annotations
from canonry.label.tasks import export_tasks
from canonry.landing import LandingWriter
from canonry.storage import Zones

ASSETS = Path(__file__).parent.parent.parent / "assets"
SCHEME = catalog.load(ASSETS).schemes["groundedness"]
NOW = dt.datetime(2026, 11, 30)


def test_every_annotation_is_read_as_label_studio_exports_it(
    zones: Zones, stand_in: Any, some_questions: list[Question]
) -> None:
    _send_tasks(zones, stand_in, some_questions)
    written = review(zones, "groundedness")
    parsed = [each for task in _exported(zones) for each in parse_task(task, "groundedness", SCHEME)]
    assert written == len(parsed) > 30
    assert all(isinstance(each, Annotation) and each.simulated for each in parsed)
    assert len({each.annotation_id for each in parsed if isinstance(each, Annotation)}) == written
    reviewers = {annotation["completed_by"] for task in _exported(zones) for annotation in task["annotations"]}
    assert reviewers == set(REVIEWERS)


def test_most_verdicts_are_right_and_a_few_are_not(zones: Zones, stand_in: Any, some_questions: list[Question]) -> None:
    truth = _send_tasks(zones, stand_in, some_questions, DAYS[7:14])
    review(zones, "groundedness")
    verdicts = [
        (truth[task["data"]["item_id"]], annotation["result"][0]["value"]["choices"][0] == "grounded")
        for task in _exported(zones)
        for annotation in task["annotations"]
        if not annotation["was_cancelled"]
    ]
    right = sum(supported == verdict for supported, verdict in verdicts) / len(verdicts)
    assert 0.9 < right < 1
    assert any(len(task["annotations"]) == 2 for task in _exported(zones))


def test_reviewing_again_changes_nothing_and_the_inbox_takes_all(
    zones: Zones, stand_in: Any, some_questions: list[Question]
) -> None:
    _send_tasks(zones, stand_in, some_questions)
    written = review(zones, "groundedness")
    before = _exported(zones)
    assert review(zones, "groundedness") == 0
    assert _exported(zones) == before
    found = import_annotations(zones, "groundedness", SCHEME)
    assert (found.new, found.problems) == (written, ())


def test_calls_of_real_users_are_left_to_people(zones: Zones) -> None:
    event = {
        "inference_id": "real-1",
        "started_at": "2026-11-09T10:00:00Z",
        "product": "real",
        "team": "real",
        "input_messages": [{"role": "user", "content": "Is it open?"}],
        "output_messages": [{"role": "assistant", "content": "It is."}],
    }
    LandingWriter(zones.landing, "docs-assistant", clock=lambda: dt.datetime(2026, 11, 9, 11)).append(
        "inferences", [event]
    )
    _draw(zones, DAYS[7:8])
    assert review(zones, "groundedness") == 0
    assert _exported(zones) == []


def _send_tasks(
    zones: Zones, stand_in: Any, questions: list[Question], days: tuple[dt.date, ...] = DAYS[8:10]
) -> dict[str, bool]:
    """Play days and send their tasks out; whether each item's answer is supported."""
    traffic.play(zones, stand_in, questions, days)
    return _draw(zones, days)


def _draw(zones: Zones, days: tuple[dt.date, ...]) -> dict[str, bool]:
    truth = {}
    for day in days:
        collect_day(zones, "inferences", day, today=NOW.date())
        draw = draw_day(zones, "groundedness", SCHEME, day, NOW)
        assert draw is not None
        export_tasks(zones, "groundedness", SCHEME, draw)
        path = f"{traffic.OUTBOX}/{day}.jsonl"
        lines = (
            [json.loads(line) for line in zones.exchange.read(path).splitlines()] if zones.exchange.head(path) else []
        )
        calls = [line["event"] for line in lines if line["kind"] == "inferences" and isinstance(line["event"], dict)]
        attributes = {call["inference_id"]: call["attributes"] for call in calls}
        for item in draw.items:
            if simulated := attributes.get(item.inference_id, {}).get("simulation"):
                truth[item.item_id] = attributes[item.inference_id]["quoted_document"] == simulated["asked_about"]
    return truth


def _exported(zones: Zones) -> list[dict[str, Any]]:
    files = [entry.path for entry in zones.exchange.list("label-studio/groundedness/in")]
    return [task for path in files for task in json.loads(zones.exchange.read(path))]

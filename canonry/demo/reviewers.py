"""Simulated reviewers: they read the tasks that went out, and hand in exports as Label Studio writes them.

They know what only a simulation can know, which document a question was made from, and call an answer hallucinated
where it quotes another. They err, skip, and disagree as people do; their answers say `"meta": {"simulated": true}`,
and so does each region, since a server keeps nothing else of what an annotation says of itself.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

from canonry import lake
from canonry.demo.products import digest, seeded
from canonry.label.journal import journalled
from canonry.labels import list_draws, read_draw
from canonry.storage import Zones

REVIEWERS = (101, 102, 103)
"""Ids of users in Label Studio."""

_SECOND_OPINION = 0.7
_ERRS = 0.02
_SKIPS = 0.02


def review(zones: Zones, scheme: str) -> int:
    """Answer every file of tasks that has no export yet; returns how many annotations were written.

    Calls that no simulation asked are left to people, and so is what was answered on a server.
    """
    folder = f"label-studio/{scheme}"
    waiting = [entry.path for entry in zones.exchange.list(f"{folder}/out") if entry.path.endswith(".json")]
    exports = {path: f"{folder}/in/{path.rsplit('/', 1)[-1]}" for path in waiting}
    pending = {path: export for path, export in exports.items() if not zones.exchange.head(export)}
    supported = supported_answers(zones, scheme) if pending else {}
    answered = answered_items(zones, scheme) if pending else set()
    written = 0
    for path, export in pending.items():
        tasks = json.loads(zones.exchange.read(path))
        reviewed = [
            _reviewed(number, task, supported[task["data"]["item_id"]])
            for number, task in enumerate(tasks, start=1)
            if task["data"]["item_id"] in supported.keys() - answered
        ]
        if reviewed:
            zones.exchange.put(export, json.dumps(reviewed, indent=1, ensure_ascii=False).encode() + b"\n")
            written += sum(len(task["annotations"]) for task in reviewed)
    return written


def supported_answers(zones: Zones, scheme: str) -> dict[str, tuple[bool, dt.datetime]]:
    """By item: whether the call quoted the document it was asked about, and the day after it, when it is reviewed."""
    items = {}
    for version, day in list_draws(zones.journal, scheme):
        draw = read_draw(zones.journal, scheme, version, day)
        calls = lake.read(zones.lake, "inferences", [day], ["inference_id", "attributes"]).to_pylist()
        known = {call["inference_id"]: json.loads(call["attributes"] or "{}") for call in calls}
        reviewed_at = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(9))
        for item in draw.items if draw else ():
            attributes = known.get(item.inference_id, {})
            if "simulation" in attributes:
                asked_about = attributes["simulation"]["asked_about"]
                items[item.item_id] = (attributes["quoted_document"] == asked_about, reviewed_at)
    return items


def answered_items(zones: Zones, scheme: str) -> set[str]:
    """Items that have an annotation in the journal."""
    days = [day for _, day in list_draws(zones.journal, scheme)]
    return {version["item_id"] for day in days for version in journalled(zones.journal, scheme, day)}


def _reviewed(number: int, task: dict[str, Any], truth: tuple[bool, dt.datetime]) -> dict[str, Any]:
    """A task with its annotations, as in an export of Label Studio in its format "JSON"."""
    annotations = list(answers(task["data"]["item_id"], *truth))
    skipped = sum(each["was_cancelled"] for each in annotations)
    return {
        "id": number,
        "data": task["data"],
        "annotations": annotations,
        "total_annotations": len(annotations) - skipped,
        "cancelled_annotations": skipped,
    }


def answers(item_id: str, supported: bool, reviewed_at: dt.datetime) -> Iterator[dict[str, Any]]:
    """What reviewers say of an item, as annotations: the same whenever they are asked."""
    chance = seeded("review", item_id)
    asked = 2 if chance.random() < _SECOND_OPINION else 1
    for reviewer in [int(each) for each in chance.permutation(REVIEWERS)[:asked]]:
        chance = seeded("annotation", item_id, reviewer)
        skips = bool(chance.random() < _SKIPS)
        right = bool(chance.random() >= _ERRS)
        lead_time = round(8 + float(chance.exponential(25)), 1)
        created_at = (reviewed_at + dt.timedelta(seconds=float(chance.random()) * 8 * 3_600)).isoformat() + "Z"
        choice = "grounded" if supported == right else "hallucinated"
        yield {
            "id": int(digest("annotation", item_id, reviewer)[:8], 16),
            "completed_by": reviewer,
            "created_at": created_at,
            "updated_at": created_at,
            "lead_time": lead_time,
            "was_cancelled": skips,
            "result": [_choice(choice)],
            "meta": {"simulated": True},
        }


def _choice(choice: str) -> dict[str, Any]:
    place = {"id": "verdict", "from_name": "groundedness", "to_name": "answer", "type": "choices"}
    return {**place, "value": {"choices": [choice]}, "meta": {"simulated": True}}

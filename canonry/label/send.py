"""Sends tasks to Label Studio, each once: the server notices no second import, so it is asked first what it has."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canonry.catalog import SchemeSpec
from canonry.label import register, restores
from canonry.label.checks import check_tasks
from canonry.label.overlap import asked_of_several, is_overwritten, set_overlap
from canonry.label.project import keep_project, task_count
from canonry.label.register import Project
from canonry.label.sender import one_sender
from canonry.label.studio import ONCE, LabelStudioError, Unanswered, errors, list_tasks, where
from canonry.label.tasks import tasks_path
from canonry.labels import Draw, draw_name, list_draws, read_draw
from canonry.progress import track
from canonry.storage import Lease, Storage, Zones

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

CHUNK = 500
"""Tasks a request, at most."""

LOOKS = 6
SECONDS_BETWEEN_LOOKS = 5.0

RECENT = 28
"""Draws that are searched for a task which tells whether somebody changed how many people tasks go to."""

_NAMED = 5


@dataclass(frozen=True)
class Sent:
    """What a sending came to."""

    project: Project
    sent: int
    """Tasks sent now."""
    already_there: int
    """Tasks that were on the server before."""
    problems: tuple[str, ...]
    """What others did to the project's tasks: duplicates, strangers, removals. Nothing of it is undone."""


def send_tasks(zones: Zones, client: LabelStudio, name: str, scheme: SchemeSpec) -> Sent:
    """Send every exported task of the scheme's version that the server does not have.

    A batch is a draw. What is on the server whole is recorded and not asked for again: a task that people removed
    there stays removed, unless the server was restored from a backup of before it was sent: then what it lacks is sent
    again. A sending that was cut off is completed by the next. Each task goes to as many people as its draw says, also
    where somebody changed that on the server. Nothing is sent of a file with a task that the scheme's page does not
    allow. Of all machines one sends at a time. Raises LabelStudioError.
    """
    with one_sender(zones.exchange, name, scheme.version) as lease:
        return _send(zones, client, name, scheme, lease)


def _send(zones: Zones, client: LabelStudio, name: str, scheme: SchemeSpec, lease: Lease) -> Sent:
    project = keep_project(client, zones.journal, name, scheme)
    steps, recorded = restores.batches_there(client, zones.journal, project)
    _keep_overlap(zones.journal, client, project, recorded)
    recalled = register.recalled_items(zones.journal, project)
    already_there = sum(len(tasks.keys() - recalled) for tasks in recorded.values())
    pending = {
        draw_name(name, version, day): day
        for version, day in list_draws(zones.journal, name)
        if version == scheme.version and draw_name(name, version, day) not in recorded
    }
    sent = 0
    refused: list[str] = []
    for batch_id, day in track(list(pending.items()), f"Send tasks of {name}"):
        draw = read_draw(zones.journal, name, scheme.version, day)
        if draw is None or not zones.exchange.head(tasks_path(name, draw)):
            continue
        tasks, wrong = read_tasks(zones.exchange, tasks_path(name, draw), name, scheme)
        if wrong:
            refused += wrong
            continue
        tasks = [task for task in tasks if task["data"]["item_id"] not in recalled]
        recorded[batch_id], missing = send_batch(client, project, batch_id, tasks, lease)
        if people := _people(draw, recorded[batch_id]):
            set_overlap(client, _of_batch(client, project, batch_id), people)
        register.record_batch(zones.journal, project, batch_id, recorded[batch_id], steps.confirmed + 1)
        sent += missing
        already_there += len(tasks) - missing
    restores.tell_of_batches(client, zones.journal, project, steps)
    refuse(refused)
    return Sent(project, sent, already_there, reconcile(client, project, recorded, recalled))


def read_tasks(exchange: Storage, path: str, name: str, scheme: SchemeSpec) -> tuple[list[dict[str, Any]], list[str]]:
    """Tasks of a file in the exchange, and what of it the scheme's page does not allow, each line naming the file."""
    try:
        tasks = json.loads(exchange.read(path))
    except ValueError as error:
        return [], [f"exchange/{path}: is not JSON: {error}"]
    return tasks, [f"exchange/{path}: {problem}" for problem in check_tasks(tasks, name, scheme)]


def refuse(problems: list[str]) -> None:
    """Raise LabelStudioError where files hold what the scheme's page does not allow."""
    if problems:
        listed = [*problems[:_NAMED], *([f"and {len(problems) - _NAMED} more"] if problems[_NAMED:] else [])]
        raise LabelStudioError(
            "nothing of these files was sent, as the scheme's page does not allow it:\n" + "\n".join(listed)
        )


def send_batch(
    client: LabelStudio, project: Project, batch_id: str, tasks: list[dict[str, Any]], lease: Lease
) -> tuple[dict[str, int], int]:
    """Send those tasks of a batch that the server lacks; returns task ids by item, and how many were missing.

    Raises LabelStudioError.
    """
    there = _there(client, project, batch_id)
    missing = [task for task in tasks if task["data"]["item_id"] not in there]
    for start in range(0, len(missing), CHUNK):
        lease.check()
        _send_chunk(client, project, batch_id, missing[start : start + CHUNK])
    if missing:
        there = _there(client, project, batch_id)
    lost = [task["data"]["item_id"] for task in tasks if task["data"]["item_id"] not in there]
    if lost:
        raise LabelStudioError(f"{batch_id}: Label Studio took all tasks but lacks {len(lost)}, {lost[0]} among them")
    return {task["data"]["item_id"]: min(there[task["data"]["item_id"]]) for task in tasks}, len(missing)


def _send_chunk(client: LabelStudio, project: Project, batch_id: str, chunk: list[dict[str, Any]]) -> None:
    try:
        with errors(f"sending {len(chunk)} tasks of {batch_id}"):
            client.projects.import_tasks(project.project_id, request=chunk, request_options=ONCE)
    except Unanswered:
        # It may have taken them, or be about to: sending again now would make second tasks.
        items = {task["data"]["item_id"] for task in chunk}
        for _ in range(LOOKS):
            time.sleep(SECONDS_BETWEEN_LOOKS)
            if items <= _there(client, project, batch_id).keys():
                return
        raise


def _there(client: LabelStudio, project: Project, batch_id: str) -> dict[str, list[int]]:
    """Ids of the tasks that the server has of a batch, by item."""
    there: dict[str, list[int]] = defaultdict(list)
    for task in _of_batch(client, project, batch_id):
        there[task["data"]["item_id"]].append(task["id"])
    return there


def _of_batch(client: LabelStudio, project: Project, batch_id: str) -> list[dict[str, Any]]:
    tasks = list_tasks(client, project.project_id, [where("data.batch_id", "equal", batch_id)])
    return [task for task in tasks if task["data"]["batch_id"] == batch_id]


def _people(draw: Draw, tasks: dict[str, int]) -> dict[int, int]:
    """How many people are asked, by task that goes to more than one; `tasks` are ids by item."""
    several = asked_of_several(draw)
    return {tasks[item_id]: several[item_id] for item_id in sorted(several.keys() & tasks.keys())}


def _keep_overlap(journal: Storage, client: LabelStudio, project: Project, recorded: dict[str, dict[str, int]]) -> None:
    """Set anew how many people tasks go to, where the server says otherwise of one of the latest."""
    sent = {
        day: recorded[batch_id]
        for version, day in list_draws(journal, project.scheme)
        if version == project.version and (batch_id := draw_name(project.scheme, version, day)) in recorded
    }

    def people(day: dt.date) -> dict[int, int]:
        draw = read_draw(journal, project.scheme, project.version, day)
        return _people(draw, sent[day]) if draw else {}

    latest = next((found for day in sorted(sent, reverse=True)[:RECENT] if (found := people(day))), {})
    if is_overwritten(client, latest):
        everybody = {task_id: count for day in sent for task_id, count in people(day).items()}
        set_overlap(client, list_tasks(client, project.project_id, []), everybody)


def reconcile(
    client: LabelStudio, project: Project, recorded: dict[str, dict[str, int]], recalled: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """What differs between the record and the project, looked at closely only where the numbers differ.

    Items that were `recalled` belong there no more.
    """
    ours = {item_id for tasks in recorded.values() for item_id in tasks} - recalled
    if task_count(client, project) == len(ours):
        return ()
    there = Counter(_item(task) for task in list_tasks(client, project.project_id, []))
    strangers = sum(count for item_id, count in there.items() if item_id not in ours)
    doubled = [item_id for item_id, count in there.items() if count > 1 and item_id in ours]
    removed = [item_id for item_id in ours if item_id not in there]
    return (
        *_named(doubled, "have several tasks, which somebody else imported: remove those without annotations"),
        *_named(removed, "were sent and are not in the project any more: somebody removed their tasks"),
        *([f"{strangers} tasks were not sent from here: their answers are not taken"] if strangers else ()),
    )


def _named(items: list[str], what: str) -> list[str]:
    shown = ", ".join(sorted(items)[:_NAMED]) + (", …" if len(items) > _NAMED else "")
    return [f"{len(items)} items {what} ({shown})"] if items else []


def _item(task: dict[str, Any]) -> str:
    data = task.get("data")
    return str(data.get("item_id")) if isinstance(data, dict) else ""

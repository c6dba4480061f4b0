"""How many people each task is handed to, set on the server task by task: an import says nothing of it.

An imported task takes the project's `maximum_annotations`, which is kept at 1; a task's own `overlap` is what the
server's labeling stream goes by. Changing the project's settings there overwrites it on every task.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from canonry.label.studio import ONCE, Missing, errors
from canonry.labels import Draw

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio


def asked_of_several(draw: Draw) -> dict[str, int]:
    """How many people are asked about an item, by item of a draw that more than one is asked about."""
    asked = [(item.item_id, item.annotators) for item in draw.items]
    asked += [(item.item_id, item.annotators) for item in draw.known]
    return {item_id: people for item_id, people in asked if people > 1}


def set_overlap(client: LabelStudio, tasks: Iterable[Mapping[str, Any]], wanted: Mapping[int, int]) -> int:
    """Hand out each task that is wanted (people by task id) to so many; returns how many tasks had another number.

    `tasks` are as the server lists them. One that is answered by fewer is asked about again. Raises LabelStudioError.
    """
    changed = 0
    for task in tasks:
        people = wanted.get(task["id"])
        if people is None or task["overlap"] == people:
            continue
        with errors(f"handing out task {task['id']} to {people} people"):
            client.tasks.update(
                str(task["id"]),
                overlap=people,
                # The server itself looks at this only when somebody answers.
                is_labeled=task["total_annotations"] >= people,
                request_options=ONCE,
            )
        changed += 1
    return changed


def is_overwritten(client: LabelStudio, wanted: Mapping[int, int]) -> bool:
    """Whether the first of these tasks that is still there goes to another number of people: then all may."""
    for task_id, people in wanted.items():
        try:
            with errors(f"reading task {task_id}"):
                return client.tasks.get(str(task_id)).overlap != people
        except Missing:
            continue
    return False

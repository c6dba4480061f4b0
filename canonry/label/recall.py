"""Takes items back that nobody labeled for long: off the server, and into the journal as nonresponse.

A recalled item stays in its draw, where it counts as missing; what anybody answers to it all the same is its label.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canonry.catalog import SchemeSpec
from canonry.label import register
from canonry.label.project import find_project
from canonry.label.register import Project
from canonry.label.studio import ONCE, errors, list_tasks, where
from canonry.storage import Zones

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

CHUNK = 500
"""Tasks a request, at most."""

# Neither answered, skipped nor begun.
_UNTOUCHED = (
    where("total_annotations", "equal", 0, "Number"),
    where("cancelled_annotations", "equal", 0, "Number"),
    where("draft_exists", "equal", False, "Boolean"),
)


@dataclass(frozen=True)
class Recalled:
    """What a recall came to."""

    removed: int
    """Items taken off the server now, as nobody labeled them."""
    answered: int
    """Items that somebody labeled, skipped or began meanwhile: they stay."""


def recall_stale(zones: Zones, client: LabelStudio, name: str, scheme: SchemeSpec, now: dt.datetime) -> Recalled:
    """Recall what was sent more than the scheme's `recall_after_days` ago and nobody has labeled, skipped or begun.

    The server itself removes only what is still untouched when it does, so no answer is lost. One that was cut off is
    completed first. Tasks that were not sent from here stay. Raises LabelStudioError.
    """
    project = find_project(client, zones.journal, name, scheme.version)
    if project is None:
        return Recalled(0, 0)
    done = [
        _complete(zones, client, project, recall, tasks)
        for recall, tasks in register.unfinished_recalls(zones.journal, project).items()
    ]
    if scheme.recall_after_days is not None:
        batches = register.batches_sent(zones.journal, project).values()
        ours = {task_id: item_id for batch in batches for item_id, task_id in batch.items()}
        before = (now - dt.timedelta(days=scheme.recall_after_days)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        stale = list_tasks(client, project.project_id, [*_UNTOUCHED, where("created_at", "less", before, "Datetime")])
        tasks = {ours[task["id"]]: task["id"] for task in stale if task["id"] in ours}
        if tasks:
            recall = register.record_recall(zones.journal, project, tasks, now)
            done.append(_complete(zones, client, project, recall, tasks))
    return Recalled(sum(each.removed for each in done), sum(each.answered for each in done))


def _complete(zones: Zones, client: LabelStudio, project: Project, recall: str, tasks: dict[str, int]) -> Recalled:
    """Remove what is untouched of the tasks (ids by item), and note what was: the rest was answered meanwhile."""
    wanted = sorted(tasks.values())
    for start in range(0, len(wanted), CHUNK):
        chosen: dict[str, Any] = {"all": False, "included": wanted[start : start + CHUNK]}
        with errors(f"recalling {len(chosen['included'])} tasks of project {project.project_id}"):
            client.actions.create(
                id="delete_tasks",
                project=project.project_id,
                filters={"conjunction": "and", "items": list(_UNTOUCHED)},
                selected_items=chosen,
                request_options=ONCE,
            )
    there = {task["id"] for task in list_tasks(client, project.project_id, [])}
    removed = [item_id for item_id, task_id in tasks.items() if task_id not in there]
    register.record_recalled(zones.journal, project, recall, removed)
    return Recalled(len(removed), len(tasks) - len(removed))

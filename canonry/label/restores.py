"""Notices a Label Studio that was restored from a backup, by a number that its project's description holds.

Every sending and pull that recorded something raises the number there, and then notes in the journal that it did. A
server whose number is lower than the journal's was put back: what was recorded under a higher number is lost there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from canonry.label import register
from canonry.label.register import Project, Steps
from canonry.label.studio import ONCE, errors
from canonry.storage import Storage

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

_STEP = re.compile(r"\(Canonry's step: (\d{1,9}); leave it as it is\)")


def described(description: str, step: int) -> str:
    """A project's description with its step, whatever else people wrote into it."""
    said = f"(Canonry's step: {step}; leave it as it is)"
    return _STEP.sub(said, description) if _STEP.search(description) else f"{description} {said}".strip()


def look(client: LabelStudio, journal: Storage, project: Project) -> Steps:
    """How far the project has come; where the server is behind the journal, its restore is journalled now.

    A description that people took the number out of says nothing: no restore is seen in it, and the next step puts the
    number back. Raises LabelStudioError.
    """
    steps = register.steps(journal, project)
    found = _STEP.search(_description(client, project))
    there = int(found[1]) if found else steps.confirmed
    if there < steps.confirmed:
        # Journalled before the server is told: if that is cut off, the same restore is noticed again, and no harm done.
        noticed = steps.confirmed + 2
        register.record_restore(journal, project, there, noticed)
        tell(client, journal, project, noticed)
        return register.steps(journal, project)
    return Steps(max(steps.confirmed, there), steps.restores)


def tell(client: LabelStudio, journal: Storage, project: Project, step: int) -> None:
    """Raise the number, once all that was recorded under it is on the server. Raises LabelStudioError."""
    description = described(_description(client, project), step)
    with errors(f"noting step {step} in the description of project {project.project_id}"):
        client.projects.update(project.project_id, description=description, request_options=ONCE)
    register.record_step(journal, project, step)


def batches_there(client: LabelStudio, journal: Storage, project: Project) -> tuple[Steps, dict[str, dict[str, int]]]:
    """How far the project has come, and the batches that the server has whole: task ids by item id, by batch.

    What a restore lost is not among them, and is to be sent again. Raises LabelStudioError.
    """
    steps = look(client, journal, project)
    there = register.batch_steps(journal, project)
    sent = register.batches_sent(journal, project)
    return steps, {batch_id: tasks for batch_id, tasks in sent.items() if not steps.lost(there[batch_id])}


def tell_of_batches(client: LabelStudio, journal: Storage, project: Project, steps: Steps) -> None:
    """Tell the server of the next step, where a batch was recorded under it. Raises LabelStudioError."""
    if steps.confirmed + 1 in register.batch_steps(journal, project).values():
        tell(client, journal, project, steps.confirmed + 1)


def _description(client: LabelStudio, project: Project) -> str:
    with errors(f"reading project {project.project_id}"):
        return client.projects.get(project.project_id).description or ""

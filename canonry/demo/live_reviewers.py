"""The simulated reviewers on a real Label Studio server: users of it, who label through its API.

Every region of their annotations says `"meta": {"simulated": true}`. An annotation's `unique_id` is made from its item
and reviewer, so that the server itself would refuse a second one.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from canonry.demo.label_studio_server import Server, running
from canonry.demo.reviewers import REVIEWERS, answered_items, answers, supported_answers
from canonry.label.project import find_project
from canonry.label.studio import KEY, ONCE, URL, LabelStudioError, connect, errors, list_tasks
from canonry.progress import track
from canonry.storage import Zones

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "demo.canonry.invalid")


@contextmanager
def live_server(data: Path) -> Iterator[Server]:
    """Serve a data folder, and let this process and those it starts find the server."""
    with running(data) as server:
        os.environ |= {URL: server.url, KEY: server.api_key}
        try:
            yield server
        finally:
            forget_server()


def forget_server() -> None:
    """Leave the environment without a server: the demo's tasks are not for one that is really worked on."""
    for variable in (URL, KEY):
        os.environ.pop(variable, None)


def review_live(zones: Zones, scheme: str, version: int) -> int:
    """Label the scheme's tasks on the server; returns how many annotations were made. Done twice, it makes none.

    Calls that no simulation asked are left to people, and so are items that were answered through files.
    """
    client = connect()
    project = find_project(client, zones.journal, scheme, version) if client else None
    if client is None or project is None:
        raise LabelStudioError(f"no project of {scheme} v{version} is on the server: send its tasks first")
    users = _users(client)
    supported = supported_answers(zones, scheme)
    answered = answered_items(zones, scheme)
    waiting = []
    for task in list_tasks(client, project.project_id, [], whole=True):
        item_id = task["data"]["item_id"]
        there = {each["completed_by"] for each in task["annotations"]}
        if item_id in supported and (there or item_id not in answered):
            said = [(each, users[each["completed_by"]]) for each in answers(item_id, *supported[item_id])]
            waiting += [(task["id"], item_id, each, user) for each, user in said if user not in there]
    for task_id, item_id, annotation, user in track(waiting, "Label on the server"):
        with errors(f"labeling task {task_id}"):
            client.annotations.create(
                task_id,
                result=annotation["result"],
                lead_time=annotation["lead_time"],
                was_cancelled=annotation["was_cancelled"],
                completed_by=user,
                unique_id=str(uuid.uuid5(_NAMESPACE, f"{item_id} {annotation['completed_by']}")),
                request_options=ONCE,
            )
    return len(waiting)


def _users(client: LabelStudio) -> dict[int, int]:
    """The server's id of each reviewer; who is missing becomes a user."""
    with errors("finding the reviewers"):
        known = {user.email: user.id for user in client.users.list()}
        emails = {reviewer: f"simulated-reviewer-{reviewer}@canonry.invalid" for reviewer in REVIEWERS}
        for reviewer, email in emails.items():
            if email not in known:
                made = client.users.create(
                    email=email,
                    username=f"simulated-{reviewer}",
                    first_name="Simulated",
                    last_name=f"Reviewer {reviewer}",
                    request_options=ONCE,
                )
                known[email] = made.id
    return {reviewer: known[email] for reviewer, email in emails.items()}

"""A scheme's project on the server: found, made, and kept in step while only wording changes."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from canonry.catalog import SchemeSpec
from canonry.label import register
from canonry.label.config import labeling_config
from canonry.label.predictions import shows_predictions
from canonry.label.register import Project
from canonry.label.restores import described
from canonry.label.studio import ONCE, LabelStudioError, Missing, errors, server_url
from canonry.label.webhook import keep_webhook
from canonry.storage import Storage

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

_DESCRIPTION = "Kept in step with the scheme by Canonry. Tasks come and annotations go by themselves."


def find_project(
    client: LabelStudio, journal: Storage, name: str, version: int, *, adjudication: bool = False
) -> Project | None:
    """The project of a scheme's version on this server: the recorded one, else one with its title. Else None.

    A recorded project may have been renamed by people; it stays the scheme's. With `adjudication`, the one in which
    doubts are settled.
    """
    title = register.title(name, version, adjudication=adjudication)
    for project in register.projects(journal, name, version, adjudication=adjudication):
        try:
            if _get(client, project.project_id)["created_at"] == project.created_at:
                return project
        except Missing:
            continue
    with errors("listing projects"):
        titled = [each for each in client.projects.list(page_size=100) if each.title == title]
    found = min(titled, key=lambda each: each.id, default=None)
    return _ours(journal, Project(name, version, found.id, found.created_at, adjudication)) if found else None


def keep_project(
    client: LabelStudio, journal: Storage, name: str, scheme: SchemeSpec, *, adjudication: bool = False
) -> Project:
    """The project of a scheme, made where there is none, with the scheme's page, instructions and webhook.

    Raises LabelStudioError where other things would be asked, and answers to the old ones lie in the project: Label
    Studio itself would let that happen.
    """
    project = _kept(client, journal, name, scheme, adjudication)
    keep_webhook(client, project)
    return project


def _kept(client: LabelStudio, journal: Storage, name: str, scheme: SchemeSpec, adjudication: bool) -> Project:
    wanted = _settings(name, scheme, adjudication)
    project = find_project(client, journal, name, scheme.version, adjudication=adjudication)
    if project is None:
        title = register.title(name, scheme.version, adjudication=adjudication)
        with errors(f"making the project {title!r}"):
            made = client.projects.create(
                title=title,
                description=described(_DESCRIPTION, 0),
                request_options=ONCE,
                **wanted,
            )
        return _ours(journal, Project(name, scheme.version, made.id, made.created_at, adjudication))
    there = _get(client, project.project_id)
    if all(_same(there[field], value) for field, value in wanted.items()):
        return project
    if there["total_annotations_number"] and _asked(there["label_config"]) != _asked(wanted["label_config"]):
        raise LabelStudioError(
            f"assets/schemes/{name}.yaml: project {project.project_id} has annotations, and its page asks or answers "
            "otherwise: raise `version` in the file, or put back what was changed; only wording may change"
        )
    with errors(f"updating the page of project {project.project_id}"):
        client.projects.update(project.project_id, request_options=ONCE, **wanted)
    return project


def task_count(client: LabelStudio, project: Project) -> int:
    """How many tasks a project has, whoever sent them."""
    return int(_get(client, project.project_id)["task_number"])


def page_url(project: Project) -> str:
    """Where people find the project's tasks."""
    return f"{server_url()}/projects/{project.project_id}/data"


def _settings(name: str, scheme: SchemeSpec, adjudication: bool) -> dict[str, Any]:
    # The server shows instructions as HTML.
    instructions = html.escape(scheme.instructions.strip(), quote=False)
    return {
        "label_config": labeling_config(name, scheme, adjudication=adjudication),
        "expert_instruction": instructions,
        "show_instruction": True,
        # Each task says for itself how many people it goes to: see `overlap`.
        "maximum_annotations": 1,
        "show_collab_predictions": shows_predictions(scheme) and not adjudication,
    }


def _same(there: Any, wanted: Any) -> bool:
    # The server trims texts.
    return (there or "").strip() == wanted.strip() if isinstance(wanted, str) else there == wanted


def _asked(config: str) -> set[tuple[str, str]]:
    """What a page lets people answer: each control's name with each of its answers."""
    page = ElementTree.fromstring(config or "<View/>")
    return {
        (control.get("name", ""), answer.get("value", ""))
        for control in page.iter()
        for answer in control
        if answer.tag in ("Choice", "Label")
    }


def _get(client: LabelStudio, project_id: int) -> dict[str, Any]:
    with errors(f"reading project {project_id}"):
        return client.projects.get(project_id).dict()


def _ours(journal: Storage, project: Project) -> Project:
    register.record_project(journal, project, server_url() or "")
    return project

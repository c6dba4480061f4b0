"""The webhook by which a project on Label Studio wakes the pull, kept in step. It sends no content."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from canonry.label.register import Project
from canonry.label.studio import ONCE, LabelStudioError, errors

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

URL = "LABEL_STUDIO_WEBHOOK_URL"
"""The collector, as Label Studio reaches it."""

SECRET = "LABEL_STUDIO_WEBHOOK_SECRET"
"""By which the collector knows Label Studio."""

ROUTE = "/v1/webhooks/label-studio"
"""Of the collector, before the scheme's name."""

ACTIONS = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED", "TASKS_DELETED")


def webhook_secret() -> str:
    """The configured secret; empty where there is none. Raises LabelStudioError for one that is guessed."""
    secret = os.environ.get(SECRET, "").strip()
    if secret and len(secret) < 32:
        raise LabelStudioError(f"{SECRET} is shorter than 32 characters: make one with `openssl rand -hex 32`")
    return secret


def keep_webhook(client: LabelStudio, project: Project) -> None:
    """Have a project call the configured collector, once, and no collector that was configured before.

    Does nothing where no collector is configured. Raises LabelStudioError.
    """
    base, secret = os.environ.get(URL, "").strip().rstrip("/"), webhook_secret()
    if not base:
        return
    if not secret:
        raise LabelStudioError(f"{URL} is set and {SECRET} is not: set both, or neither to pull on schedule alone")
    wanted = {
        "url": f"{base}{ROUTE}/{project.scheme}",
        "headers": {"Authorization": f"Bearer {secret}"},
        "actions": sorted(ACTIONS),
        "send_payload": False,
        "send_for_all_actions": False,
        "is_active": True,
    }
    with errors(f"keeping the webhook of project {project.project_id}"):
        ours = [each.dict() for each in client.webhooks.list(project=str(project.project_id)) if _ours(each, project)]
        for spare in ours[1:]:
            client.webhooks.delete(spare["id"])
        if not ours:
            client.webhooks.create(project=project.project_id, request_options=ONCE, **wanted)
        elif any(_there(ours[0], field) != value for field, value in wanted.items()):
            client.webhooks.update(ours[0]["id"], request_options=ONCE, **wanted)


def _ours(webhook: Any, project: Project) -> bool:
    return webhook.project == project.project_id and webhook.url.endswith(f"{ROUTE}/{project.scheme}")


def _there(webhook: dict[str, Any], field: str) -> Any:
    return sorted(webhook[field] or ()) if field == "actions" else webhook[field]

"""The connection to Label Studio: from the environment alone, with errors that say what to do."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

URL = "LABEL_STUDIO_URL"
KEY = "LABEL_STUDIO_API_KEY"
NOT_CONFIGURED = f"no server is configured: set {URL} and {KEY}"

ONCE = {"max_retries": 0}
"""For requests that write: the client would repeat them, and a server that was slow may have taken the first."""

PAGE = 500
"""Tasks a request."""

_SECONDS = 120.0


class LabelStudioError(Exception):
    """Label Studio did not do what was asked; the message says what to do. It never holds a key."""


class Missing(LabelStudioError):
    """The server has no such thing."""


class Unanswered(LabelStudioError):
    """The server did not answer: whether it did what was asked is not known."""


def server_url() -> str | None:
    """The configured server, or None where none is. Raises LabelStudioError where half of it is configured."""
    url, key = os.environ.get(URL, "").strip(), os.environ.get(KEY, "").strip()
    if not url and not key:
        return None
    if not url or not key:
        raise LabelStudioError(f"{URL if key else KEY} is not set: set both, or neither to work through files")
    return url.rstrip("/")


def configured_server() -> str:
    """The configured server, or what is to be set, for people to read. Nothing is asked of it."""
    try:
        return server_url() or NOT_CONFIGURED
    except LabelStudioError as error:
        return str(error)


def connect() -> LabelStudio | None:
    """A client for the configured server, once it has said who we are; None where no server is configured.

    Takes personal access tokens and legacy tokens. Raises LabelStudioError.
    """
    url = server_url()
    if url is None:
        return None
    from label_studio_sdk import LabelStudio  # a second: only where there is a server

    with errors("asking who we are"):
        client = LabelStudio(base_url=url, api_key=os.environ[KEY].strip(), timeout=_SECONDS)
        client.users.whoami()
        return client


@contextmanager
def errors(doing: str) -> Iterator[None]:
    """Turn what the client raises into LabelStudioError. Its own texts hold headers and cookies: they are not shown."""
    import httpx
    from label_studio_sdk.core.api_error import ApiError
    from pydantic import ValidationError

    where = f"Label Studio at {os.environ.get(URL)}, {doing}"
    try:
        yield
    except ApiError as error:
        if error.status_code == 404 and isinstance(error.body, dict):
            raise Missing(f"{where}: it is not there") from None
        raise LabelStudioError(f"{where}: {_refused(error.status_code, error.body)}") from None
    except httpx.TimeoutException:
        raise Unanswered(f"{where}: no answer within {_SECONDS:.0f} seconds; run again") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise LabelStudioError(f"{where}: {URL} is not a URL; it looks like https://label-studio.example.com") from None
    except httpx.ConnectError as error:
        raise LabelStudioError(f"{where}: cannot be reached ({error}); is it running, and is {URL} right?") from None
    except httpx.TransportError as error:
        raise Unanswered(f"{where}: the connection broke ({type(error).__name__}); run again") from None
    except (ValidationError, json.JSONDecodeError):
        raise LabelStudioError(f"{where}: this is not Label Studio's answer; is {URL} right?") from None


def list_tasks(
    client: LabelStudio, project_id: int, filters: list[dict[str, Any]], *, whole: bool = False
) -> list[dict[str, Any]]:
    """Tasks of a project that pass all filters, by id, as JSON; with their annotations where `whole`.

    A project without tasks knows no fields of data: a filter on one then gives none, which is right.
    """
    tasks: list[dict[str, Any]] = []
    more = True
    while more:
        page = page_of_tasks(client, project_id, filters, after=tasks[-1]["id"] if tasks else 0, whole=whole)
        tasks += page
        more = len(page) == PAGE
    return tasks


def page_of_tasks(
    client: LabelStudio, project_id: int, filters: list[dict[str, Any]], *, after: int, whole: bool
) -> list[dict[str, Any]]:
    """The first PAGE tasks behind an id that pass all filters, by id; fewer are the last.

    By id and not by the server's own page numbers, under which tasks that come and go shift others past the reader.
    """
    behind = where("id", "greater", str(after), "Number")
    query = {"filters": {"conjunction": "and", "items": [*filters, behind]}, "ordering": ["tasks:id"]}
    return _tasks(client, project_id, query, PAGE, "all" if whole else "task_only")


def newest_change(client: LabelStudio, project_id: int) -> dt.datetime | None:
    """When a task of a project or one of its annotations changed last, on the server's clock; None without tasks."""
    found = _tasks(client, project_id, {"ordering": ["-tasks:updated_at"]}, 1, "task_only")
    return dt.datetime.fromisoformat(found[0]["updated_at"]).astimezone(dt.UTC) if found else None


def _tasks(
    client: LabelStudio, project_id: int, query: dict[str, Any], size: int, fields: Literal["all", "task_only"]
) -> list[dict[str, Any]]:
    with errors("listing tasks"):
        found = client.tasks.list(
            project=project_id, query=json.dumps(query), fields=fields, page=1, page_size=size, resolve_uri=False
        )
        return [json.loads(task.json()) for task in found.items or ()]


def where(field: str, operator: str, value: str | float, kind: str = "String") -> dict[str, Any]:
    """One filter of `list_tasks`: on a field of the task, or of its data as `data.NAME`."""
    return {"filter": f"filter:tasks:{field}", "operator": operator, "type": kind, "value": value}


def _refused(status: int | None, body: Any) -> str:
    detail = body.get("detail") if isinstance(body, dict) else None
    said = json.dumps(detail)[:300] if detail else f"status {status}"
    if status == 401:
        return (
            f"the key was refused ({said}): {KEY} is wrong, expired or revoked; make a personal access token under "
            "Account & Settings"
        )
    if status == 403:
        return f"not allowed ({said}): the user of {KEY} may not do this; give it access to the project"
    if isinstance(body, dict) and (problems := body.get("validation_errors")):
        return f"refused ({status}): {json.dumps(problems)[:1000]}"
    if status == 404 and not isinstance(body, dict):
        return f"this is not Label Studio's answer (404); is {URL} right?"
    if status and status >= 500:
        return f"the server failed ({said}); look into its log, then run again"
    return f"refused ({said})" if detail else f"refused (status {status}); is {URL} right?"

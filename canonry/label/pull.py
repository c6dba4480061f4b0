"""Pulls annotations from Label Studio: what changed since the last pull, and once a UTC day all of it.

A deletion leaves nothing behind on the server: it is noticed where an annotation that was there is there no more.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canonry.catalog import SchemeSpec
from canonry.label import register
from canonry.label.annotations import Annotation, AnnotationProblem, parse_task
from canonry.label.journal import Found, journal_versions, journalled, take, version_order
from canonry.label.project import find_project
from canonry.label.register import Project, Pull
from canonry.label.studio import Missing, errors, list_tasks, where
from canonry.labels import list_draws, read_draw
from canonry.people import hash_key
from canonry.storage import Storage, Zones

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

OVERLAP = dt.timedelta(minutes=1)
"""Looked at again with every pull: a change is stamped before it can be seen."""

_SERVER_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"

# What an export has, too. The rest changes with every look, or names people.
_FIELDS = ("id", "completed_by", "created_at", "updated_at", "lead_time", "was_cancelled", "result")


@dataclass(frozen=True)
class Pulled:
    """What a pull came to."""

    swept: bool
    """Whether every task was looked at."""
    tasks: int
    annotations: int
    """Annotations read, known ones included."""
    new: int
    """Annotation versions journalled now, deletions not among them."""
    deleted: int
    """Deletions journalled now."""
    days: tuple[dt.date, ...]
    """Days of draws that changed: their `lake/labels` is to be written."""
    problems: tuple[tuple[str, AnnotationProblem], ...]
    """Where and what, of the tasks that were looked at."""


NOTHING = Pulled(swept=False, tasks=0, annotations=0, new=0, deleted=0, days=(), problems=())


def pull_annotations(
    zones: Zones,
    client: LabelStudio,
    name: str,
    scheme: SchemeSpec,
    now: dt.datetime,
    *,
    sweep: bool = False,
    adjudication: bool = False,
) -> Pulled:
    """Journal what changed on the server since the last pull, by the same rules as an export's file.

    The first pull of a UTC day, and one with `sweep`, looks at every task. Drafts are not annotations. Pulling again
    journals nothing twice; one that was cut off is repeated by the next. With `adjudication`, those that settle doubts.
    Raises LabelStudioError.
    """
    project = find_project(client, zones.journal, name, scheme.version, adjudication=adjudication)
    if project is None:
        return NOTHING
    before = register.last_pull(zones.journal, project)
    since = None if sweep else look_since(before, now.date())
    filters = [where("updated_at", "greater_or_equal", since, "Datetime")] if since else []
    raw = list_tasks(client, project.project_id, filters, whole=True)
    tasks = [_as_exported(task) for task in raw]
    place = f"{project.title}, project {project.project_id}"
    key = hash_key()
    found: list[Found] = [(place, each) for task in tasks for each in parse_task(task, name, scheme, key)]
    seen = {each.annotation_id for _, each in found if isinstance(each, Annotation)}
    present = before.present if before else frozenset()
    items = {task["data"].get("item_id") for task in tasks if isinstance(task["data"], dict)}
    unseen = {each for each in present - seen if since is None or _item(each) in items}
    vanished = {each for each in unseen if _is_gone(client, each)}
    # The server is asked nothing from here on: what is journalled is also reported.
    new, problems = take(zones.journal, name, found, lambda _: json.dumps(tasks).encode())
    deleted = _journal_deletions(zones.journal, project, vanished, now)
    after = Pull(
        watermark=_latest(raw, before.watermark if before else None),
        swept_on=now.date().isoformat() if since is None or before is None else before.swept_on,
        present=(present | seen) - vanished,
    )
    register.record_pull(zones.journal, project, before, after, now)
    days = {day for counts in (new, deleted) for day, count in counts.items() if count}
    return Pulled(
        swept=since is None,
        tasks=len(tasks),
        annotations=len(seen),
        new=sum(new.values()),
        deleted=sum(deleted.values()),
        days=tuple(sorted(days)),
        problems=tuple(problems),
    )


def look_since(before: Pull | None, today: dt.date) -> str | None:
    """Tasks changed since then are to be looked at, in the server's own writing; None: all of them."""
    if before is None or before.watermark is None or before.swept_on != today.isoformat():
        return None
    return (dt.datetime.strptime(before.watermark, _SERVER_TIME) - OVERLAP).strftime(_SERVER_TIME)


def _as_exported(task: dict[str, Any]) -> dict[str, Any]:
    annotations = task.get("annotations") or []
    return {
        "id": task["id"],
        "data": task.get("data"),
        "annotations": [{name: each[name] for name in _FIELDS if name in each} for each in annotations],
    }


def _latest(tasks: list[dict[str, Any]], before: str | None) -> str | None:
    times = [dt.datetime.fromisoformat(task["updated_at"]).astimezone(dt.UTC) for task in tasks]
    latest = [moment.strftime(_SERVER_TIME) for moment in times]
    return max([*latest, *([before] if before else [])], default=None)


def _is_gone(client: LabelStudio, annotation_id: str) -> bool:
    """Asked of each: a page of a list may lack what shifted while it was read."""
    identifier = annotation_id.rpartition(".")[2]
    try:
        with errors(f"reading annotation {identifier}"):
            client.annotations.get(int(identifier))
    except Missing:
        return True
    return False


def _journal_deletions(
    journal: Storage, project: Project, annotation_ids: set[str], now: dt.datetime
) -> dict[dt.date, int]:
    """Journal a last version, with `deleted_at`, of each; returns how many by day of the draw."""
    deleted = {}
    for version, day in list_draws(journal, project.scheme) if annotation_ids else ():
        draw = read_draw(journal, project.scheme, version, day)
        items = draw.item_ids if draw else frozenset()
        ids = {each for each in annotation_ids if _item(each) in items}
        latest: dict[str, dict[str, Any]] = {}
        for row in sorted(journalled(journal, project.scheme, day), key=version_order) if ids else ():
            latest[row["annotation_id"]] = row
        last = [_deleted(latest[each], now) for each in ids if each in latest and not latest[each].get("deleted_at")]
        deleted[day] = journal_versions(journal, project.scheme, day, last)
    return deleted


def _deleted(version: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    # Later than what it deletes, whatever the two clocks say.
    after = dt.datetime.fromisoformat(version["updated_at"]) + dt.timedelta(microseconds=1)
    return {**version, "updated_at": max(now, after).isoformat(), "deleted_at": now.isoformat()}


def _item(annotation_id: str) -> str:
    return annotation_id.rpartition(".")[0]

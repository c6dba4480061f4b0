"""Pulls annotations from Label Studio: what changed since the last pull, and once a UTC day all of it.

A page at a time, in order of the tasks' ids: a pull that was cut off goes on behind the last page, and tasks that come
and go meanwhile shift nothing. A deletion leaves nothing behind on the server: it is noticed where an annotation that
was there is there no more.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from canonry.catalog import SchemeSpec
from canonry.label import restores
from canonry.label.annotations import AnnotationProblem, parse_task
from canonry.label.journal import AnnotationJournal, Found
from canonry.label.project import find_project
from canonry.label.register import Project, Steps
from canonry.label.rounds import Pull, Round, Seen, last_pull, record_page
from canonry.label.studio import PAGE, Missing, errors, newest_change, page_of_tasks, where
from canonry.people import hash_key
from canonry.storage import Zones

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

OVERLAP = dt.timedelta(minutes=1)
"""Looked at again with every pull: a change is stamped before it can be seen."""

_SERVER_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"

# What an export has, too. The rest changes with every look, or names people.
_FIELDS = ("id", "completed_by", "created_at", "updated_at", "lead_time", "was_cancelled", "result")

_NAMED = 5


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

    The first pull of a UTC day, one after a restore of the server, and one with `sweep`, looks at every task. What a
    restore lost stays as it was journalled. Drafts are not annotations. Pulling again journals nothing twice; one that
    was cut off is completed first. With `adjudication`, those that settle doubts. Raises LabelStudioError.
    """
    project = find_project(client, zones.journal, name, scheme.version, adjudication=adjudication)
    if project is None:
        return NOTHING
    steps = restores.look(client, zones.journal, project)
    pulling = _Pulling(zones, client, name, scheme, now, project, steps)
    return pulling.run(sweep=sweep)


def look_since(before: Pull | None, today: dt.date, steps: Steps) -> str | None:
    """Tasks changed since then are to be looked at, in the server's own writing; None: all of them."""
    if before is None or before.last.newest is None or before.swept_on != today.isoformat():
        return None
    if before.swept_step < steps.restored_at:
        return None
    return (dt.datetime.strptime(before.last.newest, _SERVER_TIME) - OVERLAP).strftime(_SERVER_TIME)


@dataclass
class _Pulling:
    """A pull under way."""

    zones: Zones
    client: LabelStudio
    name: str
    scheme: SchemeSpec
    now: dt.datetime
    project: Project
    steps: Steps
    swept: bool = False
    tasks: int = 0
    annotations: int = 0
    new: Counter[dt.date] = field(default_factory=Counter)
    deleted: Counter[dt.date] = field(default_factory=Counter)
    lost: set[str] = field(default_factory=set)
    problems: list[tuple[str, AnnotationProblem]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.place = f"{self.project.title}, project {self.project.project_id}"
        self.journal = AnnotationJournal(self.zones.journal, self.name)
        self.key = hash_key()
        self.before = last_pull(self.zones.journal, self.project)
        self.changed = False

    def run(self, *, sweep: bool) -> Pulled:
        if (begun := self.unfinished()) and not (sweep and begun.since is not None):
            self.finish(begun)
        self.finish(self.begin(sweep=sweep))
        if self.changed:
            restores.tell(self.client, self.zones.journal, self.project, self.steps.confirmed + 1)
        if self.lost:
            self.problems.append((self.place, _lost(self.lost)))
        return Pulled(
            swept=self.swept,
            tasks=self.tasks,
            annotations=self.annotations,
            new=self.new.total(),
            deleted=self.deleted.total(),
            days=tuple(sorted(day for day, count in (self.new + self.deleted).items() if count)),
            problems=tuple(self.problems),
        )

    def unfinished(self) -> Round | None:
        """The round that was cut off, unless the server was restored since it began."""
        last = self.before.last if self.before else None
        cut_off = last and last.cursor is not None and last.step > self.steps.restored_at
        return last if cut_off else None

    def begin(self, *, sweep: bool) -> Round:
        since = None if sweep else look_since(self.before, self.now.date(), self.steps)
        # Before anything is listed: what changes meanwhile is looked at again by the next pull.
        newest = newest_change(self.client, self.project.project_id)
        return Round(
            since,
            newest.strftime(_SERVER_TIME) if newest else None,
            self.now.date().isoformat(),
            self.steps.confirmed + 1,
            0,
        )

    def finish(self, looked: Round) -> None:
        """Look at what the round has not looked at."""
        filters = [where("updated_at", "greater_or_equal", looked.since, "Datetime")] if looked.since else []
        while looked.cursor is not None:
            after = looked.cursor
            raw = page_of_tasks(self.client, self.project.project_id, filters, after=after, whole=True)
            more = len(raw) == PAGE
            looked = replace(looked, cursor=raw[-1]["id"] if more else None)
            self.take(looked, after, raw)
        self.swept = self.swept or looked.since is None

    def take(self, looked: Round, after: int, raw: list[dict[str, Any]]) -> None:
        """Journal a page, and then that it was."""
        tasks = [_as_exported(task) for task in raw]
        found: list[Found] = [
            (self.place, each) for task in tasks for each in parse_task(task, self.name, self.scheme, self.key)
        ]
        places = {str(each["id"]): (task["id"], each["created_at"]) for task in tasks for each in task["annotations"]}
        step, present = self.steps.confirmed + 1, self.before.present if self.before else {}
        unseen = [
            each for each in self.expected(looked, after, raw) if not _is(places.get(_number(each)), present[each])
        ]
        gone = {each for each in unseen if _is_gone(self.client, each, present[each])}
        # The server is asked nothing from here on: what is journalled is also reported.
        taken = self.journal.take(found, lambda _: json.dumps(tasks).encode(), standing=True)
        ids = {each.annotation_id for each in taken.annotations}
        seen = {each: Seen(*places[_number(each)], step) for each in ids}
        appeared = {each: it for each, it in seen.items() if each not in present or present[each].task_id != it.task_id}
        lost = {each for each in gone if self.steps.lost(present[each].step)}
        self.deleted.update(self.journal.delete(gone - lost, self.now))
        self.record(looked, appeared, gone, lost)
        self.tasks += len(tasks)
        self.annotations += len(ids)
        self.new.update(taken.new)
        self.problems += taken.problems
        self.lost |= lost

    def expected(self, looked: Round, after: int, raw: list[dict[str, Any]]) -> list[str]:
        """Annotations that should be there, of the tasks that a page is about; in a sweep, of missing ones, too."""
        present = self.before.present if self.before else {}
        if looked.since is not None:
            listed = {task["id"] for task in raw}
            return [each for each, seen in present.items() if seen.task_id in listed]
        last = float("inf") if looked.cursor is None else looked.cursor
        return [each for each, seen in present.items() if after < seen.task_id <= last]

    def record(self, looked: Round, appeared: dict[str, Seen], gone: set[str], lost: set[str]) -> None:
        """Note a page; the only one of a round that found nothing new leaves no note."""
        before = self.before
        swept = looked.since is not None or (
            before is not None and before.swept_on == looked.began_on and before.swept_step > self.steps.restored_at
        )
        idle = before is not None and swept and before.last.cursor is looked.cursor is None
        if idle and before and before.last.newest == looked.newest and not appeared and not gone:
            return
        self.before = record_page(self.zones.journal, self.project, before, looked, appeared, gone, lost)
        self.changed = self.changed or bool(appeared or gone)


def _as_exported(task: dict[str, Any]) -> dict[str, Any]:
    annotations = task.get("annotations") or []
    return {
        "id": task["id"],
        "data": task.get("data"),
        "annotations": [{name: each[name] for name in _FIELDS if name in each} for each in annotations],
    }


def _is_gone(client: LabelStudio, annotation_id: str, seen: Seen) -> bool:
    """Asked of each: a list shows what the key may see, and a deletion is not concluded from that."""
    number = _number(annotation_id)
    try:
        with errors(f"reading annotation {number}"):
            there = client.annotations.get(int(number)).created_at
    except Missing:
        return True
    return there is None or there != dt.datetime.fromisoformat(seen.created_at)


def _is(place: tuple[int, str] | None, seen: Seen) -> bool:
    return place is not None and dt.datetime.fromisoformat(place[1]) == dt.datetime.fromisoformat(seen.created_at)


def _number(annotation_id: str) -> str:
    """The server's own id of an annotation: behind its item, and before when it was made where others had the id."""
    return annotation_id.rpartition(".")[2].partition("-")[0]


def _lost(annotation_ids: set[str]) -> AnnotationProblem:
    named = ", ".join(sorted(annotation_ids)[:_NAMED]) + (", …" if len(annotation_ids) > _NAMED else "")
    message = (
        f"the server was restored from a backup, and lacks {len(annotation_ids)} annotations that were pulled from it: "
        f"their labels stay as they are ({named})"
    )
    return AnnotationProblem("?", "annotations", message, sorted(annotation_ids))

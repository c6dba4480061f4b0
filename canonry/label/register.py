"""What was sent where: the journal's own record of projects, of the tasks in them, and of each pull.

`journal/label_studio/NAME/vVERSION/PROJECT/` holds `project.json`, `batches/BATCH.json` once a batch is on the server
whole, `recalls/` and `recalled/` of what was taken back, and `pulls/`; of the projects in which doubts are settled,
`journal/adjudication/NAME/vVERSION/PROJECT/` does. PROJECT is its number and when it was made: a server that was set up
anew has other projects.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from canonry.storage import Storage

_ROOT, _ADJUDICATION = "label_studio", "adjudication"


@dataclass(frozen=True)
class Project:
    """A project on a server that belongs to a version of a scheme."""

    scheme: str
    version: int
    project_id: int
    created_at: dt.datetime
    """On the server's clock, UTC."""
    adjudication: bool = False
    """Its tasks ask to settle what reviewers are in doubt about."""

    @property
    def folder(self) -> str:
        """Where its record lies in the journal."""
        created_at = self.created_at.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%S%f")
        return f"{_folder(self.scheme, self.version, self.adjudication)}/{self.project_id}-{created_at}"

    @property
    def title(self) -> str:
        """Its title, unless people renamed it."""
        return title(self.scheme, self.version, adjudication=self.adjudication)


@dataclass(frozen=True)
class Pull:
    """What is known of a project after a pull."""

    watermark: str | None
    """The latest `updated_at` of a task that was seen, on the server's clock; None where no task was."""
    swept_on: str
    """UTC day of the last look at every task."""
    present: frozenset[str]
    """Ids of the annotations that are there."""


def title(scheme: str, version: int, *, adjudication: bool = False) -> str:
    """A project's title."""
    return f"{scheme} v{version}" + (" adjudication" if adjudication else "")


def record_project(journal: Storage, project: Project, url: str) -> None:
    """Note that a project is ours."""
    _put(journal, f"{project.folder}/project.json", {"title": project.title, "url": url})


def projects(journal: Storage, scheme: str, version: int, *, adjudication: bool = False) -> list[Project]:
    """Projects recorded for a version of a scheme, on whichever server, the latest made first."""
    names = {
        entry.path.split("/")[3]
        for entry in journal.list(_folder(scheme, version, adjudication))
        if entry.path.endswith("/project.json")
    }
    found = []
    for name in names:
        identifier, _, created = name.partition("-")
        created_at = dt.datetime.strptime(created, "%Y%m%dT%H%M%S%f").replace(tzinfo=dt.UTC)
        found.append(Project(scheme, version, int(identifier), created_at, adjudication))
    return sorted(found, key=lambda project: project.created_at, reverse=True)


def record_batch(journal: Storage, project: Project, batch_id: str, tasks: dict[str, int]) -> None:
    """Note that a batch is on the server whole: task ids by item id."""
    _put(journal, f"{project.folder}/batches/{batch_id}.json", {"tasks": tasks})


def batches_sent(journal: Storage, project: Project) -> dict[str, dict[str, int]]:
    """Batches that are on the server whole: task ids by item id, by batch."""
    return {
        entry.path.rpartition("/")[2].removesuffix(".json"): json.loads(journal.read(entry.path))["tasks"]
        for entry in journal.list(f"{project.folder}/batches")
    }


def count_sent(journal: Storage, scheme: str) -> int:
    """Tasks recorded as sent, of all versions of a scheme, on the project that was made last."""
    versions = {int(entry.path.split("/")[2].removeprefix("v")) for entry in journal.list(f"{_ROOT}/{scheme}")}
    latest = [found[0] for version in versions if (found := projects(journal, scheme, version))]
    return sum(len(tasks) for project in latest for tasks in batches_sent(journal, project).values())


def record_recall(journal: Storage, project: Project, tasks: dict[str, int], at: dt.datetime) -> str:
    """Note what is about to be taken back as nobody answered it, task ids by item id; returns the recall's name."""
    name = f"{at:%Y%m%dT%H%M%S%f}"
    _put(journal, f"{project.folder}/recalls/{name}.json", {"reason": "nonresponse", "tasks": tasks})
    return name


def record_recalled(journal: Storage, project: Project, recall: str, items: list[str]) -> None:
    """Note which items of a recall are off the server; the others were answered meanwhile."""
    _put(journal, f"{project.folder}/recalled/{recall}.json", {"reason": "nonresponse", "items": sorted(items)})


def unfinished_recalls(journal: Storage, project: Project) -> dict[str, dict[str, int]]:
    """Recalls that were cut off: task ids by item id, by the recall's name."""
    done = {_stem(entry.path) for entry in journal.list(f"{project.folder}/recalled")}
    return {
        _stem(entry.path): json.loads(journal.read(entry.path))["tasks"]
        for entry in journal.list(f"{project.folder}/recalls")
        if _stem(entry.path) not in done
    }


def recalled_items(journal: Storage, project: Project) -> frozenset[str]:
    """Items that were taken off the server as nobody answered them: they are not sent again."""
    return frozenset(
        item_id
        for entry in journal.list(f"{project.folder}/recalled")
        for item_id in json.loads(journal.read(entry.path))["items"]
    )


def recalled_anywhere(journal: Storage, scheme: str, version: int) -> frozenset[str]:
    """The same of every project of a scheme's version, on whichever server."""
    return frozenset().union(*(recalled_items(journal, each) for each in projects(journal, scheme, version)))


def record_pull(journal: Storage, project: Project, before: Pull | None, after: Pull, at: dt.datetime) -> None:
    """Note a pull: the change of what is there. One that changed nothing leaves no note."""
    if before == after:
        return
    known = before.present if before else frozenset()
    entry = {
        "watermark": after.watermark,
        "swept_on": after.swept_on,
        "appeared": sorted(after.present - known),
        "vanished": sorted(known - after.present),
    }
    digest = hashlib.sha256(_json(entry)).hexdigest()[:12]
    _put(journal, f"{project.folder}/pulls/{at:%Y%m%dT%H%M%S%f}-{digest}.json", entry)


def last_pull(journal: Storage, project: Project) -> Pull | None:
    """What all recorded pulls come to, or None before the first."""
    present: set[str] = set()
    entry: dict[str, Any] | None = None
    for each in journal.list(f"{project.folder}/pulls"):
        entry = json.loads(journal.read(each.path))
        present = (present | set(entry["appeared"])) - set(entry["vanished"])
    return Pull(entry["watermark"], entry["swept_on"], frozenset(present)) if entry else None


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".json")


def _folder(scheme: str, version: int, adjudication: bool) -> str:
    return f"{_ADJUDICATION if adjudication else _ROOT}/{scheme}/v{version}"


def _put(journal: Storage, path: str, document: dict[str, Any]) -> None:
    journal.put_if_absent(path, _json(document))


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"

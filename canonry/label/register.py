"""What was sent where: the journal's own record of projects, of the tasks in them, and of each pull.

`journal/label_studio/NAME/vVERSION/PROJECT/` holds `project.json`, `batches/BATCH.json` once a batch is on the server
whole (`BATCH~STEP.json` once it is again), `recalls/` and `recalled/` of what was taken back, `pulls/` of `rounds.py`,
and in `steps/` and `restores/` the numbers of `restores.py`; of the projects in which doubts are settled,
`journal/adjudication/NAME/vVERSION/PROJECT/` does. PROJECT is its number and when it was made: a server that was set up
anew has other projects.
"""

from __future__ import annotations

import datetime as dt
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
class Steps:
    """How far a project has come, as the journal knows it."""

    confirmed: int
    """The last step that the server was told of."""
    restores: tuple[tuple[int, int], ...] = ()
    """Of each restore of the server from a backup, the step it went back to, and the one at which it was noticed."""

    @property
    def restored_at(self) -> int:
        """The step at which the last restore was noticed; 0 where there was none."""
        return max((noticed for _, noticed in self.restores), default=0)

    def lost(self, step: int) -> bool:
        """Whether what was done under a step was lost when the server was restored."""
        return any(back_to < step < noticed for back_to, noticed in self.restores)


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


def record_batch(journal: Storage, project: Project, batch_id: str, tasks: dict[str, int], step: int) -> None:
    """Note that a batch is on the server whole: task ids by item id."""
    first = f"{project.folder}/batches/{batch_id}.json"
    path = f"{project.folder}/batches/{batch_id}~{step:09}.json" if journal.head(first) else first
    _put(journal, path, {"tasks": tasks, "step": step})


def batches_sent(journal: Storage, project: Project) -> dict[str, dict[str, int]]:
    """Batches that are on the server whole: task ids by item id, by batch."""
    return {batch_id: entry["tasks"] for batch_id, entry in _batches(journal, project).items()}


def batch_steps(journal: Storage, project: Project) -> dict[str, int]:
    """Of each batch the step under which it was found whole last."""
    return {batch_id: entry.get("step", 0) for batch_id, entry in _batches(journal, project).items()}


def _batches(journal: Storage, project: Project) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(entry.path.removesuffix(".json") for entry in journal.list(f"{project.folder}/batches")):
        found[path.rpartition("/")[2].partition("~")[0]] = json.loads(journal.read(f"{path}.json"))
    return found


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
    done = {stem(entry.path) for entry in journal.list(f"{project.folder}/recalled")}
    return {
        stem(entry.path): json.loads(journal.read(entry.path))["tasks"]
        for entry in journal.list(f"{project.folder}/recalls")
        if stem(entry.path) not in done
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


def steps(journal: Storage, project: Project) -> Steps:
    """How far a project has come."""
    told = [int(stem(entry.path)) for entry in journal.list(f"{project.folder}/steps")]
    restores = tuple(
        (int(json.loads(journal.read(entry.path))["back_to"]), int(stem(entry.path)))
        for entry in journal.list(f"{project.folder}/restores")
    )
    return Steps(max([*told, *(noticed for _, noticed in restores)], default=0), restores)


def record_step(journal: Storage, project: Project, step: int) -> None:
    """Note that the server was told of a step."""
    _put(journal, f"{project.folder}/steps/{step:09}.json", {})


def record_restore(journal: Storage, project: Project, back_to: int, noticed: int) -> None:
    """Note that the server was restored from a backup that was made at a step."""
    _put(journal, f"{project.folder}/restores/{noticed:09}.json", {"back_to": back_to})


def stem(path: str) -> str:
    """An entry's name."""
    return path.rpartition("/")[2].removesuffix(".json")


def _folder(scheme: str, version: int, adjudication: bool) -> str:
    return f"{_ADJUDICATION if adjudication else _ROOT}/{scheme}/v{version}"


def _put(journal: Storage, path: str, document: dict[str, Any]) -> None:
    journal.put_if_absent(path, as_json(document))


def as_json(document: dict[str, Any]) -> bytes:
    """A journal entry."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"

"""How far pulls have come: the journal's record of each page that was looked at, and what is on the server after it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from canonry.label.register import Project, as_json, stem
from canonry.storage import Storage

_WHOLE, _WHOLE_NAME = 100, "-whole"


@dataclass(frozen=True)
class Seen:
    """An annotation that is on the server."""

    task_id: int
    created_at: str
    """With its id it tells one annotation from another: a restored server gives ids again."""
    step: int
    """Under which it was seen first."""


@dataclass(frozen=True)
class Round:
    """A look at the tasks that changed since some time, or at all of them, page by page in order of their ids."""

    since: str | None
    """Tasks changed since then, on the server's clock, are looked at; None: all."""
    newest: str | None
    """The latest `updated_at` of a task when the round began; None where there was no task."""
    began_on: str
    """UTC day."""
    step: int
    cursor: int | None
    """Tasks up to this id were looked at; None: the round is over."""


@dataclass(frozen=True)
class Pull:
    """What is known of a project after a page of a pull."""

    last: Round
    """The round that was under way last."""
    swept_on: str | None
    """UTC day when the last finished look at every task began."""
    swept_step: int
    """Step of that look; 0 where there was none."""
    present: dict[str, Seen]
    """The annotations that are there, by id."""
    entries: int
    """How many there are in `pulls/`."""


def record_page(
    journal: Storage,
    project: Project,
    before: Pull | None,
    looked: Round,
    appeared: dict[str, Seen],
    vanished: set[str],
    lost: set[str],
) -> Pull:
    """Note a page of a pull, and what is known after it. Vanished annotations are deleted ones, or `lost` in a restore.

    Every hundredth note repeats all that is there, so that no more than that are read again. Raises RuntimeError where
    somebody else pulls the project at the same time.
    """
    swept = looked.since is None and looked.cursor is None
    present = dict(before.present) if before else {}
    for annotation_id in vanished:
        present.pop(annotation_id, None)
    present |= appeared
    after = Pull(
        last=looked,
        swept_on=looked.began_on if swept else before.swept_on if before else None,
        swept_step=looked.step if swept else before.swept_step if before else 0,
        present=present,
        entries=before.entries + 1 if before else 1,
    )
    whole = after.entries % _WHOLE == 0
    entry = {
        "round": asdict(looked),
        "swept_on": after.swept_on,
        "swept_step": after.swept_step,
        "appeared": {each: asdict(seen) for each, seen in sorted((present if whole else appeared).items())},
        "vanished": sorted(vanished - lost),
        "lost": sorted(lost),
    }
    path = f"{project.folder}/pulls/{after.entries:09}{_WHOLE_NAME if whole else ''}.json"
    if not journal.put_if_absent(path, as_json(entry)):
        raise RuntimeError(f"journal/{path}: somebody else pulls {project.title}: run again")
    return after


def last_pull(journal: Storage, project: Project) -> Pull | None:
    """What all recorded pages come to, or None before the first."""
    paths = [each.path for each in journal.list(f"{project.folder}/pulls")]
    start = max((number for number, path in enumerate(paths) if stem(path).endswith(_WHOLE_NAME)), default=0)
    present: dict[str, Seen] = {}
    entry: dict[str, Any] = {}
    for path in paths[start:]:
        entry = json.loads(journal.read(path))
        for annotation_id in (*entry["vanished"], *entry["lost"]):
            present.pop(annotation_id, None)
        present |= {annotation_id: Seen(**seen) for annotation_id, seen in entry["appeared"].items()}
    if not paths:
        return None
    return Pull(
        last=Round(**entry["round"]),
        swept_on=entry["swept_on"],
        swept_step=entry["swept_step"],
        present=present,
        entries=int(stem(paths[-1]).removesuffix(_WHOLE_NAME)),
    )

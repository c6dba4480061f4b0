"""Takes exports that people put into the exchange: each annotation version is journalled once, each problem is kept."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from canonry.catalog import SchemeSpec
from canonry.label.annotations import Annotation, AnnotationProblem, parse_task
from canonry.label.tasks import folder
from canonry.labels import draw_name, list_draws, read_draw
from canonry.storage import Storage, Zones


@dataclass(frozen=True)
class Import:
    """What a look into the inbox found."""

    files: int
    annotations: int
    """Annotation versions read, known ones included."""
    new: int
    """Of those, journalled now."""
    days: tuple[dt.date, ...]
    """Days of draws that got something new: their `lake/labels` is to be written."""
    problems: tuple[tuple[str, AnnotationProblem], ...]
    """File and problem, of every file now in the inbox."""


def import_annotations(zones: Zones, name: str, scheme: SchemeSpec) -> Import:
    """Read every export in `exchange/label-studio/NAME/in`. Doing it again journals nothing twice.

    An annotation that an export no longer has is not deleted by that: an export may be of some tasks only.
    """
    key = hash_key()
    taken: list[tuple[str, Annotation]] = []
    problems: list[tuple[str, AnnotationProblem]] = []
    files = [entry.path for entry in zones.exchange.list(f"{folder(name)}/in") if entry.path.endswith(".json")]
    for path in files:
        for each in _parse_file(zones, path, name, scheme, key):
            if isinstance(each, Annotation):
                taken.append((path, each))
            else:
                problems.append((path, each))
    accepted, foreign = _drawn(zones.journal, name, taken)
    problems += foreign
    for path, problem in problems:
        _keep(zones, name, path, problem)
    new = {day: journal_annotations(zones.journal, name, day, some) for day, some in accepted.items()}
    days = tuple(sorted(day for day, count in new.items() if count))
    return Import(len(files), len(taken), sum(new.values()), days, tuple(problems))


def hash_key() -> bytes:
    """The secret that reviewers' ids are hashed with: CANONRY_HASH_KEY. Set it once; another key makes others of them.

    Without it hashes are plain: they tell reviewers apart, but do not hide who they are.
    """
    secret = os.environ.get("CANONRY_HASH_KEY", "").encode()
    return hashlib.blake2b(secret, digest_size=32).digest() if secret else b""


def journal_annotations(journal: Storage, name: str, day: dt.date, annotations: Iterable[Annotation]) -> int:
    """Journal the annotation versions of one day's draw that are not there yet, as one entry; returns their number."""
    known = {_digest(version) for version in journalled(journal, name, day)}
    versions = {_digest(version): version for version in map(_version, annotations)}
    fresh = [versions[digest] for digest in sorted(versions.keys() - known)]
    if fresh:
        entry = orjson.dumps({"annotations": fresh}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(entry).hexdigest()[:32]
        journal.put_if_absent(f"{journal_folder(day)}/{name}/{digest}.json", entry)
    return len(fresh)


def journal_folder(day: dt.date) -> str:
    """Where the annotations of a day's draws lie in the journal, a folder a scheme."""
    return f"annotations/{day.isoformat()}"


def journalled(journal: Storage, name: str, day: dt.date) -> list[dict[str, Any]]:
    """Every annotation version journalled for a day's draws of a scheme."""
    return [
        version
        for entry in journal.list(f"{journal_folder(day)}/{name}")
        for version in orjson.loads(journal.read(entry.path))["annotations"]
    ]


def _parse_file(
    zones: Zones, path: str, name: str, scheme: SchemeSpec, key: bytes
) -> list[Annotation | AnnotationProblem]:
    raw = zones.exchange.read(path)
    try:
        tasks = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return [AnnotationProblem("?", "file", f"is not JSON: {error}", raw)]
    if not isinstance(tasks, list):
        found = type(tasks).__name__
        return [AnnotationProblem("?", "file", f"expected a list of tasks, found {found}; export as JSON", tasks)]
    return [each for task in tasks for each in parse_task(task, name, scheme, key)]


def _drawn(
    journal: Storage, name: str, annotations: list[tuple[str, Annotation]]
) -> tuple[dict[dt.date, list[Annotation]], list[tuple[str, AnnotationProblem]]]:
    draws = {draw_name(name, version, day): (version, day) for version, day in list_draws(journal, name)}
    items: dict[str, set[str]] = {}
    accepted: dict[dt.date, list[Annotation]] = defaultdict(list)
    foreign = []
    for path, annotation in annotations:
        draw_id = annotation.draw_id
        if draw_id in draws and draw_id not in items:
            draw = read_draw(journal, name, *draws[draw_id])
            items[draw_id] = {item.item_id for item in draw.items} if draw else set()
        if annotation.item_id in items.get(draw_id, ()):
            accepted[draws[draw_id][1]].append(annotation)
        else:
            message = f"a foreign task: no item {annotation.item_id[:80]!r} was drawn in {draw_id[:80]!r}"
            problem = AnnotationProblem(annotation.item_id[:80], "data.item_id", message, _version(annotation))
            foreign.append((path, problem))
    return accepted, foreign


def _version(annotation: Annotation) -> dict[str, Any]:
    return orjson.loads(orjson.dumps(asdict(annotation)))


def _digest(version: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(version, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _keep(zones: Zones, name: str, path: str, problem: AnnotationProblem) -> None:
    entry: dict[str, Any] = {"file": path, "task": problem.task, "field": problem.field, "message": problem.message}
    try:
        entry["raw"] = problem.raw
        data = orjson.dumps(entry, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # not JSON at all, or nested too deeply to write: the file as it came
        raw = zones.exchange.read(path)
        entry["raw"] = None
        entry["raw_object"] = f"{_quarantine(name)}/{hashlib.sha256(raw).hexdigest()[:32]}.bin"
        zones.journal.put_if_absent(entry["raw_object"], raw)
        data = orjson.dumps(entry, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    zones.journal.put_if_absent(f"{_quarantine(name)}/{hashlib.sha256(data).hexdigest()[:32]}.json", data)


def _quarantine(name: str) -> str:
    return f"rejected_annotations/{name}"

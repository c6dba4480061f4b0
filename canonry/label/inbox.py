"""Takes exports that people put into the exchange: each annotation version is journalled once, each problem is kept."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import orjson

from canonry.catalog import SchemeSpec
from canonry.label.annotations import Annotation, AnnotationProblem, parse_task
from canonry.label.journal import AnnotationJournal, Found
from canonry.label.tasks import folder
from canonry.people import hash_key
from canonry.storage import Zones


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
    files = [entry.path for entry in zones.exchange.list(f"{folder(name)}/in") if entry.path.endswith(".json")]
    found: list[Found] = [(path, each) for path in files for each in _parse_file(zones, path, name, scheme, key)]
    taken = AnnotationJournal(zones.journal, name).take(found, zones.exchange.read)
    annotations = sum(isinstance(each, Annotation) for _, each in found)
    days = tuple(sorted(day for day, count in taken.new.items() if count))
    return Import(len(files), annotations, sum(taken.new.values()), days, tuple(taken.problems))


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

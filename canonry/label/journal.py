"""Annotations in the journal: each version once, whichever door it came by, and each problem with what it held."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import orjson

from canonry.label.annotations import Annotation, AnnotationProblem
from canonry.labels import draw_name, list_draws, read_draw
from canonry.storage import Storage

Found = tuple[str, Annotation | AnnotationProblem]
"""Where it was found (a file, a project), and what."""


def take(
    journal: Storage, name: str, found: Iterable[Found], bytes_of: Callable[[str], bytes]
) -> tuple[dict[dt.date, int], list[tuple[str, AnnotationProblem]]]:
    """Journal annotations of drawn items by the day of their draw, and keep the problems; what is known is passed over.

    Returns how many versions are new by day, and every problem with where it was. `bytes_of` reads a place whole, for
    a problem that cannot be written on its own.
    """
    taken: list[tuple[str, Annotation]] = []
    problems: list[tuple[str, AnnotationProblem]] = []
    for place, each in found:
        if isinstance(each, Annotation):
            taken.append((place, each))
        else:
            problems.append((place, each))
    accepted, foreign = _drawn(journal, name, taken)
    problems += foreign
    for place, problem in problems:
        _keep(journal, name, place, problem, bytes_of)
    return {day: journal_annotations(journal, name, day, some) for day, some in accepted.items()}, problems


def journal_annotations(journal: Storage, name: str, day: dt.date, annotations: Iterable[Annotation]) -> int:
    """Journal the annotation versions of one day's draw that are not there yet, as one entry; returns their number."""
    return journal_versions(journal, name, day, map(_version, annotations))


def journal_versions(journal: Storage, name: str, day: dt.date, versions: Iterable[dict[str, Any]]) -> int:
    """Journal versions as they lie in the journal, those that are there already excepted; returns their number."""
    known = {_digest(version) for version in journalled(journal, name, day)}
    by_digest = {_digest(version): version for version in versions}
    fresh = [by_digest[digest] for digest in sorted(by_digest.keys() - known)]
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


def version_order(version: dict[str, Any]) -> tuple[str, bytes]:
    """By this order the last version of an annotation counts.

    Two contents with one time are settled by their bytes, so that the order of reading changes nothing.
    """
    return version["updated_at"], orjson.dumps(version, option=orjson.OPT_SORT_KEYS)


def _drawn(
    journal: Storage, name: str, annotations: list[tuple[str, Annotation]]
) -> tuple[dict[dt.date, list[Annotation]], list[tuple[str, AnnotationProblem]]]:
    draws = {draw_name(name, version, day): (version, day) for version, day in list_draws(journal, name)}
    items: dict[str, frozenset[str]] = {}
    accepted: dict[dt.date, list[Annotation]] = defaultdict(list)
    foreign = []
    for place, annotation in annotations:
        draw_id = annotation.draw_id
        if draw_id in draws and draw_id not in items:
            draw = read_draw(journal, name, *draws[draw_id])
            items[draw_id] = draw.item_ids if draw else frozenset()
        if annotation.item_id in items.get(draw_id, ()):
            accepted[draws[draw_id][1]].append(annotation)
        else:
            message = f"a foreign task: no item {annotation.item_id[:80]!r} was drawn in {draw_id[:80]!r}"
            problem = AnnotationProblem(annotation.item_id[:80], "data.item_id", message, _version(annotation))
            foreign.append((place, problem))
    return accepted, foreign


def _version(annotation: Annotation) -> dict[str, Any]:
    version = asdict(annotation)
    if not annotation.adjudication:  # as versions were written before anything was adjudicated
        del version["adjudication"]
    return orjson.loads(orjson.dumps(version))


def _digest(version: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(version, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _keep(
    journal: Storage, name: str, place: str, problem: AnnotationProblem, bytes_of: Callable[[str], bytes]
) -> None:
    entry: dict[str, Any] = {"file": place, "task": problem.task, "field": problem.field, "message": problem.message}
    try:
        entry["raw"] = problem.raw
        data = orjson.dumps(entry, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # not JSON at all, or nested too deeply to write: the whole as it came
        raw = bytes_of(place)
        entry["raw"] = None
        entry["raw_object"] = f"{_quarantine(name)}/{hashlib.sha256(raw).hexdigest()[:32]}.bin"
        journal.put_if_absent(entry["raw_object"], raw)
        data = orjson.dumps(entry, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    journal.put_if_absent(f"{_quarantine(name)}/{hashlib.sha256(data).hexdigest()[:32]}.json", data)


def _quarantine(name: str) -> str:
    return f"rejected_annotations/{name}"

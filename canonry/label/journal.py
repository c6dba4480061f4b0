"""Annotations in the journal: each version once, whichever door it came by, and each problem with what it held."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from canonry.label.annotations import Annotation, AnnotationProblem
from canonry.labels import draw_name, list_draws, read_draw
from canonry.storage import Storage

Found = tuple[str, Annotation | AnnotationProblem]
"""Where it was found (a file, a project), and what."""


@dataclass(frozen=True)
class Taken:
    """What came of what was found."""

    annotations: list[Annotation]
    """Those of drawn items, known ones included, each under the id that the journal knows it by."""
    new: dict[dt.date, int]
    """Versions journalled now, by the day of their draw."""
    problems: list[tuple[str, AnnotationProblem]]
    """Where and what."""


class AnnotationJournal:
    """The annotations of one scheme in the journal. What is known of a day is read once, and kept up from then on.

    An annotation is told by its id and by when it was made: a server that was restored from a backup gives ids again,
    and exports may come from several servers. The later comer has its time behind its id.
    """

    def __init__(self, journal: Storage, name: str) -> None:
        self._journal = journal
        self._name = name
        self._draws = {draw_name(name, version, day): (version, day) for version, day in list_draws(journal, name)}
        self._items: dict[str, frozenset[str]] = {}
        self._known: dict[dt.date, _Known] = {}

    def take(self, found: Iterable[Found], bytes_of: Callable[[str], bytes], *, standing: bool = False) -> Taken:
        """Journal annotations of drawn items by the day of their draw, and keep problems; what is known is passed over.

        `bytes_of` reads a place whole, for a problem that cannot be written on its own. `standing`: what was found is
        on the server now, so that what was deleted before is there again.
        """
        accepted: dict[dt.date, list[Annotation]] = defaultdict(list)
        problems: list[tuple[str, AnnotationProblem]] = []
        for place, each in found:
            if isinstance(each, AnnotationProblem):
                problems.append((place, each))
            elif each.item_id in self._items_of(each.draw_id):
                accepted[self._draws[each.draw_id][1]].append(each)
            else:
                message = f"a foreign task: no item {each.item_id[:80]!r} was drawn in {each.draw_id[:80]!r}"
                foreign = AnnotationProblem(each.item_id[:80], "data.item_id", message, _version(each))
                problems.append((place, foreign))
        for place, problem in problems:
            _keep(self._journal, self._name, place, problem, bytes_of)
        taken, new = [], {}
        for day, some in accepted.items():
            known = self._known_of(day)
            named = [known.named(each) for each in sorted(some, key=lambda each: each.created_at)]
            versions = [_version(each) for each in named]
            new[day] = self._write(day, [known.revived(each) for each in versions] if standing else versions)
            taken += named
        return Taken(taken, new, problems)

    def delete(self, annotation_ids: Iterable[str], now: dt.datetime) -> dict[dt.date, int]:
        """Journal a last version, with `deleted_at`, of each; returns how many by day of the draw."""
        by_day: dict[dt.date, set[str]] = defaultdict(set)
        for annotation_id in annotation_ids:
            for draw_id, (_, day) in self._draws.items():
                if annotation_id.rpartition(".")[0] in self._items_of(draw_id):
                    by_day[day].add(annotation_id)
        deleted = {}
        for day, ids in by_day.items():
            versions = sorted(journalled(self._journal, self._name, day), key=version_order)
            latest = {each["annotation_id"]: each for each in versions if each["annotation_id"] in ids}
            last = [_deleted(each, now) for each in latest.values() if not each.get("deleted_at")]
            deleted[day] = self._write(day, last)
        return deleted

    def _items_of(self, draw_id: str) -> frozenset[str]:
        if draw_id not in self._items:
            draw = read_draw(self._journal, self._name, *self._draws[draw_id]) if draw_id in self._draws else None
            self._items[draw_id] = draw.item_ids if draw else frozenset()
        return self._items[draw_id]

    def _known_of(self, day: dt.date) -> _Known:
        if day not in self._known:
            self._known[day] = _Known(journalled(self._journal, self._name, day))
        return self._known[day]

    def _write(self, day: dt.date, versions: list[dict[str, Any]]) -> int:
        known = self._known_of(day)
        by_digest = {_digest(version): version for version in versions}
        fresh = [by_digest[digest] for digest in sorted(by_digest.keys() - known.digests)]
        if fresh:
            entry = orjson.dumps({"annotations": fresh}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
            digest = hashlib.sha256(entry).hexdigest()[:32]
            self._journal.put_if_absent(f"{journal_folder(day)}/{self._name}/{digest}.json", entry)
            known.add(fresh)
        return len(fresh)


class _Known:
    """Of each version of a day its digest, and of each annotation when it was made, last changed, and whether it goes.

    Small, so that a day of many thousands is known without its texts.
    """

    def __init__(self, versions: Iterable[dict[str, Any]]) -> None:
        self.digests: set[bytes] = set()
        self._latest: dict[str, tuple[str, bool, str]] = {}
        self.add(versions)

    def add(self, versions: Iterable[dict[str, Any]]) -> None:
        for each in versions:
            self.digests.add(_digest(each))
            state = (each["updated_at"], bool(each.get("deleted_at")), each["created_at"])
            self._latest[each["annotation_id"]] = max(state, self._latest.get(each["annotation_id"], state))

    def named(self, annotation: Annotation) -> Annotation:
        """The annotation under the id that is its own."""
        made = _version(annotation)["created_at"]
        known = self._latest.setdefault(annotation.annotation_id, ("", False, made))
        if known[2] == made:
            return annotation
        return replace(annotation, annotation_id=f"{annotation.annotation_id}-{annotation.created_at:%Y%m%dT%H%M%S%f}")

    def revived(self, version: dict[str, Any]) -> dict[str, Any]:
        """The version, later than the deletion that it follows, where it follows one."""
        updated_at, deleted, _ = self._latest.get(version["annotation_id"], ("", False, ""))
        return {**version, "updated_at": max(version["updated_at"], _after(updated_at))} if deleted else version


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


def _deleted(version: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    # Later than what it deletes, whatever our clock says; `deleted_at` is when it was noticed.
    return {**version, "updated_at": _after(version["updated_at"]), "deleted_at": now.isoformat()}


def _after(updated_at: str) -> str:
    return (dt.datetime.fromisoformat(updated_at) + dt.timedelta(microseconds=1)).isoformat()


def _version(annotation: Annotation) -> dict[str, Any]:
    version = asdict(annotation)
    if not annotation.adjudication:  # as versions were written before anything was adjudicated
        del version["adjudication"]
    return orjson.loads(orjson.dumps(version))


def _digest(version: dict[str, Any]) -> bytes:
    return hashlib.sha256(orjson.dumps(version, option=orjson.OPT_SORT_KEYS)).digest()


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

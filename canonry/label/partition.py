"""Turns the journal of annotations into `lake/labels`: one row an annotation, of the day its item was drawn from."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from canonry import lake
from canonry.label.journal import journal_folder, version_order
from canonry.labels import Draw, draw_path, stratum_name
from canonry.storage import Storage, Zones


@dataclass(frozen=True)
class LabelsWritten:
    """What the partition holds."""

    rows: int
    skipped: int
    """Of those, items that their reviewer skipped."""
    changed: bool
    """Whether the partition is another than before."""


def write_labels(zones: Zones, day: dt.date) -> LabelsWritten:
    """Write `lake/labels` of a day: the latest version of every annotation of that day's draws, with how it was drawn.

    The day is the draw's, not the annotation's, so that an estimate of a window reads the window's days alone. Answers
    to items whose answer is known have no row: nobody drew them. Raises LookupError for an item that its draw lacks.
    """
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    order: dict[tuple[str, str], tuple[str, bytes]] = {}
    entries = [entry.path for entry in zones.journal.list(journal_folder(day))]
    for path in entries:
        scheme = path.split("/")[-2]
        for version in orjson.loads(zones.journal.read(path))["annotations"]:
            key = (scheme, version["annotation_id"])
            place = version_order(version)
            if key not in order or place > order[key]:
                order[key], latest[key] = place, version
    draws = _Draws(zones.journal, day)
    rows = [_row(latest[key], facts) for key in sorted(latest) if (facts := draws.facts(latest[key])) is not None]
    made_from = {"annotations": entries, "draws": draws.digests}
    changed = lake.write(zones.lake, "labels", day, pa.Table.from_pylist(rows, lake.SCHEMAS["labels"]), made_from)
    skipped = sum(row["cancelled"] and row["deleted_at"] is None for row in rows)
    return LabelsWritten(len(rows), skipped, changed)


def days_behind(zones: Zones) -> dict[str, list[dt.date]]:
    """By scheme, days whose `lake/labels` is not made from every annotation that the journal has of them."""
    entries: dict[dt.date, list[str]] = {}
    for entry in zones.journal.list("annotations"):
        entries.setdefault(dt.date.fromisoformat(entry.path.split("/")[1]), []).append(entry.path)
    behind: dict[str, list[dt.date]] = {}
    for day, paths in sorted(entries.items()):
        made_from = (lake.manifest(zones.lake, "labels", day) or {}).get("annotations", [])
        for scheme in sorted({path.split("/")[2] for path in set(paths) ^ set(made_from)}):
            behind.setdefault(scheme, []).append(day)
    return behind


class _Draws:
    """The day's draws, each read once, with the digest of what was read."""

    def __init__(self, journal: Storage, day: dt.date) -> None:
        self._journal = journal
        self._day = day
        self._items: dict[str, dict[str, dict[str, Any] | None]] = {}
        self.digests: dict[str, str] = {}

    def facts(self, version: dict[str, Any]) -> dict[str, Any] | None:
        """What the draw says of an annotation's item; None where its answer is known and it was not drawn."""
        path = draw_path(version["scheme"], int(version["scheme_version"]), self._day)
        if path not in self._items:
            data = self._journal.read(path)
            draw = Draw.from_json(data)
            self.digests[path] = hashlib.sha256(data).hexdigest()
            self._items[path] = dict.fromkeys((item.item_id for item in draw.known), None) | {
                item.item_id: {
                    "inference_id": item.inference_id,
                    "inclusion_probability": item.inclusion_probability,
                    "stratum": stratum_name(draw.strata[item.stratum].values),
                }
                for item in draw.items
            }
        if version["item_id"] not in self._items[path]:
            annotation, item = version["annotation_id"], version["item_id"]
            raise LookupError(f"journal/{path}: items: has no {item!r}, which annotation {annotation!r} is of")
        return self._items[path][version["item_id"]]


def _row(version: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    result = version["result"]
    return {
        **version,
        **facts,
        "created_at": _moment(version["created_at"]),
        "updated_at": _moment(version["updated_at"]),
        "deleted_at": _moment(version.get("deleted_at")),
        "result": None if result is None else orjson.dumps(result, option=orjson.OPT_SORT_KEYS).decode(),
        "attributes": '{"adjudication":true}' if version.get("adjudication") else None,
    }


def _moment(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None

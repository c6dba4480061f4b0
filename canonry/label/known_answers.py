"""Writes `lake/known_answers`: what annotators said of items whose answer is known, apart from all other labels."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from canonry import lake
from canonry.label.journal import journal_folder, journalled, version_order
from canonry.labels import Draw, draw_path, read_draw, schemes_drawn
from canonry.storage import Storage, Zones


def write_known_answers(zones: Zones, day: dt.date) -> int:
    """Write `lake/known_answers` of a day's draws: a row an annotation and field, with the known answer beside.

    Returns the rows. A day whose draws have no known items has no partition.
    """
    rows, digests = [], {}
    entries = [entry.path for entry in zones.journal.list(journal_folder(day))]
    for scheme in schemes_drawn(zones.journal):
        for entry in zones.journal.list(f"draws/{scheme}"):
            version = int(entry.path.split("/")[2].removeprefix("v"))
            if entry.path != draw_path(scheme, version, day):
                continue
            draw = read_draw(zones.journal, scheme, version, day)
            if draw is not None and draw.known:
                digests[entry.path] = hashlib.sha256(zones.journal.read(entry.path)).hexdigest()
                rows += list(_rows(zones.journal, draw))
    if not digests:
        return 0
    table = pa.Table.from_pylist(rows, lake.SCHEMAS["known_answers"])
    lake.write(zones.lake, "known_answers", day, table, {"annotations": entries, "draws": digests})
    return len(rows)


def _rows(journal: Storage, draw: Draw) -> Iterator[dict[str, Any]]:
    known = {item.item_id: item for item in draw.known}
    latest: dict[str, dict[str, Any]] = {}
    for version in sorted(journalled(journal, draw.scheme, draw.day), key=version_order):
        if version["item_id"] in known and version["scheme_version"] == str(draw.scheme_version):
            latest[version["annotation_id"]] = version
    for _, version in sorted(latest.items()):
        if version.get("deleted_at") or not version["result"] or version["cancelled"]:
            continue
        for field, answer in sorted(known[version["item_id"]].answers.items()):
            yield {
                **{name: version[name] for name in ("annotation_id", "scheme", "scheme_version", "item_id", "draw_id")},
                "annotator_hash": version["annotator_hash"],
                "field": field,
                "answer": version["result"].get(field),
                "known_answer": answer,
                "updated_at": dt.datetime.fromisoformat(version["updated_at"]),
                "simulated": version["simulated"],
            }

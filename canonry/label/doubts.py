"""Tasks that ask somebody to settle what reviewers are in doubt about, sent to a project of their own.

`exchange/label-studio/NAME/adjudication/vVERSION-DIGEST.json` holds those of one look at the queue; an item is in one
file at most. Their answers come back like others, and overrule.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from canonry.catalog import SchemeSpec
from canonry.consensus import Adjudication, standing_rows
from canonry.label import register, restores
from canonry.label.adjudication import adjudications, labels_of_version
from canonry.label.config import SPANS
from canonry.label.project import keep_project
from canonry.label.send import Sent, read_tasks, reconcile, refuse, send_batch
from canonry.label.sender import one_sender
from canonry.label.tasks import Export, folder, make_tasks, read_texts
from canonry.labels import draw_name, list_draws, read_draw
from canonry.storage import Lease, Storage, Zones

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio


def export_doubts(zones: Zones, name: str, scheme: SchemeSpec) -> Export | None:
    """Put items that are to be settled, and in no file yet, into the exchange as tasks; None where there are none.

    Items whose text is no longer kept cannot be settled, and are left out.
    """
    labels = labels_of_version(zones, name, scheme)
    known = {task["data"]["item_id"] for path in _files(zones.exchange, name, scheme) for task in _read(zones, path)}
    queue: dict[str, list[Adjudication]] = defaultdict(list)
    for each in adjudications(labels, scheme):
        if each.item_id not in known:
            queue[each.item_id].append(each)
    texts = {
        draw_name(name, scheme.version, day): day
        for version, day in list_draws(zones.journal, name)
        if version == scheme.version
    }
    tasks: list[dict[str, Any]] = []
    for draw_id in sorted({each[0].draw_id for each in queue.values()} & texts.keys()):
        draw = read_draw(zones.journal, name, scheme.version, texts[draw_id])
        if draw is not None:
            asked = replace(draw, items=tuple(item for item in draw.items if item.item_id in queue), known=())
            tasks += make_tasks(asked, read_texts(zones.lake, asked))
    if not tasks:
        return None
    digest = hashlib.sha256("\n".join(task["data"]["item_id"] for task in tasks).encode()).hexdigest()[:16]
    for task in tasks:
        data = task["data"]
        data["batch_id"] = f"{name}-v{scheme.version}-adjudication-{digest}"
        data["adjudication"] = True
        data["answers"] = said_so_far(labels, queue[data["item_id"]], data["answer"], scheme)
    path = f"{folder(name)}/adjudication/v{scheme.version}-{digest}.json"
    written = zones.exchange.put_if_absent(path, json.dumps(tasks, indent=1, ensure_ascii=False).encode() + b"\n")
    return Export(path, len(tasks), written)


def send_doubts(zones: Zones, client: LabelStudio, name: str, scheme: SchemeSpec) -> Sent | None:
    """Send every exported task that asks to settle a doubt, each item once a project; None where there is none.

    What was cut off is completed by the next. Raises LabelStudioError.
    """
    paths = _files(zones.exchange, name, scheme)
    if not paths:
        return None
    with one_sender(zones.exchange, name, scheme.version) as lease:
        return _send(zones, client, name, scheme, paths, lease)


def _send(zones: Zones, client: LabelStudio, name: str, scheme: SchemeSpec, paths: list[str], lease: Lease) -> Sent:
    project = keep_project(client, zones.journal, name, scheme, adjudication=True)
    steps, recorded = restores.batches_there(client, zones.journal, project)
    sent, refused = 0, []
    for path in paths:
        tasks, wrong = read_tasks(zones.exchange, path, name, scheme)
        refused += wrong
        batch_id = "" if wrong else tasks[0]["data"]["batch_id"]
        if wrong or batch_id in recorded:
            continue
        there = {item_id for batch in recorded.values() for item_id in batch}
        tasks = [task for task in tasks if task["data"]["item_id"] not in there]
        recorded[batch_id], missing = send_batch(client, project, batch_id, tasks, lease)
        register.record_batch(zones.journal, project, batch_id, recorded[batch_id], steps.confirmed + 1)
        sent += missing
    restores.tell_of_batches(client, zones.journal, project, steps)
    refuse(refused)
    total = sum(len(tasks) for tasks in recorded.values())
    return Sent(project, sent, total - sent, reconcile(client, project, recorded))


def said_so_far(labels: pa.Table, doubts: Sequence[Adjudication], answer: str, scheme: SchemeSpec) -> str:
    """What reviewers said of an item where they are in doubt, for whoever settles it: letters instead of names.

    Who is A is another one with each item, so that nobody can be told by it. `answer` is what they marked passages of.
    """
    item_id = doubts[0].item_id
    labels = labels.filter(pc.equal(labels["item_id"], item_id))
    lines: list[str] = []
    for doubt in doubts:
        choice = next(each for each in scheme.choices if each.name == doubt.field)
        rows = standing_rows(labels, doubt.field, scheme.consensus)
        lines += [choice.question, *(f"{letter}: {row['answer']}" for letter, row in _lettered(item_id, rows)), ""]
    for letter, row in _lettered(item_id, standing_rows(labels, SPANS, scheme.consensus)):
        for span in row["answer"]:
            lines.append(f"{letter} marked as {span['label']}: “{answer[span['start'] : span['end']]}”")
    return "\n".join(lines).strip()


def _lettered(item_id: str, rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    def order(row: dict[str, Any]) -> str:
        return hashlib.sha256(f"{item_id} {row['annotator_hash']}".encode()).hexdigest()

    for place, row in enumerate(sorted(rows, key=order)):
        yield chr(ord("A") + place % 26), row


def _files(exchange: Storage, name: str, scheme: SchemeSpec) -> list[str]:
    found = [entry.path for entry in exchange.list(f"{folder(name)}/adjudication")]
    return sorted(path for path in found if path.rpartition("/")[2].startswith(f"v{scheme.version}-"))


def _read(zones: Zones, path: str) -> list[dict[str, Any]]:
    return json.loads(zones.exchange.read(path))

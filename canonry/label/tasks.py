"""What goes out to be labeled: the tasks of a draw in Label Studio's import format, with the page that shows them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from canonry import lake
from canonry.catalog import SchemeSpec
from canonry.label.config import labeling_config
from canonry.label.known_file import read_file
from canonry.label.predictions import read_predictions
from canonry.labels import Draw
from canonry.messages import answer_text, question_text
from canonry.retrieval import retrieved_in_traces
from canonry.storage import Storage, Zones

_README = """\
Labeling "{name}", version {version}, in Label Studio

1. Create a project called "{name} v{version}". A new version of the scheme is a new project.
2. Settings > Labeling Interface > Code: paste config.xml, save. Settings > Annotation: paste what reviewers are told.
3. Import each file of out/ that this project does not have yet, once: Label Studio does not notice a second import.
4. People label. A reviewer who cannot tell skips the task.
5. Export as "JSON" (not "JSON-MIN") and put the file, under a new name, into in/. Export as often as you like: what is
   already known is passed over. Files in in/ are never changed or removed.

Where LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY are set, 1 to 3 and 5 are done by themselves, through the server's API.

What reviewers are told:

{instructions}
"""


@dataclass(frozen=True)
class Texts:
    """What a reviewer reads of one call."""

    question: str
    passages: tuple[dict[str, str], ...]
    """Each with `chunk_id` and `text`, as retrieved."""
    answer: str


@dataclass(frozen=True)
class Export:
    """Where a draw's tasks lie, how many they are, and whether this call wrote them."""

    path: str
    tasks: int
    written: bool
    problems: tuple[str, ...] = ()
    """Why the scorer's marks are left out of tasks that were written now."""


def folder(name: str) -> str:
    """The scheme's folder in the exchange."""
    return f"label-studio/{name}"


def tasks_path(name: str, draw: Draw) -> str:
    """Where a draw's tasks lie in the exchange; versions after the first say which they are."""
    suffix = "" if draw.scheme_version == 1 else f"-v{draw.scheme_version}"
    return f"{folder(name)}/out/{draw.day.isoformat()}{suffix}.json"


def export_tasks(zones: Zones, name: str, scheme: SchemeSpec, draw: Draw) -> Export:
    """Put a draw's tasks, the labeling page and its instructions into the exchange.

    Tasks are written once: what reviewers were shown does not change under them.
    """
    page = {
        "config.xml": labeling_config(name, scheme),
        "README.txt": _README.format(name=name, version=scheme.version, instructions=scheme.instructions),
    }
    for file, text in page.items():
        _keep_current(zones.exchange, f"{folder(name)}/{file}", text.encode())
    path = tasks_path(name, draw)
    if zones.exchange.head(path):
        return Export(path, len(draw.items) + len(draw.known), written=False)
    texts = read_texts(zones.lake, draw)
    answers = {inference_id: text.answer for inference_id, text in texts.items()}
    predictions, problems = read_predictions(zones.lake, draw.day, scheme, answers)
    # In order of their ids, which say nothing: nobody can tell those whose answer is known.
    tasks = [*make_tasks(draw, texts, predictions), *known_tasks(zones, draw, scheme)]
    tasks.sort(key=lambda task: task["data"]["item_id"])
    written = zones.exchange.put_if_absent(path, json.dumps(tasks, indent=1, ensure_ascii=False).encode() + b"\n")
    return Export(path, len(tasks), written, tuple(problems))


def make_tasks(
    draw: Draw, texts: Mapping[str, Texts], predictions: Mapping[str, dict[str, Any]] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """Label Studio tasks for a draw, but for items whose text is no longer kept, or that share another's label.

    `texts` and `predictions` are by inference_id.
    """
    return [
        _task(
            draw,
            item.item_id,
            item.fields["product"],
            texts[item.inference_id],
            predictions.get(item.inference_id),
        )
        for item in draw.items
        if item.inference_id in texts and item.same_as is None
    ]


def known_tasks(zones: Zones, draw: Draw, scheme: SchemeSpec) -> list[dict[str, Any]]:
    """Tasks like all others, of the draw's items whose answer is known; where their text is no longer kept, none."""
    tasks = []
    for day in sorted({item.day for item in draw.known if item.day}):
        known = [item for item in draw.known if item.day == day]
        texts = texts_of(zones.lake, day, {item.inference_id for item in known})
        answers = {inference_id: text.answer for inference_id, text in texts.items()}
        predictions, _ = read_predictions(zones.lake, day, scheme, answers)
        tasks += [
            _task(draw, item.item_id, item.product, texts[item.inference_id], predictions.get(item.inference_id))
            for item in known
            if item.inference_id in texts
        ]
    of_file = {item.gold_item_id: item for item in draw.known if item.day is None}
    rule = scheme.known_answers
    if of_file and rule is not None and rule.file is not None:
        version, rows = read_file(zones.exchange, rule.file)
        for row in rows:
            item = of_file.get(row["id"])
            if item is not None and item.release == version:
                shown = Texts(row["question"], tuple(row["passages"]), row["answer"])
                tasks.append(_task(draw, item.item_id, item.product, shown, None))
    return tasks


def _task(
    draw: Draw, item_id: str, product: str | None, texts: Texts, prediction: dict[str, Any] | None
) -> dict[str, Any]:
    data = {
        "item_id": item_id,
        "draw_id": draw.draw_id,
        "batch_id": draw.draw_id,
        "scheme": draw.scheme,
        "scheme_version": draw.scheme_version,
        "product": product or "",
        "question": texts.question,
        "passages": [{"chunk_id": each["chunk_id"], "text": each["text"]} for each in texts.passages],
        "answer": texts.answer,
    }
    return {"data": data, **({"predictions": [prediction]} if prediction else {})}


def read_texts(lake_zone: Storage, draw: Draw) -> dict[str, Texts]:
    """What was asked, retrieved and answered, by inference_id of a draw's items."""
    return texts_of(lake_zone, draw.day, {item.inference_id for item in draw.items})


def texts_of(lake_zone: Storage, day: dt.date, wanted: set[str]) -> dict[str, Texts]:
    """The same of these calls of a day, as far as their texts are kept.

    A call that does not say itself what was retrieved for it has what the steps of its trace say.
    """
    contents = lake.read(lake_zone, "contents", [day])
    places = [
        place for place, inference_id in enumerate(contents["inference_id"].to_pylist()) if inference_id in wanted
    ]
    rows = contents.take(pa.array(places, pa.int64())).to_pylist()
    unsaid = [row["inference_id"] for row in rows if not row["retrieved"]]
    of_traces = retrieved_in_traces(lake_zone, day, unsaid) if unsaid else {}
    return {
        row["inference_id"]: Texts(
            question=question_text(row["input_messages"]),
            passages=tuple(
                {"chunk_id": passage["chunk_id"] or "", "text": passage["text"] or ""}
                for passage in row["retrieved"] or of_traces.get(row["inference_id"], ())
            ),
            answer=answer_text(row["output_messages"]),
        )
        for row in rows
    }


def _keep_current(exchange: Storage, path: str, data: bytes) -> None:
    if not exchange.head(path) or exchange.read(path) != data:
        exchange.put(path, data)

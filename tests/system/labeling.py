"""A scheme's drawn and exported day, to be labeled on a real server."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from label_studio_sdk import LabelStudio
from playwright.sync_api import Page

from canonry import lake
from canonry.catalog import SchemeSpec
from canonry.demo.label_studio_server import Server
from canonry.label.draws import draw_day
from canonry.label.partition import write_labels
from canonry.label.project import find_project
from canonry.label.pull import Pulled, pull_annotations
from canonry.label.register import Project
from canonry.label.send import Sent, send_tasks
from canonry.label.studio import list_tasks
from canonry.label.tasks import Texts, export_tasks
from canonry.labels import Draw
from canonry.storage import Zones

DAY = dt.date(2026, 11, 9)

SCHEME = SchemeSpec.model_validate(
    {
        "description": "Does the answer say only what the passages support?",
        "owner": "ai-quality",
        "version": 1,
        "instructions": "Read all of it, then decide.",
        "choices": [{"name": "groundedness", "question": "Supported?", "choices": ["grounded", "hallucinated"]}],
        "spans": ["unsupported"],
        "sampling": {"strata": ["product"], "per_stratum": 2_000},
    }
)


@dataclass(frozen=True)
class Labeling:
    """What is labeled, and the client of the server it is labeled on."""

    zones: Zones
    client: LabelStudio
    name: str
    scheme: SchemeSpec
    draw: Draw

    def send(self) -> Sent:
        """Send its tasks."""
        return send_tasks(self.zones, self.client, self.name, self.scheme)

    def pull(self, *, sweep: bool = False, adjudication: bool = False) -> Pulled:
        """Pull its annotations, now."""
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        options = {"sweep": sweep, "adjudication": adjudication}
        return pull_annotations(self.zones, self.client, self.name, self.scheme, now, **options)

    @property
    def project(self) -> Project:
        """Its project on the server."""
        found = find_project(self.client, self.zones.journal, self.name, self.scheme.version)
        assert found is not None
        return found

    @property
    def task_ids(self) -> list[int]:
        """Ids of its tasks on the server."""
        return [task["id"] for task in list_tasks(self.client, self.project.project_id, [])]

    def overlap(self) -> dict[str, int]:
        """How many people the server hands each item to."""
        tasks = list_tasks(self.client, self.project.project_id, [])
        return {task["data"]["item_id"]: task["overlap"] for task in tasks}

    def labels(self) -> list[dict[str, Any]]:
        """Rows of its day's labels, written anew."""
        write_labels(self.zones, DAY)
        return lake.read(self.zones.lake, "labels", [DAY]).to_pylist()


def draw_calls(zones: Zones, name: str, count: int, scheme: SchemeSpec = SCHEME, **attributes: Any) -> Draw:
    """A day of calls, all of them drawn and exported."""
    texts = [
        Texts(
            question=f"How do I open a file, {number}?",
            passages=({"chunk_id": "io.open", "text": "Open a file and return a stream."},),
            answer="Call open(path) and read it.",
        )
        for number in range(count)
    ]
    return draw_texts(zones, name, texts, scheme, **attributes)


def draw_texts(zones: Zones, name: str, texts: Sequence[Texts], scheme: SchemeSpec = SCHEME, **attributes: Any) -> Draw:
    """A day of calls with these texts, all of them drawn and exported."""
    inferences, contents = [], []
    for number, text in enumerate(texts):
        row = dict.fromkeys(lake.SCHEMAS["inferences"].names)
        row |= {"inference_id": f"c{number}", "started_at": dt.datetime.combine(DAY, dt.time(9))}
        row |= {"team": "docs", "product": "site", "attributes": json.dumps(attributes)}
        inferences.append(row)
        contents.append(
            {
                "inference_id": f"c{number}",
                "input_messages": json.dumps([{"role": "user", "content": text.question}]),
                "output_messages": json.dumps([{"role": "assistant", "content": text.answer}]),
                "retrieved": [{**passage, "score": 0.5} for passage in text.passages],
            }
        )
    for kind, rows in (("inferences", inferences), ("contents", contents)):
        lake.write(zones.lake, kind, DAY, pa.Table.from_pylist(rows, lake.SCHEMAS[kind]), {})
    draw = draw_day(zones, name, scheme, DAY, dt.datetime(2026, 11, 10))
    assert draw is not None
    export_tasks(zones, name, scheme, draw)
    return draw


def region(choice: str) -> dict[str, Any]:
    """An answer as Label Studio writes it."""
    value = {"choices": [choice]}
    return {"id": "r1", "from_name": "groundedness", "to_name": "answer", "type": "choices", "value": value}


def log_in(page: Page, server: Server) -> None:
    """Log the server's owner in, in a browser."""
    page.goto(f"{server.url}/user/login")
    page.fill("input[name=email]", server.username)
    page.fill("input[name=password]", server.password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)

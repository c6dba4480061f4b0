"""A simulated month of labeling on a real server: real answers with known truth, and five simulated annotators."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from canonry import lake
from canonry.demo.label_studio_server import Server
from canonry.label.draws import draw_day
from canonry.label.tasks import export_tasks
from canonry.storage import Zones
from tests.system.labeling import SCHEME, region

FIRST = dt.date(2026, 11, 2)
DAYS = [FIRST + dt.timedelta(days=number) for number in range(int(os.environ.get("CANONRY_MONTH_DAYS", "7")))]

ANNOTATORS = ((0.95, 0.95), (0.90, 0.85), (0.85, 0.90), (0.60, 0.60), (0.00, 1.00))
"""Sensitivity to hallucinated answers, and specificity, of each simulated annotator."""

LATEST = 30
"""Annotations that somebody may think of again."""

ANSWERS = ("grounded", "hallucinated")


def real_answers(data: Path) -> Iterator[dict[str, Any]]:
    """RAGTruth's answers, the same order every time."""
    with gzip.open(data / "ragtruth" / "sources.jsonl.gz", "rt") as lines:
        sources = {row["source_id"]: row for row in map(json.loads, lines)}
    with gzip.open(data / "ragtruth" / "responses.jsonl.gz", "rt") as lines:
        for row in map(json.loads, lines):
            yield {**row, "passage": json.dumps(sources[row["source_id"]]["source_info"])[:2_000]}


def draw(zones: Zones, name: str, day: dt.date, answers: list[dict[str, Any]]) -> dict[str, bool]:
    """Let a day's calls be drawn, all of them, and exported; returns by item whether it is hallucinated."""
    inferences, contents = [], []
    for number, answer in enumerate(answers):
        row = dict.fromkeys(lake.SCHEMAS["inferences"].names)
        row |= {"inference_id": f"{day}-{number}", "started_at": dt.datetime.combine(day, dt.time(9))}
        inferences.append(row | {"team": "docs", "product": "site"})
        said = [{"role": "assistant", "content": answer["response"]}]
        asked = [{"role": "user", "content": "What does the source say?"}]
        texts = {"input_messages": json.dumps(asked), "output_messages": json.dumps(said)}
        passages = [{"chunk_id": answer["source_id"], "score": 1.0, "text": answer["passage"]}]
        contents.append({"inference_id": f"{day}-{number}", **texts, "retrieved": passages})
    for kind, rows in (("inferences", inferences), ("contents", contents)):
        lake.write(zones.lake, kind, day, pa.Table.from_pylist(rows, lake.SCHEMAS[kind]), {})
    made = draw_day(zones, name, SCHEME, day, dt.datetime.combine(day + dt.timedelta(days=1), dt.time(1)))
    assert made is not None
    export_tasks(zones, name, SCHEME, made)
    number_of = {item.item_id: int(item.inference_id.rpartition("-")[2]) for item in made.items}
    return {item_id: bool(answers[number]["labels"]) for item_id, number in number_of.items()}


@dataclass
class Annotators:
    """Five accounts of a server, which work on it directly; and what they did."""

    server: Server
    chance: random.Random
    tokens: list[str]
    standing: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Task and annotator of each annotation that is there, by its number."""
    deleted: set[int] = field(default_factory=set)

    @staticmethod
    def signed_up(server: Server, chance: random.Random) -> Annotators:
        """Accounts made as people make them: by the link that an owner hands out."""
        owner = {"Authorization": f"Token {server.api_key}"}
        link = httpx.get(f"{server.url}/api/invite", headers=owner).raise_for_status().json()["invite_url"]
        tokens = []
        for number in range(len(ANNOTATORS)):
            with httpx.Client(base_url=server.url, follow_redirects=True, timeout=60) as browser:
                browser.get(link).raise_for_status()
                account = {"email": f"simulated-{number}@canonry.invalid", "password": f"simulated-{number}-{number}"}
                account["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
                browser.post(link, data=account, headers={"Referer": server.url}).raise_for_status()
                tokens.append(browser.get("/api/current-user/token").raise_for_status().json()["token"])
        return Annotators(server, chance, tokens)

    def answer(self, task_id: int, hallucinated: bool) -> None:
        """Two or three of them answer a task, and now and then one of them twice; some skip it."""
        who = self.chance.sample(range(len(ANNOTATORS)), self.chance.choice((2, 2, 3)))
        for each in who + (who[:1] if self.chance.random() < 0.05 else []):
            sensitivity, specificity = ANNOTATORS[each]
            right = self.chance.random() < (sensitivity if hallucinated else specificity)
            said = {"result": [_said(hallucinated if right else not hallucinated)], "lead_time": 5.0}
            skipped = self.chance.random() < 0.05
            body = {**said, "was_cancelled": skipped}
            made = self._ask("POST", f"/api/tasks/{task_id}/annotations/", each, body).json()
            self.standing[made["id"]] = (task_id, each)

    def think_again(self) -> None:
        """Of the latest, they change an answer in ten, delete one in twenty, and remove the task of one in fifty."""
        for number, (task_id, each) in list(self.standing.items())[-LATEST:]:
            what = self.chance.random()
            if number not in self.standing or what >= 0.17:
                continue
            if what < 0.10:
                body = {"result": [_said(self.chance.random() < 0.5)]}
                self._ask("PATCH", f"/api/annotations/{number}/", each, body)
            elif what < 0.15:
                self._ask("DELETE", f"/api/annotations/{number}/", each)
                self._forget(number)
            else:
                self._ask("DELETE", f"/api/tasks/{task_id}/", each)
                for other in [other for other, (task, _) in self.standing.items() if task == task_id]:
                    self._forget(other)

    def _forget(self, number: int) -> None:
        del self.standing[number]
        self.deleted.add(number)

    def _ask(self, method: str, path: str, each: int, body: dict[str, Any] | None = None) -> httpx.Response:
        headers = {"Authorization": f"Token {self.tokens[each]}"}
        return httpx.request(method, self.server.url + path, headers=headers, json=body, timeout=60).raise_for_status()


def number_of(annotation_id: str) -> int:
    """The server's number of an annotation."""
    return int(re.split("[.-]", annotation_id)[1])


def _said(hallucinated: bool) -> dict[str, Any]:
    return {**region(ANSWERS[hallucinated]), "meta": {"simulated": True}}

"""The labeling page in a browser, with real answers: read, marked with the mouse, decided and sent by keyboard."""

from __future__ import annotations

import gzip
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from label_studio_sdk import LabelStudio
from playwright.sync_api import Page, expect

from canonry import catalog
from canonry.demo.label_studio_server import Server
from canonry.label.studio import list_tasks
from canonry.label.tasks import Texts
from canonry.storage import Zones
from dagster_project.resources import ASSETS
from tests.system.labeling import Labeling, draw_texts, log_in

HALLUCINATED, MARK = "2", "a"
"""Keys of an answer of the governed scheme, and of its one kind of mark."""


@dataclass(frozen=True)
class Marked:
    """An answer, and what people marked in it."""

    texts: Texts
    span: str


def ragtruth(data: Path) -> Iterator[Marked]:
    """Answers of RAGTruth to questions with passages, in which people marked one passage of whole words on one line."""

    def rows(name: str) -> Iterator[dict[str, Any]]:
        with gzip.open(data / "ragtruth" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            yield from map(json.loads, file)

    sources = {row["source_id"]: row["source_info"] for row in rows("sources") if row["task_type"] == "QA"}
    for row in rows("responses"):
        if row["source_id"] not in sources or len(row["labels"]) != 1:
            continue
        answer, span = row["response"], row["labels"][0]
        source = sources[row["source_id"]]
        marked = answer[span["start"] : span["end"]]
        words = re.fullmatch(r"\w.*\w", marked) and re.search(rf"(?<!\S){re.escape(marked)}(?!\w)", answer)
        if words and answer.count(marked) == 1 and len(marked) > 20:
            texts = [text.strip() for text in re.split(r"passage \d+:", source["passages"]) if text.strip()]
            passages = [{"chunk_id": f"{row['source_id']}-{n}", "text": text} for n, text in enumerate(texts, 1)]
            yield Marked(Texts(source["question"], tuple(passages), answer), marked)


def select(page: Page, text: str) -> None:
    """Drag the mouse over a text of the answer."""
    ends = page.locator(".canonry-answer > .lsf-richtext").evaluate(
        """(answer, text) => {
            const nodes = document.createTreeWalker(answer, NodeFilter.SHOW_TEXT);
            while (nodes.nextNode()) {
                const start = nodes.currentNode.data.indexOf(text);
                if (start < 0) continue;
                const range = document.createRange();
                range.setStart(nodes.currentNode, start);
                range.setEnd(nodes.currentNode, start + text.length);
                range.startContainer.parentElement.scrollIntoView({block: 'center'});
                const rects = [...range.getClientRects()];
                const [first, last] = [rects[0], rects.at(-1)];
                return [[first.left + 2, first.top + first.height / 2], [last.right - 2, last.top + last.height / 2]];
            }
        }""",
        text,
    )
    page.mouse.move(*ends[0])
    page.mouse.down()
    page.mouse.move(*ends[1], steps=10)
    page.mouse.up()


def test_a_reviewer_reads_marks_with_the_mouse_and_decides_and_sends_by_keyboard(
    zones: Zones, client: LabelStudio, server: Server, page: Page, shared_data: Path
) -> None:
    name = f"groundedness-{uuid.uuid4().hex[:8]}"
    marked = next(ragtruth(shared_data))
    # One character here, two in a browser: what is marked behind it must lie where it lies here.
    texts = replace(marked.texts, answer=f"🎈 {marked.texts.answer}")
    scheme = catalog.load(ASSETS).schemes["groundedness"]
    it = Labeling(zones, client, name, scheme, draw_texts(zones, name, [texts], scheme))
    it.send()
    log_in(page, server)
    page.goto(f"{server.url}/projects/{it.project.project_id}/data?labeling=1")
    expect(page.get_by_text("Labeling Instructions")).to_be_visible()
    expect(page.get_by_text(" ".join(scheme.instructions.split()))).to_be_visible()
    page.get_by_role("button", name="Close modal").click()

    choice = scheme.choices[0]
    for text in (texts.question, texts.passages[0]["text"], choice.question):
        expect(page.get_by_text(text, exact=True)).to_be_in_viewport()
    for answer in choice.choices:
        expect(page.get_by_role("radio", name=answer)).to_be_in_viewport()
    for passage in texts.passages:
        expect(page.get_by_text(passage["text"], exact=True)).to_be_visible()
    expect(page.get_by_text("00:00:00").first).not_to_be_visible()

    page.keyboard.press(MARK)
    expect(page.locator(".lsf-label", has_text="unsupported")).to_have_class(re.compile("lsf-label_selected"))
    select(page, marked.span)
    expect(page.get_by_text("Labeled regions will appear here")).not_to_be_visible()
    page.keyboard.press(HALLUCINATED)
    expect(page.get_by_role("radio", name="hallucinated")).to_be_checked()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("No more")).to_be_visible()

    (task,) = list_tasks(client, it.project.project_id, [], whole=True)
    (annotation,) = task["annotations"]
    found = {region["from_name"]: region["value"] for region in annotation["result"]}
    assert found["spans"]["text"] == marked.span
    assert found["spans"]["labels"] == ["unsupported"]
    assert found["groundedness"] == {"choices": ["hallucinated"]}
    assert annotation["lead_time"] > 0

    assert it.pull().new == 1
    (row,) = it.labels()
    result = json.loads(row["result"])
    assert result["groundedness"] == "hallucinated"
    assert [texts.answer[each["start"] : each["end"]] for each in result["spans"]] == [marked.span]
    assert row["simulated"] is False

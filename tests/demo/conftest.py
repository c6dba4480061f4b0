"""A small knowledge base of real documents, indexed and published with the real encoder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pytest

from canonry import catalog, lake
from canonry.client import Hit, Prompt
from canonry.demo.answerer import answer
from canonry.demo.assistant import Reply
from canonry.demo.knowledge import INDEX, Document, knowledge_base
from canonry.demo.packages import PACKAGES
from canonry.demo.questions import Question, traffic_questions
from canonry.encode import files_of, load_encoder
from canonry.index import candidate
from canonry.index import vectors as engine
from canonry.index.chunks import cut
from canonry.index.tables import DOCUMENTS
from canonry.publish import publish_prompts, release_and_promote
from canonry.storage import Zones, open_zones

ASSETS = Path(__file__).parent.parent.parent / "assets"
NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
PROMPT = Prompt("docs-answer", "1", "{passages}\n\n{question}", ("question", "passages"), NOW.date(), "first")


@pytest.fixture(scope="session")
def documents() -> list[Document]:
    """The whole knowledge base."""
    return knowledge_base()


@pytest.fixture(scope="session")
def some_documents() -> list[Document]:
    """Real documents of a few packages, about a hundred."""
    return knowledge_base(each for each in PACKAGES if each.name in ("requests", "packaging", "click"))


@pytest.fixture(scope="session")
def product_home(some_documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Zones:
    """Zones where the index of `some_documents` and the prompts are published."""
    zones = open_zones(tmp_path_factory.mktemp("product"))
    found = catalog.load(ASSETS)
    encoder = load_encoder(files_of("all-MiniLM-L6-v2", found.models["all-MiniLM-L6-v2"]))
    rows = [{"document_id": each.id, "title": each.title, "text": each.text} for each in some_documents]
    chunks = cut(pa.Table.from_pylist(rows, DOCUMENTS), encoder.tokenizer_file, 200)
    files = candidate.payload(chunks, engine.build(encoder.encode(chunks["text"].to_pylist()), "Flat"))
    metadata = {"encoder": asdict(encoder.files), "vectors": chunks.num_rows}
    release_and_promote(zones, "indexes", INDEX, files, metadata=metadata, lineage={}, reason="test", now=NOW)
    publish_prompts(zones, found, day=NOW.date(), now=NOW)
    lake.ensure_anchors(zones.lake)
    return zones


class StandInAssistant:
    """Stands in for the assistant where a test is about its users: quotes the right document or, as 1.1, another."""

    class _Released:
        version = "0123456789abcdef"

    index = prompt = _Released()

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = {each.id: each for each in documents}
        self._about = {each.text: each.document_id for each in traffic_questions(documents)}

    def ask(
        self,
        question: str,
        version: str,
        *,
        cached: bool = False,
        instruction: str | None = None,
        updated: bool = False,
    ) -> Reply:
        """Answer at once."""
        right = self._about.get(question)
        if right is None:
            return Reply(f"docs-extractive-{version}", None, (), 9.0, 9.5, error_type="question_too_long")
        quoted = self._documents[right if version == "1.0" or len(question) % 2 else next(iter(self._documents))]
        hit = Hit(f"{quoted.id}#0", quoted.id, quoted.title, quoted.text, 0.8)
        said = answer(version, question, [hit], PROMPT, updated=updated)
        tokens = len(said.text) // 4
        return Reply(f"docs-extractive-{version}", said, (hit,), 9.0, 11.0, input_tokens=300, output_tokens=tokens)

    def forget(self) -> None:
        """There is no cache."""


@pytest.fixture
def stand_in(some_documents: list[Document]) -> StandInAssistant:
    return StandInAssistant(some_documents)


@pytest.fixture
def some_questions(some_documents: list[Document]) -> list[Question]:
    return traffic_questions(some_documents)

"""The canonical encoder, loaded once, and small indexes over files of the test's own."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canonry import catalog
from canonry.catalog import IndexSpec
from canonry.encode import EncoderFiles, files_of
from tests.tiny_encoder import write_reference

ASSETS = Path(__file__).parents[2] / "assets"
NAME = "all-MiniLM-L6-v2"
SHORTENED = 300
"""Characters: keeps embedding the real corpus to seconds."""


@pytest.fixture(scope="session")
def encoder_files() -> EncoderFiles:
    return files_of(NAME, catalog.load(ASSETS).models[NAME])


@pytest.fixture(scope="session")
def tiny_encoder(encoder_files: EncoderFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EncoderFiles]:
    """A small encoder with made-up weights, for tests of the steps rather than of what is found."""
    folder = tmp_path_factory.mktemp("encoder")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield write_reference(folder, encoder_files.tokenizer_file)


def write_lines(path: Path, rows: Iterable[Any]) -> Path:
    """JSON Lines of rows; text is written as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("".join(line + "\n" for line in lines))
    return path


@pytest.fixture
def make_spec(tmp_path: Path) -> Callable[..., IndexSpec]:
    """A spec whose documents are the rows given, in `docs.jsonl` of the test's folder."""

    def make(rows: Iterable[Any] | None = None, **fields: Any) -> IndexSpec:
        location = tmp_path / "docs.jsonl"
        if rows is not None:
            write_lines(location, rows)
        documents = fields.pop("documents", {})
        if isinstance(documents, dict) and "kind" not in documents:
            documents = {"location": str(location), **documents}
        return IndexSpec.model_validate(
            {"description": "an index of a test", "owner": "tests", "documents": documents, "encoder": NAME, **fields}
        )

    return make


@pytest.fixture(scope="session")
def cookbook(shared_data: Path) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """Documents (real, each shortened) and golden queries (real) of a product's documentation."""
    folder = shared_data / "cookbook_docs_retrieval"
    with gzip.open(folder / "corpus.jsonl.gz", "rt") as lines:
        corpus = [json.loads(line) for line in lines]
    with gzip.open(folder / "queries.jsonl.gz", "rt") as lines:
        queries = [json.loads(line) for line in lines]
    documents = [
        {"id": row["chunk_link"], "title": row["chunk_heading"], "text": row["text"][:SHORTENED]} for row in corpus
    ]
    return documents, [{"query": row["question"], "documents": row["correct_chunks"]} for row in queries]

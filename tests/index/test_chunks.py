"""Cutting: every chunk fits the encoder, nothing is lost, and the tokenizer's own truncation does not blind it."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pytest
from tokenizers import Tokenizer

from canonry.encode import EncoderFiles
from canonry.index.chunks import cut
from canonry.index.tables import CHUNKS, DOCUMENTS


def documents(*rows: tuple[str, str | None, str]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(DOCUMENTS.names, row, strict=True)) for row in rows], schema=DOCUMENTS)


def token_counts(encoder_files: EncoderFiles, texts: list[str]) -> list[int]:
    tokenizer = Tokenizer.from_file(str(encoder_files.tokenizer_file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]


def test_real_documents_keep_to_the_token_budget(encoder_files: EncoderFiles, shared_data: Path) -> None:
    with gzip.open(shared_data / "docs_kb" / "docs.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines][:30]
    table = cut(documents(*((row["path"], None, row["text"]) for row in rows)), encoder_files.tokenizer_file, 200)
    counts = token_counts(encoder_files, table["text"].to_pylist())
    assert max(counts) <= 200
    assert sum(counts) / len(counts) > 100
    words = {row["path"]: "".join(row["text"].split()) for row in rows}
    kept = dict.fromkeys(words, "")
    for chunk in sorted(table.to_pylist(), key=lambda chunk: (chunk["document_id"], chunk["ordinal"])):
        kept[chunk["document_id"]] += "".join(chunk["text"].split())
    assert kept == words


def test_chunks_are_named_by_document_and_ordinal(encoder_files: EncoderFiles) -> None:
    text = "\n\n".join(f"Paragraph {number} has a few words of its own." for number in range(4))
    table = cut(documents(("b#x", "Title", text), ("a", None, "short")), encoder_files.tokenizer_file, 16)
    assert table.schema == CHUNKS
    assert table["chunk_id"].to_pylist() == ["a#0", "b#x#0", "b#x#1", "b#x#2", "b#x#3"]
    assert table["title"].to_pylist() == [None] + ["Title"] * 4
    assert table["ordinal"].to_pylist() == [0, 0, 1, 2, 3]
    for row in table.to_pylist():
        assert row["text_digest"] == hashlib.sha256(row["text"].encode()).hexdigest()


@pytest.mark.parametrize("text", ["x" * 5_000, "漢字" * 900, "🎉" * 700, "a\u0000b " * 300])
def test_text_without_boundaries_is_cut_all_the_same(encoder_files: EncoderFiles, text: str) -> None:
    table = cut(documents(("a", None, text)), encoder_files.tokenizer_file, 50)
    assert max(token_counts(encoder_files, table["text"].to_pylist())) <= 50


def test_overlap_repeats_the_end_of_the_chunk_before(encoder_files: EncoderFiles) -> None:
    text = " ".join(f"word{number}" for number in range(200))
    plain = cut(documents(("a", None, text)), encoder_files.tokenizer_file, 60)
    overlapping = cut(documents(("a", None, text)), encoder_files.tokenizer_file, 60, 20)
    assert overlapping.num_rows > plain.num_rows
    first, second = (
        overlapping.filter(pa.compute.equal(overlapping["ordinal"], ordinal))["text"][0].as_py() for ordinal in (0, 1)
    )
    assert second.split()[0] in first.split()


def test_documents_without_words_have_no_chunk(encoder_files: EncoderFiles) -> None:
    assert cut(documents(("a", None, " \n "), ("b", None, "")), encoder_files.tokenizer_file, 50).num_rows == 0

"""The lexical side of an index: BM25 as it is defined, words as people write them, the same bytes each time."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from canonry.index import lexical
from canonry.index.lexical import K1, B, lexical_bytes
from canonry.search import LEXICAL, LexicalIndex, SearchError, Words

TEXTS = [
    "The cache is emptied every night by the cleaner.",
    "Caches and caching: set max_tokens before you open the cache.",
    "Réglez openIndex() after the audit.",
    "The of and to.",
    "Nothing here about it, only a cleaner index.",
]


def table(texts: list[str], titles: list[str | None] | None = None, ids: list[str] | None = None) -> pa.Table:
    columns = {"document_id": ids or ["d"] * len(texts), "title": titles or [None] * len(texts), "text": texts}
    return pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns]))


def opened(folder: Path, chunks: pa.Table, language: str = "english") -> LexicalIndex:
    data = lexical_bytes(chunks, language)
    assert data is not None
    (folder / LEXICAL).write_bytes(data)
    return LexicalIndex(folder / LEXICAL, chunks.num_rows)


def test_words_of_many_texts_are_those_of_each() -> None:
    texts = [*TEXTS, "", "openIndex and max_tokens, MAX_TOKENS", "ＦＵＬＬ width"]
    assert Words("english").of_each(texts) == [Words("english").of(text) for text in texts]


def test_scores_are_those_of_the_formula(tmp_path: Path) -> None:
    index = opened(tmp_path, table(TEXTS))
    average = sum(map(len, KEPT)) / len(KEPT)

    def bm25(query: str, words: list[str]) -> float:
        found = 0.0
        for stem in Words("english").of(query):
            having = sum(stem in each for each in KEPT)
            idf = math.log(1 + (len(KEPT) - having + 0.5) / (having + 0.5))
            count = Counter(words)[stem]
            found += idf * count / (count + K1 * (1 - B + B * len(words) / average)) if having else 0
        return found

    for query in ("cache", "the cleaner of caches", "audit index cleaner", "unknown"):
        assert index.scores(query) == pytest.approx([bm25(query, words) for words in KEPT], rel=1e-5)


KEPT = [
    ["cach", "empti", "everi", "night", "cleaner"],
    ["cach", "cach", "set", "max_token", "max", "token", "open", "cach"],
    ["réglez", "openindex", "open", "index", "audit"],
    [],
    ["noth", "cleaner", "index"],
]
"""Stems of TEXTS without stop words; `d`, the id of each document, is one."""


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("cached", [1, 0]),
        ("max tokens", [1]),
        ("MAX_TOKENS", [1]),
        ("open index", [2, 4, 1]),
        ("re\u0301glez", [2]),
        ("the of and", []),
        ("", []),
    ],
)
def test_words_are_found_however_they_are_written(tmp_path: Path, query: str, rows: list[int]) -> None:
    scores, found = opened(tmp_path, table(TEXTS)).best(query, 10)
    assert found.tolist() == rows
    assert (np.diff(scores) <= 0).all()


def test_a_chunk_is_found_by_its_documents_title_and_path(tmp_path: Path) -> None:
    chunks = table(["set it", "set it"], ["Timeouts", None], ["docs/http.md", "docs/storage.md"])
    index = opened(tmp_path, chunks)
    assert index.best("timeout", 5)[1].tolist() == [0]
    assert index.best("storage", 5)[1].tolist() == [1]


def test_the_best_few_are_the_first_of_all(tmp_path: Path) -> None:
    texts = [" ".join(["word"] * (1 + row % 5) + ["other"] * (row % 3)) for row in range(200)]
    index = opened(tmp_path, table(texts))
    all_scores, all_rows = index.best("word other", 200)
    order = np.lexsort((np.arange(200), -index.scores("word other")))
    assert all_rows.tolist() == order.tolist()
    for k in (1, 7, 50):
        scores, rows = index.best("word other", k)
        assert rows.tolist() == all_rows[:k].tolist()
        assert scores.tolist() == all_scores[:k].tolist()


def test_the_same_chunks_give_the_same_bytes() -> None:
    assert lexical_bytes(table(TEXTS), "english") == lexical_bytes(table(TEXTS), "english")
    assert lexical_bytes(table(TEXTS[::-1]), "english") != lexical_bytes(table(TEXTS), "english")
    assert lexical_bytes(table(["the of", "and"], ids=["to", "it"]), "english") is None


def test_another_language_has_its_own_stems(tmp_path: Path) -> None:
    index = opened(tmp_path, table(["Die Häuser der Stadt", "Ein Haus am See"]), "german")
    assert sorted(index.best("Hauses", 5)[1].tolist()) == [0, 1]
    assert index.best("der", 5)[1].tolist() == []


def test_a_stemmer_that_cuts_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "_some_stems", lambda words, texts: {"caching": "cachi"})
    with pytest.raises(SearchError, match=r"'caching' is 'cachi'; PyStemmer .* says \['cach'\]"):
        opened(tmp_path, table(TEXTS))


def test_a_file_that_is_not_of_these_chunks_is_refused(tmp_path: Path) -> None:
    opened(tmp_path, table(TEXTS))
    with pytest.raises(SearchError, match="is of 5 chunks, the index has 6"):
        LexicalIndex(tmp_path / LEXICAL, 6)
    with pa.OSFile(str(tmp_path / "other.arrow"), "wb") as sink, pa.ipc.new_file(sink, table(TEXTS).schema) as writer:
        writer.write_table(table(TEXTS))
    with pytest.raises(SearchError, match="is no lexical index"):
        LexicalIndex(tmp_path / "other.arrow", 5)

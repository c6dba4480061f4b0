"""Columns that a spec names: kept with every chunk, one kind of value each, and nobody shown what they may not see."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from canonry import client, release
from canonry.encode import EncoderFiles
from canonry.index.build import build_index, release_candidate
from canonry.index.documents import documents_of
from canonry.index.errors import IndexBuildError
from canonry.search import SearchError
from canonry.storage import Zones

HOME = "/nowhere"


def test_values_keep_their_kind(make_spec: Any) -> None:
    rows = [
        {
            "id": "a",
            "text": "1",
            "team": "x",
            "year": 2024,
            "score": 1,
            "open": True,
            "topics": ["p", "q"],
            "tags": "s",
        },
        {"id": "b", "text": "2", "year": None, "score": 0.5, "topics": [], "tags": ["t", "s", "t"], "other": {}},
        {"id": "c", "text": "3", "tags": None},
    ]
    names = ["team", "year", "score", "open", "topics"]
    table = documents_of("x", make_spec(rows, documents={"metadata": names, "access": "tags"}), HOME)
    assert {field.name: str(field.type) for field in table.schema} == {
        **dict.fromkeys(("document_id", "title", "text", "team"), "string"),
        "year": "int64",
        "score": "double",
        "open": "bool",
        **dict.fromkeys(("topics", "access"), str(pa.list_(pa.string()))),
    }
    assert table.select([*names, "access"]).to_pylist() == [
        {"team": "x", "year": 2024, "score": 1.0, "open": True, "topics": ["p", "q"], "access": ["s"]},
        {"team": None, "year": None, "score": 0.5, "open": None, "topics": [], "access": ["s", "t"]},
        {"team": None, "year": None, "score": None, "open": None, "topics": None, "access": []},
    ]


def test_values_that_do_not_fit_are_named_by_line(make_spec: Any) -> None:
    rows = [
        {"id": "a", "text": "1", "team": "x", "tags": []},
        {"id": "b", "text": "2", "team": 5, "tags": "s"},
        {"id": "c", "text": "3", "team": {"a": 1}, "tags": [1]},
        {"id": "d", "text": "4", "team": 2**70},
        {"id": "e", "text": "5", "team": ["x", 1], "tags": [" "]},
        '{"id": "f", "text": "6", "team": "\\ud800", "tags": ["\\ud800"]}',
    ]
    with pytest.raises(IndexBuildError) as caught:
        documents_of("x", make_spec(rows, documents={"metadata": ["team", "colour"], "access": "tags"}), HOME)
    problems = [line.partition("docs.jsonl: ")[2] or line for line in str(caught.value).splitlines()]
    expected = [
        r"line 2: team: found a whole number, but .*line 1 has text",
        r"line 3: team: expected text, a whole number, .*, found dict",
        r"line 3: tags: expected tags, null or \[\] where everybody may read it, found \[1\]",
        r"line 4: team: expected text.*, found int",
        r"line 4: tags: expected tags.*, found nothing",
        r"line 5: team: expected text.*, found list",
        r"line 5: tags: expected tags",
        r"line 6: team: expected text",
        r"line 6: tags: expected tags",
        r"colour: no document has it; correct documents.metadata",
    ]
    assert len(problems) == len(expected)
    for problem, pattern in zip(problems, expected, strict=True):
        assert re.search(pattern, problem), problem


@pytest.mark.parametrize("metadata", [["text"], ["access"], ["team", "team"], ["a b"]])
def test_names_that_are_taken_are_refused(make_spec: Any, metadata: list[str]) -> None:
    with pytest.raises(ValidationError, match="metadata"):
        make_spec(documents={"metadata": metadata})


def test_a_released_index_is_searched_by_them(zones: Zones, tiny_encoder: EncoderFiles, make_spec: Any) -> None:
    rows = [
        {
            "id": f"d{number}",
            "text": f"passage {number}. " * 150,
            "team": "ab"[number % 2],
            "tags": ["staff"][number % 3 :],
        }
        for number in range(6)
    ]
    fields = {"metadata": ["team"], "access": "tags"}
    build_index(zones, "help", make_spec(rows, documents=fields), tiny_encoder)
    built = release_candidate(zones, "help")
    said = {name: built.metadata[name] for name in ("columns", "access", "audiences")}
    assert said == {"columns": ["team"], "access": ["staff"], "audiences": 2}
    now = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    found = release.publish(
        zones.published, "indexes", "help", built.files, metadata=built.metadata, lineage={}, now=now
    )
    release.promote(zones.published, "indexes", "help", found.version, reason="test", now=now)
    index = client.open_index("help", home=zones.home)
    assert len(index) > 6
    hits = index.search_text("passage 3", k=100, where={"team": "b"})
    assert {hit.document_id for hit in hits} == {"d1", "d3", "d5"}
    assert {hit.metadata["team"] for hit in hits} == {"b"}
    open_to_all = index.vectors.search(index.opened.text_encoder().encode(["x"])[0], 100, readable=frozenset())
    assert {hit.document_id for hit in open_to_all} == {"d1", "d2", "d4", "d5"}
    with pytest.raises(SearchError, match="no column 'tags'"):
        index.search_text("x", where={"tags": "staff"})

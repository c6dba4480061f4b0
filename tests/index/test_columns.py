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
from canonry.index.build import build_index
from canonry.index.documents import documents_of
from canonry.index.errors import IndexBuildError
from canonry.index.judge import release_candidates
from canonry.search import SearchError
from canonry.storage import Zones


def test_values_keep_their_kind(zones: Zones, make_spec: Any) -> None:
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
    table = documents_of("x", make_spec(rows, documents={"metadata": names, "access": "tags"}), zones).table
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


def test_values_that_do_not_fit_are_named_by_line(zones: Zones, make_spec: Any) -> None:
    rows = [
        {"id": "a", "text": "1", "team": "x", "tags": []},
        {"id": "b", "text": "2", "team": 5, "tags": "s"},
        {"id": "c", "text": "3", "team": {"a": 1}, "tags": [1]},
        {"id": "d", "text": "4", "team": 2**70},
        {"id": "e", "text": "5", "team": ["x", 1], "tags": [" "]},
        '{"id": "f", "text": "6", "team": "\\ud800", "tags": ["\\ud800"]}',
    ]
    with pytest.raises(IndexBuildError) as caught:
        documents_of("x", make_spec(rows, documents={"metadata": ["team", "colour"], "access": "tags"}), zones)
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
    build_index(zones, "help", make_spec(rows, documents=fields, gate={"repeated_chunks": 1}), tiny_encoder)
    candidates = release_candidates(zones, "help")
    said = {
        name: {key: built.metadata[key] for key in ("index", "columns", "access", "audiences")}
        for name, built in candidates.items()
    }
    assert said == {
        "help": {"index": "help", "columns": ["team"], "access": [], "audiences": 1},
        "help.staff": {"index": "help", "columns": ["team"], "access": ["staff"], "audiences": 1},
    }
    now = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    for name, built in candidates.items():
        found = release.publish(
            zones.published, "indexes", name, built.files, metadata=built.metadata, lineage={}, now=now
        )
        release.promote(zones.published, "indexes", name, found.version, reason="test", now=now)
    everybodys = client.open_index("help", home=zones.home)
    assert set(everybodys.vectors.chunks["document_id"].to_pylist()) == {"d1", "d2", "d4", "d5"}
    assert not any(b"passage 0" in data or b"passage 3" in data for data in candidates["help"].files.values())
    hits = everybodys.search_text("passage 3", k=100, where={"team": "b"})
    assert {hit.document_id for hit in hits} == {"d1", "d5"}
    assert {hit.metadata["team"] for hit in hits} == {"b"}
    staff = client.open_index("help.staff", home=zones.home)
    assert set(staff.vectors.chunks["document_id"].to_pylist()) == {"d0", "d3"}
    vector = staff.opened.text_encoder().encode(["x"])[0]
    assert staff.vectors.search(vector, 100, readable=frozenset()) == []
    with pytest.raises(SearchError, match="no column 'tags'"):
        staff.search_text("x", where={"tags": "staff"})

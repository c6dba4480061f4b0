"""Reading documents: every row checked, every problem with its file, line and field."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from canonry.index.documents import documents_of
from canonry.index.errors import IndexBuildError
from canonry.storage import Zones, open_zones


def test_documents_come_out_sorted_by_id(zones: Zones, make_spec) -> None:
    spec = make_spec([{"id": "b", "title": "B", "text": "two"}, "", {"id": "a", "text": "one"}, {"id": 7, "text": "n"}])
    table = documents_of("x", spec, zones).table
    assert table.column_names == ["document_id", "title", "text"]
    assert table.to_pylist() == [
        {"document_id": "7", "title": None, "text": "n"},
        {"document_id": "a", "title": None, "text": "one"},
        {"document_id": "b", "title": "B", "text": "two"},
    ]


def test_columns_have_the_names_that_the_spec_says(zones: Zones, make_spec) -> None:
    spec = make_spec([{"path": "p", "body": "words"}], documents={"id": "path", "title": None, "text": "body"})
    assert documents_of("x", spec, zones).table.to_pylist() == [{"document_id": "p", "title": None, "text": "words"}]


def test_every_bad_row_is_named_by_file_line_and_field(zones: Zones, make_spec, tmp_path: Path) -> None:
    rows = [{"id": "a", "text": "fine"}, '{"id": "b", "text": ', "[1]", {"text": "no id"}, {"id": "c", "text": 5}]
    rows += [{"id": " ", "text": "blank id"}, '{"id": "d", "text": "\\ud800"}', "[" * 100_000]
    with pytest.raises(IndexBuildError) as caught:
        documents_of("x", make_spec(rows), zones)
    lines = str(caught.value).splitlines()
    expected = [
        "line 2: is not JSON",
        "line 3: expected an object, found list",
        "line 4: id: expected text, found nothing",
        "line 5: text: expected text, found int",
        "line 6: id: is empty",
        "line 7: text: half a surrogate pair",
        "line 8: is not JSON",
    ]
    assert len(lines) == len(expected)
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(f"{tmp_path}/docs.jsonl: {start}")


def test_bytes_that_are_no_text_are_a_problem_of_their_line(zones: Zones, make_spec, tmp_path: Path) -> None:
    spec = make_spec([{"id": "a", "text": "fine"}])
    with open(tmp_path / "docs.jsonl", "ab") as file:
        file.write(b'{"id": "b", "text": "\xff\xfe"}\n')
    with pytest.raises(IndexBuildError, match=r"docs.jsonl: line 2: is not JSON"):
        documents_of("x", spec, zones)


def test_an_id_given_twice_names_both_lines(zones: Zones, make_spec, tmp_path: Path) -> None:
    with pytest.raises(IndexBuildError) as caught:
        documents_of(
            "x", make_spec([{"id": "a", "text": "1"}, {"id": "b", "text": "2"}, {"id": "a", "text": "3"}]), zones
        )
    file = f"{tmp_path}/docs.jsonl"
    assert str(caught.value) == f"{file}: line 3: id: 'a' is already the id of {file}: line 1"


def test_many_problems_are_cut_short(zones: Zones, make_spec) -> None:
    with pytest.raises(IndexBuildError, match="and 30 more") as caught:
        documents_of("x", make_spec(["nonsense"] * 50), zones)
    assert len(str(caught.value).splitlines()) == 21


def test_globs_gzip_and_the_home_are_understood(zones: Zones, make_spec, tmp_path: Path) -> None:
    folder = tmp_path / "exchange" / "docs"
    folder.mkdir(parents=True)
    (folder / "1.jsonl").write_text(json.dumps({"id": "a", "text": "plain"}))
    with gzip.open(folder / "2.jsonl.gz", "wt") as file:
        file.write(json.dumps({"id": "b", "text": "packed"}) + "\n")
    (folder / "notes.txt").write_text("not a document")
    spec = make_spec(documents={"location": "${CANONRY_HOME}/exchange/docs/*.jsonl*"})
    assert documents_of("x", spec, open_zones(tmp_path)).table["document_id"].to_pylist() == ["a", "b"]
    spec = make_spec(documents={"location": f"file://{folder}/*.jsonl"})
    assert documents_of("x", spec, zones).table["document_id"].to_pylist() == ["a"]


def test_a_truncated_gzip_file_is_named(zones: Zones, make_spec, tmp_path: Path) -> None:
    packed = gzip.compress(json.dumps({"id": "a", "text": "x" * 5_000}).encode())
    (tmp_path / "cut.jsonl.gz").write_bytes(packed[:-12])
    with pytest.raises(IndexBuildError, match=r"cut.jsonl.gz: cannot be unpacked"):
        documents_of("x", make_spec(documents={"location": str(tmp_path / "*.gz")}), zones)


def test_no_documents_are_an_error_unless_optional(zones: Zones, make_spec) -> None:
    with pytest.raises(
        IndexBuildError, match=r"assets/indexes/x.yaml: documents.location: no document at .*docs.jsonl"
    ):
        documents_of("x", make_spec(), zones)
    assert documents_of("x", make_spec(optional=True), zones).table.num_rows == 0


def test_an_unset_variable_says_what_to_set(zones: Zones, make_spec) -> None:
    location = {"location": "${CANONRY_TEST_UNSET}/docs.jsonl"}
    with pytest.raises(IndexBuildError, match="the environment has no CANONRY_TEST_UNSET"):
        documents_of("x", make_spec(documents=location), zones)
    assert documents_of("x", make_spec(documents=location, optional=True), zones).table.num_rows == 0

"""Sources: files of every kind, the lake, gold answers, and vectors that there are already."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from canonry import lake, release
from canonry.index.documents import documents_of
from canonry.index.erased import Erased, keep
from canonry.index.errors import IndexBuildError
from canonry.label.gold.build import ITEMS
from canonry.storage import Zones
from tests.index.conftest import write_lines

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


def pdf(words: str) -> bytes:
    """A PDF of one page, written by hand."""
    stream = f"BT /F1 12 Tf 72 720 Td ({words}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Title (A paper) /ModDate (D:20250304050607Z) >>",
    ]
    out, places = io.BytesIO(b"%PDF-1.4\n"), []
    out.seek(0, io.SEEK_END)
    for number, content in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer << /Size %d /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start))
    return out.getvalue()


FILES = {
    "guide/install.md": b"---\ntitle: Installing\nupdated: 2025-06-01\nproduct: site\n---\n"
    b"# Install\n\n## Linux\n\nUse apt.\n",
    "guide/plain.txt": "\ufeffJust wörds.".encode(),
    "api.rst": b"API\n===\n\nCall ``run``.\n\n.. include:: /etc/passwd\n\n.. versionadded:: 2.0\n   Was new.\n\n"
    b"Sub\n---\n\n::\n\n   x = 1\n",
    "page.html": b"<html><head><title>The page</title><meta name='product' content='app'>"
    b"<meta property='article:modified_time' content='2025-01-02T03:04:05+02:00'></head><body><nav>menu</nav>"
    b"<h1>Head</h1><p>max_tokens is <b>10</b>.</p><script>alert(1)</script></body></html>",
    "paper.pdf": pdf("Words on a page"),
}


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_files_of_every_kind_become_documents(zones: Zones, make_spec: Any, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", FILES)
    source = {"kind": "files", "location": str(folder), "metadata": ["product"], "access": ["staff"]}
    rows = {row["document_id"]: row for row in documents_of("x", make_spec(documents=source), zones).table.to_pylist()}
    assert set(rows) == set(FILES)
    assert {name: row["title"] for name, row in rows.items()} == {
        "guide/install.md": "Installing",
        "guide/plain.txt": None,
        "api.rst": "API",
        "page.html": "The page",
        "paper.pdf": "A paper",
    }
    assert {name: row["updated_at"] for name, row in rows.items() if row["updated_at"]} == {
        "guide/install.md": dt.datetime(2025, 6, 1),
        "page.html": dt.datetime(2025, 1, 2, 1, 4, 5),
        "paper.pdf": dt.datetime(2025, 3, 4, 5, 6, 7),
    }
    assert {name: row["product"] for name, row in rows.items() if row["product"]} == {
        "guide/install.md": "site",
        "page.html": "app",
    }
    assert {tuple(row["access"]) for row in rows.values()} == {("staff",)}
    assert rows["guide/plain.txt"]["text"] == "Just wörds."
    assert rows["paper.pdf"]["text"].strip() == "Words on a page"
    assert rows["page.html"]["text"] == "# Head\n\nmax_tokens is **10**.\n"
    assert rows["api.rst"]["text"] == "# API\n\nCall run.\n\n2.0\nWas new.\n\n## Sub\n\n```\nx = 1\n```\n"
    assert {row["format"] for row in rows.values()} == {"plain", "markdown"}


def test_ids_are_paths_under_the_part_of_a_glob_that_is_fixed(zones: Zones, make_spec: Any, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", FILES)

    def ids(location: str) -> list[str]:
        spec = make_spec(documents={"kind": "files", "location": location})
        return documents_of("x", spec, zones).table["document_id"].to_pylist()

    assert ids(f"{folder}/**/*.md") == ["guide/install.md"]
    assert ids(f"{folder}/guide/*.txt") == ["plain.txt"]
    assert ids(f"{folder}/page.html") == ["page.html"]
    assert ids(f"file://{folder}/guide/*") == ["install.md", "plain.txt"]


BAD = {
    "bad.md": (b"---\na: [\n---\ntext", "its front matter is not YAML in line 2"),
    "bytes.txt": (b"ok \xff", "is not UTF-8 at byte 3; save it as UTF-8"),
    "cut.pdf": (FILES["paper.pdf"][:200], "cannot be parsed: "),
    "empty.html": (b"<html></html>", "has no text"),
    "picture.png": (b"\x89PNG", "has an ending that is not known (.md, "),
    "scan.pdf": (pdf(""), "has no text; a scan needs OCR first"),
}


def test_a_file_that_cannot_be_read_is_named_with_its_reason(zones: Zones, make_spec: Any, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", FILES | {name: data for name, (data, _) in BAD.items()})
    source = {"kind": "files", "location": str(folder)}
    with pytest.raises(IndexBuildError) as caught:
        documents_of("x", make_spec(documents=source), zones)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(BAD)
    for line, (name, (_, reason)) in zip(lines, BAD.items(), strict=True):
        assert line.startswith(f"{folder}/{name}: {reason}"), line
        assert line.endswith("or set `unreadable: quarantine` to leave it out")
    kept = documents_of("x", make_spec(documents={**source, "unreadable": "quarantine"}), zones)
    assert set(kept.table["document_id"].to_pylist()) == set(FILES)
    assert {name.rsplit("/", 1)[-1] for name in kept.left_out} == set(BAD)
    for name, (_, reason) in BAD.items():
        assert kept.left_out[f"{folder}/{name}"].startswith(reason)


def test_several_sources_make_one_index(zones: Zones, make_spec: Any, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", {"a.md": b"# A\n\nwords"})
    lines = write_lines(tmp_path / "more.jsonl", [{"id": "b", "text": "two", "team": "x", "tags": ["staff"]}])
    sources = [
        {"kind": "files", "location": str(folder)},
        {"location": str(lines), "metadata": ["team"], "access": "tags"},
    ]
    rows = documents_of("x", make_spec(documents=sources), zones).table.to_pylist()
    assert [(row["document_id"], row["team"], row["access"], row["format"]) for row in rows] == [
        ("a.md", None, [], "markdown"),
        ("b", "x", ["staff"], "plain"),
    ]
    write_lines(lines, [{"id": "a.md", "text": "again", "team": "x", "tags": []}])
    with pytest.raises(IndexBuildError, match=rf"more.jsonl: line 1: id: 'a.md' is already the id of {folder}/a.md"):
        documents_of("x", make_spec(documents=sources), zones)


def test_times_are_read_as_utc_or_named(zones: Zones, make_spec: Any) -> None:
    rows = [{"id": "a", "text": "1", "at": "2026-01-01T02:00:00+02:00"}, {"id": "b", "text": "2", "at": None}]
    spec = make_spec(rows, documents={"updated_at": "at"})
    assert documents_of("x", spec, zones).table["updated_at"].to_pylist() == [dt.datetime(2026, 1, 1), None]
    with pytest.raises(IndexBuildError, match=r"line 1: at: expected a time such as .*, found 'yesterday'"):
        documents_of(
            "x", make_spec([{"id": "a", "text": "1", "at": "yesterday"}], documents={"updated_at": "at"}), zones
        )


def test_a_query_over_the_lake_gives_documents(zones: Zones, make_spec: Any) -> None:
    day = dt.date(2026, 1, 2)
    schema = lake.SCHEMAS["feedback"]
    blank = dict.fromkeys(schema.names)
    given = [blank | {"feedback_id": f"f{n}", "correction": text} for n, text in enumerate(["better", None, "best"])]
    lake.write(zones.lake, "feedback", day, pa.Table.from_pylist(given, schema=schema), {})
    sql = "SELECT feedback_id AS id, correction AS text, day AS at FROM feedback WHERE correction IS NOT NULL"

    def read(text: str) -> list[dict[str, Any]]:
        source = {"kind": "query", "sql": text, "title": None, "updated_at": "at"}
        return documents_of("x", make_spec(documents=source), zones).table.to_pylist()

    assert read(sql) == [
        {"document_id": "f0", "title": None, "text": "better", "updated_at": dt.datetime(2026, 1, 2)},
        {"document_id": "f2", "title": None, "text": "best", "updated_at": dt.datetime(2026, 1, 2)},
    ]
    where = r"assets/indexes/x.yaml: documents.sql: "
    for text, problem in {
        "SELECT * FROM secrets": "the lake has no 'secrets'; it has ",
        "SELECT 1; SELECT 2": "expected one SELECT, found 2",
        "COPY feedback TO 'feedback.csv'": "expected one SELECT",
        "SELECT FROM WHERE": "is not SQL",
        "SELECT nothing FROM feedback": "Binder Error",
        "SELECT id, content AS text FROM feedback, read_text('/etc/passwd')": r"(the lake has no|.*disabled)",
        f"{sql} AND false": "finds no row",
    }.items():
        with pytest.raises(IndexBuildError, match=where + problem):
            read(text)


def test_gold_answers_are_documents_but_for_those_held_out(zones: Zones, make_spec: Any) -> None:
    source = {"kind": "gold", "gold": "groundedness", "field": "grounded", "value": "yes", "access": ["support"]}
    with pytest.raises(IndexBuildError, match="gold: groundedness has no answer with grounded: yes on production"):
        documents_of("x", make_spec(documents=source), zones)
    blank = dict.fromkeys(ITEMS.names) | {"field": "grounded", "value": "yes", "split": "train", "day": NOW.date()}
    items = [
        blank | {"item_id": "i1", "inference_id": "call-1", "question": "How?", "answer": "So."},
        blank | {"item_id": "i2", "question": "Why?", "answer": "Hm.", "value": "no"},
        blank | {"item_id": "i3", "question": "When?", "answer": "Now.", "split": "test"},
    ]
    files = {"items.parquet": lake.parquet_bytes(pa.Table.from_pylist(items, schema=ITEMS))}
    made = release.publish(zones.published, "gold", "groundedness", files, metadata={}, lineage={}, now=NOW)
    release.promote(zones.published, "gold", "groundedness", made.version, reason="test", now=NOW)
    assert documents_of("x", make_spec(documents=source), zones).table.to_pylist() == [
        {
            "document_id": "gold/groundedness/i1",
            "title": "How?",
            "text": "So.",
            "access": ["support"],
            "updated_at": dt.datetime(2026, 1, 5),
        }
    ]
    with pytest.raises(IndexBuildError, match=r"documents\.field: gold set groundedness has no 'helpful'"):
        documents_of("x", make_spec(documents={**source, "field": "helpful"}), zones)
    assert documents_of("x", make_spec(documents=source), zones).made_of == (("gold/groundedness/i1", "call-1"),)
    keep(zones.journal, Erased(frozenset({"call-1"})), "asked to be forgotten", NOW)
    assert documents_of("x", make_spec(documents=source, optional=True), zones).table.num_rows == 0


VECTORS = [[3.0, 4.0], [0.0, 2.0]]


def exports(folder: Path) -> dict[str, Path]:
    """The same two passages as every export has them."""
    hits = [{"_id": f"p{n}", "_source": {"body": {"text": f"t{n}", "vec": VECTORS[n]}, "lang": "en"}} for n in (0, 1)]
    bulk = [each for hit in hits for each in ({"index": {"_id": hit["_id"]}}, hit["_source"])]
    table = pa.table(
        {
            "id": ["p0", "p1"],
            "body.text": ["t0", "t1"],
            "body.vec": pa.array(VECTORS, pa.list_(pa.float32(), 2)),
            "lang": ["en", "en"],
        }
    )
    pq.write_table(table, folder / "passages.parquet")
    packed = folder / "hits.ndjson.gz"
    packed.write_bytes(gzip.compress("\n".join(map(json.dumps, hits)).encode()))
    return {
        "hits": write_lines(folder / "hits.ndjson", hits),
        "bulk": write_lines(folder / "bulk.ndjson", bulk),
        "packed": packed,
        "parquet": folder / "passages.parquet",
    }


PASSAGES = {
    "kind": "vectors",
    "text": "body.text",
    "vector": "body.vec",
    "metadata": ["lang"],
    "encoder": "all-MiniLM-L6-v2",
}


@pytest.mark.parametrize("kind", ["hits", "bulk", "packed", "parquet"])
def test_passages_come_with_their_vectors(zones: Zones, make_spec: Any, tmp_path: Path, kind: str) -> None:
    spec = make_spec(documents={**PASSAGES, "location": str(exports(tmp_path)[kind])})
    found = documents_of("x", spec, zones, dimension=2)
    assert found.table.to_pylist() == [
        {"document_id": f"p{n}", "title": None, "text": f"t{n}", "lang": "en", "format": "passage"} for n in (0, 1)
    ]
    np.testing.assert_allclose(found.vectors["p0"], [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(found.vectors["p1"], [0, 1])


def test_vectors_that_point_nowhere_are_named_by_line(zones: Zones, make_spec: Any, tmp_path: Path) -> None:
    vectors: list[Any] = [[1.0], [0.0, 0.0], "text", None, [float("nan"), 1.0], [[1.0, 2.0]], {"a": 1}]
    rows = [{"id": f"p{n}", "text": "t", "vector": vector} for n, vector in enumerate(vectors)]
    lines = write_lines(tmp_path / "bad.ndjson", rows)
    source = {"kind": "vectors", "location": str(lines), "encoder": "all-MiniLM-L6-v2"}
    with pytest.raises(IndexBuildError) as caught:
        documents_of("x", make_spec(documents=source), zones, dimension=2)
    said = [line.partition("bad.ndjson: ")[2] for line in str(caught.value).splitlines()]
    assert said[0] == "line 1: vector: has 1 values, expected 2, as the encoder gives"
    assert said[1].startswith("line 2: vector: is zero, or not finite")
    assert [line.split(": ")[0] for line in said] == [f"line {n}" for n in range(1, 8)]


def test_vectors_of_another_encoder_are_refused_in_the_spec(make_spec: Any) -> None:
    with pytest.raises(
        ValidationError, match=r"documents\.0: its vectors are of other, but the index's encoder is all-Mini"
    ):
        make_spec(documents={"kind": "vectors", "location": "x", "encoder": "other"})

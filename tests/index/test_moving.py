"""Moving an index here: vectors that a team has are used as they are, duplicates and lost files are told."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from canonry import release
from canonry.encode import EncoderFiles, load_encoder
from canonry.index import tables
from canonry.index.build import build_index, cut_documents, embed_chunks, read_documents
from canonry.index.errors import IndexBuildError
from canonry.index.judge import release_candidates
from canonry.index.store import latest_version
from canonry.storage import Zones
from tests.index.conftest import write_lines

TEXTS = [f"How {verb} works, in a sentence." for verb in ("billing", "login", "export", "search", "backup", "import")]


def passages(folder: Path, vectors: np.ndarray, texts: list[str] = TEXTS) -> dict[str, Any]:
    rows = [{"_id": f"p{n}", "_source": {"text": text, "vector": vectors[n].tolist()}} for n, text in enumerate(texts)]
    lines = write_lines(folder / "export.ndjson", rows)
    return {"kind": "vectors", "location": str(lines), "encoder": "all-MiniLM-L6-v2"}


def test_moving_an_index_embeds_nothing_but_a_sample(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec: Any, tmp_path: Path
) -> None:
    vectors = 3 * load_encoder(tiny_encoder).encode(TEXTS)
    spec = make_spec(documents=passages(tmp_path, vectors), duplicates=None)
    read_documents(zones, "help", spec, tiny_encoder)
    assert cut_documents(zones, "help", spec, tiny_encoder).rows == len(TEXTS)
    made = embed_chunks(zones, "help", tiny_encoder)
    assert (made.embedded, made.reused) == (0, len(TEXTS))
    assert list(zones.lake.list("embeddings")) == []
    built = build_index(zones, "help", spec, tiny_encoder)
    assert built.gate and built.gate.passed
    about = release_candidates(zones, "help")["help"].metadata["vectors_agreement"]
    assert about["texts"] == len(TEXTS) and about["least"] > 0.9999


def test_new_passages_beside_moved_ones_are_embedded(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec: Any, tmp_path: Path
) -> None:
    moved = passages(tmp_path, load_encoder(tiny_encoder).encode(TEXTS))
    more = write_lines(tmp_path / "more.jsonl", [{"id": "new", "text": "Something else."}])
    spec = make_spec(documents=[moved, {"location": str(more)}])
    read_documents(zones, "help", spec, tiny_encoder)
    cut_documents(zones, "help", spec, tiny_encoder)
    made = embed_chunks(zones, "help", tiny_encoder)
    assert (made.embedded, made.reused) == (1, len(TEXTS))
    build_index(zones, "help", make_spec([{"id": "new", "text": "Something else."}]), tiny_encoder)
    assert list(zones.lake.list("passage_vectors")) == []


def test_near_duplicates_are_told_and_left_out_where_the_spec_says(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec: Any
) -> None:
    text = "Quotas are counted by the hour, and whoever goes over theirs is told so by mail at once."
    rows = [{"id": "a", "text": text}, {"id": "b", "text": text.replace("Quotas", "quotas")}, {"id": "c", "text": "x"}]
    told = build_index(zones, "help", make_spec(rows), tiny_encoder)
    assert (told.chunks.rows, told.chunks.duplicates) == (3, 1)
    listed = tables.read_table(zones.lake, tables.duplicates_path("help"), "chunks").to_pylist()
    assert listed == [{"chunk_id": "b#0", "duplicate_of": "a#0", "similarity": 1.0}]
    dropped = build_index(zones, "help", make_spec(rows, duplicates={"action": "drop"}), tiny_encoder)
    assert (dropped.chunks.rows, dropped.chunks.duplicates) == (2, 1)
    unsought = build_index(zones, "help", make_spec(rows, duplicates=None), tiny_encoder)
    assert (unsought.chunks.rows, unsought.chunks.duplicates) == (3, 0)


def test_files_that_were_left_out_are_listed(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec: Any, tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "good.md").write_text("# Good\n\nWords.")
    (tmp_path / "docs" / "bad.txt").write_bytes(b"\xff")
    source = {"kind": "files", "location": str(tmp_path / "docs"), "unreadable": "quarantine"}
    built = build_index(zones, "help", make_spec(documents=source), tiny_encoder)
    reason = "is not UTF-8 at byte 0; save it as UTF-8"
    assert built.documents.left_out == {f"{tmp_path}/docs/bad.txt": reason}
    listed = tables.read_table(zones.lake, tables.left_out_path("help"), "documents").to_pylist()
    assert listed == [{"file": f"{tmp_path}/docs/bad.txt", "reason": reason}]


@pytest.mark.parametrize("tag", ["staff", "Ärzte & co", "x" * 90])
def test_each_audience_has_a_candidate_of_its_own(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec: Any, tag: str
) -> None:
    rows = [{"id": f"d{n}", "text": text, "tags": [tag] if n < 2 else []} for n, text in enumerate(TEXTS)]
    golden = [{"query": text, "documents": [f"d{n}"]} for n, text in enumerate(TEXTS)]
    fields = {"documents": {"access": "tags"}, "golden_queries": golden}
    built = build_index(zones, "help", make_spec(rows, **fields), tiny_encoder)
    (restricted,) = set(built.versions) - {"help"}
    assert restricted.startswith("help.") and len(restricted) <= 80
    assert restricted == "help.staff" or tag != "staff"
    asked = {name: report.hit_rate_at_10.queries for name, report in built.gates.items() if report.hit_rate_at_10}
    assert asked == {"help": 4, restricted: 2}
    candidates = release_candidates(zones, "help")
    assert candidates[restricted].metadata["access"] == [tag]
    assert not any(TEXTS[0].encode() in data for data in candidates["help"].files.values())
    build_index(zones, "help", make_spec(rows[2:], **fields), tiny_encoder)
    assert latest_version(zones.lake, restricted) is None
    assert set(release_candidates(zones, "help")) == {"help"}


def test_an_audience_that_nothing_is_for_any_more_stops_the_release_until_it_is_withdrawn(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec: Any
) -> None:
    rows = [{"id": f"d{n}", "text": text, "tags": ["staff"] if n < 2 else []} for n, text in enumerate(TEXTS)]
    fields = {"documents": {"access": "tags"}}
    build_index(zones, "help", make_spec(rows, **fields), tiny_encoder)
    now = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    for name, built in release_candidates(zones, "help").items():
        made = release.publish(
            zones.published, "indexes", name, built.files, metadata=built.metadata, lineage={}, now=now
        )
        release.promote(zones.published, "indexes", name, made.version, reason="test", now=now)
    without_them = make_spec(rows[2:], **fields)
    built_again = build_index(zones, "help", without_them, tiny_encoder)
    assert built_again.gate and built_again.gate.passed
    refused = built_again.gates["help.staff"]
    assert not refused.passed and "no document needs staff any more" in refused.reasons[0]
    with pytest.raises(IndexBuildError, match=r"canonry releases yank indexes help\.staff [0-9a-f]{16} --force"):
        release_candidates(zones, "help")
    version = release.resolve(zones.published, "indexes", "help.staff").version
    release.yank(zones.published, "indexes", "help.staff", version, reason="gone", now=now, force=True)
    assert set(release_candidates(zones, "help")) == {"help"}
    assert set(build_index(zones, "help", without_them, tiny_encoder).gates) == {"help"}

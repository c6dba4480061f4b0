"""Documents that did not change are not cut again, and nobody can tell from the chunks."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canonry.encode import EncoderFiles
from canonry.index import recut
from canonry.index.chunks import cut
from canonry.index.recut import cut_changed
from canonry.index.tables import DOCUMENTS, FORMAT
from canonry.lake import parquet_bytes
from canonry.storage import Zones, open_zones

SCHEMA = pa.schema([*DOCUMENTS, FORMAT, pa.field("product", pa.string())])
TEXTS = [
    "",
    "one passage",
    "a first sentence. " * 30,
    "# Title\n\nwords below it\n\n## Part\n\nmore words",
    "naïve café 漢字 " * 9,
]


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["document_id"]), schema=SCHEMA)


def document(number: int, text: str, kind: str = "plain", product: str = "app") -> dict[str, Any]:
    return {"document_id": f"d{number}", "title": None, "text": text, "format": kind, "product": product}


KINDS = ["plain", "markdown", "passage"]
documents = st.dictionaries(
    st.integers(0, 12),
    st.tuples(st.sampled_from(TEXTS), st.sampled_from(KINDS), st.sampled_from(["app", "site"])),
    max_size=8,
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(documents, min_size=1, max_size=3))
def test_chunks_are_those_of_cutting_everything(encoder_files: EncoderFiles, tmp_path_factory: Any, days: Any) -> None:
    lake = open_zones(tmp_path_factory.mktemp("home")).lake
    for day in days:
        now = table([document(number, *about) for number, about in day.items()])
        found = cut_changed(lake, "help", now, encoder_files.tokenizer_file, 40, 5)
        assert parquet_bytes(found) == parquet_bytes(cut(now, encoder_files.tokenizer_file, 40, 5))


def test_only_what_changed_is_cut(zones: Zones, encoder_files: EncoderFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def noted(some: pa.Table, *about: Any) -> pa.Table:
        seen.append(some["document_id"].to_pylist())
        return cut(some, *about)

    monkeypatch.setattr(recut, "cut", noted)
    rows = [document(number, f"passage {number}") for number in range(5)]
    tokenizer = encoder_files.tokenizer_file
    cut_changed(zones.lake, "help", table(rows), tokenizer, 40)
    rows[1]["text"], rows[2]["product"] = "another passage", "site"
    cut_changed(zones.lake, "help", table(rows[:4]), tokenizer, 40)
    cut_changed(zones.lake, "help", table(rows[:4]), tokenizer, 40)
    cut_changed(zones.lake, "help", table(rows[:4]), tokenizer, 41)
    every = ["d0", "d1", "d2", "d3"]
    assert seen == [[*every, "d4"], ["d1", "d2"], every]

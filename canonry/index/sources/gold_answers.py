"""Documents that are answers: those of a released gold set that reviewers found right."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow.parquet as pq

from canonry import release
from canonry.catalog.specs import GoldAnswers
from canonry.index.erased import Erased
from canonry.index.errors import IndexBuildError
from canonry.index.json_lines import Row
from canonry.storage import Storage

ITEMS = "items.parquet"


def gold_rows(source: GoldAnswers, published: Storage, where: str, erased: Erased) -> Iterator[Row]:
    """A row an answer that is not erased, its question the title; none where the set is not released yet."""
    try:
        found = release.resolve(published, "gold", source.gold, source.channel)
    except release.NotReleased:
        return
    items = pq.read_table(io.BytesIO(found.read(ITEMS)))
    if source.field not in set(items["field"].to_pylist()):
        known = ", ".join(sorted(set(items["field"].to_pylist()))) or "none"
        raise IndexBuildError(f"{where}.field: gold set {source.gold} has no {source.field!r} (it has {known})")
    for number, item in enumerate(items.to_pylist(), start=1):
        # What is held out to test scorers with must not be found word for word by what they judge.
        if (item["field"], item["value"]) != (source.field, source.value) or item["split"] == "test":
            continue
        if item["inference_id"] in erased.calls:
            continue
        values = {
            "document_id": f"gold/{source.gold}/{item['item_id']}",
            "title": item["question"],
            "text": item["answer"],
            "format": "plain",
            "updated_at": item["day"],
            "access": list(source.access),
        }
        yield Row(f"gold/{source.gold} {found.version}", number, values, calls=(item["inference_id"],))

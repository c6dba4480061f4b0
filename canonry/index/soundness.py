"""What a candidate must be apart from what it finds: whole, fresh, of the encoder that it names, quick enough."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from canonry.catalog.specs import Gate
from canonry.index.tables import UPDATED_AT
from canonry.search import ACCESS, TextIndex

_WORD = re.compile(r"\w")
_TIMED = 100
"""Searches whose time is taken, one by one."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, what is allowed, and both in words."""

    name: str
    passed: bool
    found: float
    limit: float
    message: str


def soundness(
    chunks: pa.Table,
    metadata: Mapping[str, Any],
    released: pa.Table | None,
    limits: Gate,
    now: dt.datetime | None = None,
) -> list[Check]:
    """Size, staleness, empty and repeated chunks, and agreement with the encoder, of `chunks.parquet` and its manifest.

    `released`: the chunks of what is released. Without `now` nothing is called old.
    """
    return [
        *_size(chunks, released, limits),
        *_staleness(chunks, released, limits, now),
        _empty(chunks, limits),
        _repeated(chunks, limits),
        *_agreement(metadata, limits),
    ]


def latency(
    index: TextIndex, vectors: np.ndarray, limits: Gate, clock: Callable[[], float] = time.perf_counter
) -> list[Check]:
    """How long 95 of 100 searches by vector take at most, one by one, where the spec has a budget."""
    if limits.latency_ms is None or not len(vectors):
        return []
    took = []
    for vector in vectors[:_TIMED]:
        start = clock()
        index.vectors.nearest(vector, 10)
        took.append(1_000 * (clock() - start))
    slow = round(float(np.quantile(took, 0.95)), 3)
    said = f"95 of 100 searches take {slow:g} ms at most, allowed {limits.latency_ms:g}"
    return [
        _checked("latency", slow <= limits.latency_ms, slow, limits.latency_ms, said, "choose a quicker faiss_factory")
    ]


def _size(chunks: pa.Table, released: pa.Table | None, limits: Gate) -> Iterator[Check]:
    if released is None or not released.num_rows:
        return
    for what, now, before in (
        ("chunks", chunks.num_rows, released.num_rows),
        ("documents", _documents(chunks), _documents(released)),
    ):
        lost = round(max(0.0, 1 - now / before), 6)
        said = f"{now:,} {what}, {before:,} are released: {lost:.1%} fewer, allowed {limits.size_drop:.1%}"
        advice = "look whether a source lost its documents, or allow a larger size_drop"
        yield _checked(f"size_{what}", lost <= limits.size_drop, lost, limits.size_drop, said, advice)


def _staleness(chunks: pa.Table, released: pa.Table | None, limits: Gate, now: dt.datetime | None) -> Iterator[Check]:
    changed = _changed(chunks)
    if released is not None and (before := _changed(released)):
        both = changed.keys() & before.keys()
        older = sum(changed[each] < before[each] for each in both)
        share = round(older / max(1, len(both)), 6)
        said = f"{older:,} documents are older than they are released, allowed {limits.older_documents:.1%}"
        advice = "a source went back to what it was: look at what it reads"
        yield _checked("older_documents", share <= limits.older_documents, share, limits.older_documents, said, advice)
    if limits.max_age_days is not None and changed and now is not None:
        newest = max(changed.values()).replace(tzinfo=dt.UTC)
        age = round((now - newest) / dt.timedelta(days=1), 3)
        said = f"no document changed for {age:.1f} days, allowed {limits.max_age_days}"
        advice = "look whether the source is still written, or allow a larger max_age_days"
        yield _checked("staleness", age <= limits.max_age_days, age, limits.max_age_days, said, advice)


def _empty(chunks: pa.Table, limits: Gate) -> Check:
    empty = sum(_WORD.search(text) is None for text in chunks["text"].to_pylist())
    share = round(empty / max(1, chunks.num_rows), 6)
    said = f"{empty:,} chunks have no word, allowed {limits.empty_chunks:.1%}"
    return _checked(
        "empty_chunks", share <= limits.empty_chunks, share, limits.empty_chunks, said, "look at the sources"
    )


def _repeated(chunks: pa.Table, limits: Gate) -> Check:
    columns = {"text": pc.utf8_lower(chunks["text"].combine_chunks())}
    if ACCESS in chunks.column_names:
        columns[ACCESS] = pa.array([" ".join(tags or ()) for tags in chunks[ACCESS].to_pylist()], pa.string())
    repeated = chunks.num_rows - pa.table(columns).group_by(list(columns)).aggregate([]).num_rows
    share = round(repeated / max(1, chunks.num_rows), 6)
    said = f"{repeated:,} chunks say word for word what another does, allowed {limits.repeated_chunks:.1%}"
    advice = "set `duplicates: {action: drop}`, or mend the sources"
    return _checked("repeated_chunks", share <= limits.repeated_chunks, share, limits.repeated_chunks, said, advice)


def _agreement(metadata: Mapping[str, Any], limits: Gate) -> Iterator[Check]:
    measured = metadata.get("vectors_agreement")
    if measured:
        least = float(measured["least"])
        said = (
            f"vectors of {measured['texts']} texts agree with encoder {metadata['encoder']['name']} to a cosine of "
            f"{least:.4f}, required {limits.encoder_agreement:g}"
        )
        advice = "they were made by another encoder, or of other texts: name the right one, or embed them again"
        passed = least >= limits.encoder_agreement
        yield _checked("encoder_agreement", passed, least, limits.encoder_agreement, said, advice)


def _checked(name: str, passed: bool, found: float, limit: float, said: str, advice: str) -> Check:
    return Check(name, bool(passed), found, float(limit), said if passed else f"{said}: {advice}")


def _documents(chunks: pa.Table) -> int:
    return int(pc.count_distinct(chunks["document_id"]).as_py())


def _changed(chunks: pa.Table) -> dict[str, dt.datetime]:
    if UPDATED_AT.name not in chunks.column_names:
        return {}
    pairs = zip(chunks["document_id"].to_pylist(), chunks[UPDATED_AT.name].to_pylist(), strict=True)
    return {document_id: moment for document_id, moment in pairs if moment is not None}

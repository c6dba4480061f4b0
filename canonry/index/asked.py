"""What users asked an index, and the document that an answer was made from, as far as that is known."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from canonry import lake, release
from canonry.catalog.specs import GoldenFeedback, GoldenLabels
from canonry.index.erased import erased
from canonry.index.tables import documents_path, read_if_there
from canonry.messages import answer_text, question_text
from canonry.retrieval import retrieved_in_traces
from canonry.storage import Storage, Zones

SUPPORTED = 0.5
"""Share of an answer's pairs of words that must stand in a document before the answer is said to be made from it."""


@dataclass(frozen=True)
class Asked:
    """A call that searched: what was asked and answered, and what was retrieved (chunk_id, text, score)."""

    question: str
    answer: str
    retrieved: tuple[Mapping[str, Any], ...]


def labeled_queries(source: GoldenLabels, name: str, zones: Zones) -> dict[str, frozenset[str]]:
    """Questions whose answers reviewers found right, with the document that each answer was made from."""
    try:
        found = release.resolve(zones.published, "gold", source.gold, source.channel)
    except release.NotReleased:
        return {}
    items = pq.read_table(io.BytesIO(found.read("items.parquet")), columns=["inference_id", "day", "field", "value"])
    right = pc.and_(pc.equal(items["field"], source.field), pc.equal(items["value"], source.value))
    by_day: dict[dt.date, set[str]] = defaultdict(set)
    gone = erased(zones).calls
    for row in items.filter(right).to_pylist():
        if row["inference_id"] not in gone:
            by_day[row["day"]].add(row["inference_id"])
    return _known(zones.lake, name, by_day)


def feedback_queries(source: GoldenFeedback, name: str, zones: Zones) -> dict[str, frozenset[str]]:
    """Questions whose answers users liked, with the document that each answer was made from.

    An answer is liked where the mean of its values reaches `at_least`; calls of this index alone are read.
    """
    days = lake.days(zones.lake, "inferences")[-source.days :]
    given = [day for day in lake.days(zones.lake, "feedback") if days and day >= days[0]]
    feedback = lake.read(zones.lake, "feedback", given, ["inference_id", "signal", "value", "origin"])
    feedback = erased(zones).without(feedback)
    feedback = feedback.filter(pc.and_(pc.equal(feedback["signal"], source.signal), pc.is_valid(feedback["value"])))
    means = feedback.group_by("inference_id").aggregate([("value", "mean")])
    liked = means.filter(pc.greater_equal(means["value_mean"], source.at_least))["inference_id"]
    return _known(zones.lake, name, _calls_by_day(zones.lake, days, name, liked))


def asked_of(lake_zone: Storage, day: dt.date, inference_ids: Iterable[str]) -> dict[str, Asked]:
    """What these calls of a day asked, as far as their texts are kept, by inference_id."""
    wanted = pa.array(sorted(inference_ids), pa.string())
    contents = lake.read(lake_zone, "contents", [day])
    rows = contents.filter(pc.is_in(contents["inference_id"], value_set=wanted)).to_pylist()
    unsaid = [row["inference_id"] for row in rows if not row["retrieved"]]
    of_traces = retrieved_in_traces(lake_zone, day, unsaid) if unsaid else {}
    return {
        row["inference_id"]: Asked(
            question_text(row["input_messages"]),
            answer_text(row["output_messages"]),
            tuple(row["retrieved"] or of_traces.get(row["inference_id"], ())),
        )
        for row in rows
    }


def document_of(chunk_id: str | None) -> str | None:
    """The document that a chunk of an index is of."""
    return chunk_id.rpartition("#")[0] or None if chunk_id else None


def supporting_document(asked: Asked) -> str | None:
    """The one document that the answer was made from; None where it may be several, or none that was retrieved.

    It is the only one retrieved, or the only one that holds SUPPORTED of the answer's pairs of words.
    """
    passages: dict[str, list[str]] = defaultdict(list)
    for chunk in asked.retrieved:
        if document_id := document_of(chunk["chunk_id"]):
            passages[document_id].append(chunk["text"] or "")
    if len(passages) == 1:
        return next(iter(passages))
    said = _pairs(asked.answer)
    if not said:
        return None
    holding = [
        each for each, texts in passages.items() if len(said & _pairs("\n".join(texts))) >= SUPPORTED * len(said)
    ]
    return holding[0] if len(holding) == 1 else None


def _known(lake_zone: Storage, name: str, by_day: Mapping[dt.date, Iterable[str]]) -> dict[str, frozenset[str]]:
    documents = read_if_there(lake_zone, documents_path(name))
    here = set(documents["document_id"].to_pylist()) if documents is not None else set()
    found: dict[str, set[str]] = defaultdict(set)
    for day in sorted(by_day):
        for _, asked in sorted(asked_of(lake_zone, day, by_day[day]).items()):
            document_id = supporting_document(asked)
            # A document that was taken away since is no fault of the index.
            if document_id and document_id in here and (question := asked.question.strip()):
                found[question].add(document_id)
    return {question: frozenset(documents) for question, documents in sorted(found.items())}


def _calls_by_day(
    lake_zone: Storage, days: Iterable[dt.date], name: str, ids: pa.ChunkedArray
) -> dict[dt.date, set[str]]:
    found = {}
    for day in days:
        calls = lake.read(lake_zone, "inferences", [day], ["inference_id", "index_name"])
        own = pc.and_(
            pc.equal(calls["index_name"], name), pc.is_in(calls["inference_id"], value_set=ids.combine_chunks())
        )
        if some := set(calls.filter(own)["inference_id"].to_pylist()):
            found[day] = some
    return found


def _pairs(text: str) -> set[tuple[str, str]]:
    words = re.findall(r"\w+", text.casefold())
    return set(pairwise(words))

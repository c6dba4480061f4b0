"""The answered calls of a day as scorers see them: with their passages, and what people sent instead."""

from __future__ import annotations

import datetime as dt

import pyarrow.compute as pc

from canonry import lake
from canonry.labels import SLICE_FIELDS
from canonry.messages import answer_text, question_text
from canonry.retrieval import ANSWERS, retrieved_in_traces
from canonry.score import Answer, AnsweredCall
from canonry.storage import Storage

DAYS_TO_CORRECT = 7
"""A correction that comes later than so many days after its call is not looked for."""


def read_calls(lake_zone: Storage, day: dt.date) -> tuple[list[AnsweredCall], int]:
    """Answered calls of a day, by id; and how many have no text kept."""
    columns = ["inference_id", "operation", "error_type", "session_id", *SLICE_FIELDS]
    calls = {
        row["inference_id"]: row
        for row in lake.read(lake_zone, "inferences", [day], columns).to_pylist()
        if row["error_type"] is None and row["operation"] in (None, *ANSWERS)
    }
    contents = {row["inference_id"]: row for row in lake.read(lake_zone, "contents", [day]).to_pylist()}
    unsaid = [each for each in calls if each in contents and not contents[each]["retrieved"]]
    of_traces = retrieved_in_traces(lake_zone, day, unsaid) if unsaid else {}
    corrections = _corrections(lake_zone, day)
    found = []
    for inference_id in sorted(calls.keys() & contents.keys()):
        row = contents[inference_id]
        said = answer_text(row["output_messages"])
        if not said:
            continue
        retrieved = row["retrieved"] or of_traces.get(inference_id, ())
        passages = tuple(each["text"] for each in retrieved if each["text"])
        facts = {fact: calls[inference_id][fact] for fact in SLICE_FIELDS}
        session = calls[inference_id]["session_id"]
        found.append(
            AnsweredCall(
                inference_id,
                Answer(question_text(row["input_messages"]), passages, said),
                facts,
                corrections.get(inference_id),
                tuple(dict.fromkeys(document_of(each["chunk_id"]) for each in retrieved if each["chunk_id"])),
                (facts["product"], session) if session else None,
            )
        )
    return found, len(calls) - len(found)


def document_of(chunk_id: str) -> str:
    """The document that a chunk of a canonical index is of; another's chunk is a document of its own."""
    document, mark, ordinal = chunk_id.rpartition("#")
    return document if mark and ordinal.isdigit() else chunk_id


def _corrections(lake_zone: Storage, day: dt.date) -> dict[str, str]:
    """The last correction of each call."""
    days = [day + dt.timedelta(days=number) for number in range(DAYS_TO_CORRECT + 1)]
    rows = lake.read(lake_zone, "feedback", days, ["inference_id", "correction", "given_at", "feedback_id"])
    rows = rows.filter(pc.and_(rows["inference_id"].is_valid(), rows["correction"].is_valid()))
    ordered = rows.sort_by([("given_at", "ascending"), ("feedback_id", "ascending")]).to_pylist()
    return {row["inference_id"]: row["correction"] for row in ordered if row["correction"].strip()}

"""Writes a day's consistency: the answered calls of the week that it ends, compared question by question."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from canonry import lake
from canonry.evaluate.consistency import Asked, Embed, consistency
from canonry.messages import answer_text, question_text
from canonry.retrieval import ANSWERS
from canonry.storage import Storage

WINDOW_DAYS = 7
CODE = 2
"""Raised where the same inputs give other rows."""

_FACTS = ["inference_id", "product", "operation", "error_type", "cache_hit", "response_model", "prompt_version"]


def write_consistency(lake_zone: Storage, days: Iterable[dt.date], embed: Embed, encoder: str) -> list[dt.date]:
    """Write `lake/consistency` and `lake/inconsistencies` of days where their inputs changed; the days computed.

    `encoder` names what `embed` runs, as its digest.
    """
    read: dict[dt.date, list[Asked]] = {}
    computed = []
    for day in sorted(days):
        window = [day - dt.timedelta(days=back) for back in reversed(range(WINDOW_DAYS))]
        made_from = {"inputs": _inputs(lake_zone, window), "encoder": encoder, "measured_by": CODE}
        if _holds(lake_zone, day, made_from):
            continue
        for each in window:
            if each not in read:
                read[each] = answered(lake_zone, each)
        rows, examples = consistency([call for each in window for call in read[each]], embed)
        for kind, found in (("inconsistencies", examples), ("consistency", rows)):
            lake.write(lake_zone, kind, day, pa.Table.from_pylist(found, lake.SCHEMAS[kind]), made_from)
        computed.append(day)
    return computed


def days_concerned(lake_zone: Storage, first: dt.date, last: dt.date) -> list[dt.date]:
    """Days with calls whose windows hold one of these."""
    until = last + dt.timedelta(days=WINDOW_DAYS - 1)
    return [day for day in lake.days(lake_zone, "inferences") if first <= day <= until]


def answered(lake_zone: Storage, day: dt.date) -> list[Asked]:
    """Calls of a day that answered a question anew, by id."""
    columns = ["inference_id", "input_messages", "output_messages"]
    contents = {row["inference_id"]: row for row in lake.read(lake_zone, "contents", [day], columns).to_pylist()}
    found = []
    for row in lake.read(lake_zone, "inferences", [day], _FACTS).to_pylist():
        if row["error_type"] or row["cache_hit"] or row["operation"] not in (None, *ANSWERS):
            continue
        said = contents.get(row["inference_id"], {})
        question, answer = question_text(said.get("input_messages")), answer_text(said.get("output_messages"))
        if question and answer:
            facts = row["inference_id"], row["product"], row["response_model"], row["prompt_version"]
            found.append(Asked(*facts, question, answer))
    return sorted(found, key=lambda call: call.inference_id)


def _inputs(lake_zone: Storage, days: Iterable[dt.date]) -> dict[str, str]:
    paths = (f"{lake.folder(kind, day)}/{lake.MANIFEST}" for kind in ("inferences", "contents") for day in days)
    return {f"lake/{path}": hashlib.sha256(lake_zone.read(path)).hexdigest() for path in paths if lake_zone.head(path)}


def _holds(lake_zone: Storage, day: dt.date, made_from: dict[str, Any]) -> bool:
    before = (lake.manifest(lake_zone, kind, day) or {} for kind in ("consistency", "inconsistencies"))
    return all(all(made.get(key) == value for key, value in made_from.items()) for made in before)

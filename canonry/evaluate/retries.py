"""Which answers were asked again: computed from the calls, the same for every product that logs who asks what.

The answers of one user's session lie in order of time. An answer is asked again where the next question of the session
comes within SOON of the answer's end and differs from the answered one by an edit distance of at most ALIKE. Calls of
one trace are one question, and its last answering call is the answer; so neither a gateway's repeated attempt nor an
agent's steps count. Questions are compared without regard to case and blanks, their first QUESTION characters.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from itertools import zip_longest
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.feedback import edit_distance
from canonry.messages import question_text
from canonry.storage import Storage

SOON = dt.timedelta(minutes=10)
ALIKE = 0.3
QUESTION = 2_000

_ANSWERS = ("chat", "text_completion", "generate_content")
_COLUMNS = ["inference_id", "trace_id", "session_id", "user_hash", "product", "started_at", "latency_ms", "operation"]


def write_retries(lake_zone: Storage, day: dt.date) -> bool:
    """Write `lake/retries` of a day, which needs the first calls of the next; whether it changed."""
    after = day + dt.timedelta(days=1)
    calls = pa.concat_tables([_answers(lake_zone, day), _answers(lake_zone, after, until=SOON)])
    rows = [row for row in retries(calls.to_pylist()) if row["started_at"].date() == day]
    paths = [
        f"{lake.folder(kind, each)}/{lake.MANIFEST}" for each in (day, after) for kind in ("inferences", "contents")
    ]
    inputs = {
        f"lake/{path}": hashlib.sha256(lake_zone.read(path)).hexdigest() for path in paths if lake_zone.head(path)
    }
    table = pa.Table.from_pylist(rows, lake.SCHEMAS["retries"])
    return lake.write(lake_zone, "retries", day, table, {"inputs": inputs})


def retries(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each answer whose asker and question are known, with what asked it again; None where nothing did.

    `answers` have inference_id, trace_id, session_id, user_hash, product, started_at, latency_ms, input_messages.
    """
    turns: dict[tuple[str, ...], dict[str, Any]] = {}
    for call in sorted(answers, key=lambda call: (call["started_at"], call["inference_id"])):
        who = _who(call)
        asked = " ".join(question_text(call["input_messages"]).casefold().split())[:QUESTION]
        if who and asked:
            # Of a trace the last answer stands.
            turns[*who, call["trace_id"] or call["inference_id"]] = {**call, "who": who, "asked": asked}
    ordered = sorted(turns.values(), key=lambda turn: (*turn["who"], turn["started_at"], turn["inference_id"]))
    return [_row(turn, after) for turn, after in zip_longest(ordered, ordered[1:])]


def _row(turn: dict[str, Any], after: dict[str, Any] | None) -> dict[str, Any]:
    row = {"inference_id": turn["inference_id"], "started_at": turn["started_at"]}
    if after is None or after["who"] != turn["who"]:
        return row
    ended = turn["started_at"] + dt.timedelta(milliseconds=turn["latency_ms"] or 0)
    waited = after["started_at"] - ended
    if waited > SOON or (distance := _distance(turn["asked"], after["asked"])) > ALIKE:
        return row
    again = {"asked_again_by": after["inference_id"], "waited_s": waited.total_seconds()}
    return {**row, **again, "edit_distance": distance}


def _distance(one: str, other: str) -> float:
    shorter, longer = sorted((len(one), len(other)))
    # What is so much longer cannot be alike, and need not be compared.
    return 1.0 if longer - shorter > ALIKE * longer else edit_distance(one, other)


def _who(call: dict[str, Any]) -> tuple[str, ...] | None:
    asker = call["session_id"] or call["user_hash"]
    return (call["product"] or "", "session" if call["session_id"] else "user", asker) if asker else None


def _answers(lake_zone: Storage, day: dt.date, until: dt.timedelta | None = None) -> pa.Table:
    calls = lake.read(lake_zone, "inferences", [day], [*_COLUMNS, "error_type"])
    answered = pc.is_in(calls["operation"], pa.array([*_ANSWERS, None], pa.string()))
    calls = calls.filter(pc.and_(answered, calls["error_type"].is_null()))
    if until is not None:
        calls = calls.filter(pc.less(calls["started_at"], dt.datetime.combine(day, dt.time()) + until))
    texts = lake.read(lake_zone, "contents", [day], ["inference_id", "input_messages"])
    return calls.select(_COLUMNS).join(texts, "inference_id", join_type="left outer")

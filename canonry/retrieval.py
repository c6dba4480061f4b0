"""What was retrieved for an answer, put together from the steps of its trace."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.storage import Storage

ANSWERS = ("chat", "text_completion", "generate_content")
"""Operations that give a user an answer; so does a call whose operation is not said."""


def retrieved_of(steps: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a trace's steps retrieved, in the order of their start; of rerankers alone where there are any.

    A chunk that several returned is given once, as the first returned it.
    """
    known = [step for step in steps if step.get("retrieved")]
    reranked = [step for step in known if step["operation"] == "reranker"]
    found: dict[Any, dict[str, Any]] = {}
    for step in sorted(reranked or known, key=lambda step: (step["started_at"], step["step_id"])):
        for chunk in step["retrieved"]:
            found.setdefault(chunk["chunk_id"] or (chunk["text"],), chunk)
    return list(found.values())


def retrieved_in_traces(
    lake_zone: Storage, day: dt.date, inference_ids: Iterable[str]
) -> dict[str, list[dict[str, Any]]]:
    """What was retrieved for calls of a day, from the steps of their traces, by inference_id.

    Only the last answering call of a trace has what the trace retrieved; the calls before it are how it got there.
    Steps of the day and the one before are read, and calls of the day and the next: a trace may go on past midnight.
    """
    one_day = dt.timedelta(days=1)
    columns = ["inference_id", "trace_id", "operation", "error_type", "started_at"]
    calls = lake.read(lake_zone, "inferences", [day, day + one_day], columns)
    wanted = calls.filter(pc.is_in(calls["inference_id"], pa.array(list(inference_ids), pa.string())))
    traces = wanted["trace_id"].drop_null().unique()
    days = [day - one_day, day]
    steps = lake.read(lake_zone, "steps", days, ["step_id", "trace_id", "operation", "started_at"])
    steps = steps.filter(pc.is_in(steps["trace_id"], traces))
    if not steps.num_rows:
        return {}
    contents = lake.read(lake_zone, "step_contents", days, ["step_id", "retrieved"])
    contents = contents.filter(pc.is_in(contents["step_id"], steps["step_id"]))
    texts = dict(zip(contents["step_id"].to_pylist(), contents["retrieved"].to_pylist(), strict=True))
    by_trace: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for step in steps.to_pylist():
        by_trace[step["trace_id"]].append({**step, "retrieved": texts.get(step["step_id"])})
    answering = _answering(calls.filter(pc.is_in(calls["trace_id"], traces)))
    sought = set(wanted["inference_id"].to_pylist())
    found = {answering[trace]: retrieved_of(of) for trace, of in by_trace.items() if answering.get(trace) in sought}
    return {inference_id: chunks for inference_id, chunks in found.items() if chunks}


def _answering(calls: pa.Table) -> dict[str, str]:
    """The last answering call of each trace."""
    rows = sorted(calls.to_pylist(), key=lambda row: (row["started_at"], row["inference_id"]))
    return {
        row["trace_id"]: row["inference_id"]
        for row in rows
        if row["error_type"] is None and row["operation"] in (*ANSWERS, None)
    }

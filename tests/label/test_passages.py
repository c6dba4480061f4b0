"""The passages a reviewer reads: what the call says was retrieved, else what the steps of its trace say."""

from __future__ import annotations

import datetime as dt
import json

import pyarrow as pa
import pytest

from canonry import lake
from canonry.label.draws import draw_day
from canonry.label.tasks import read_texts
from canonry.storage import Zones

DAY = dt.date(2026, 11, 9)
NOW = dt.datetime(2026, 11, 10, 1)
MIDNIGHT = dt.datetime(2026, 11, 9)


@pytest.fixture
def passages(zones: Zones, scheme):
    """Passages by inference_id, of a day of calls (id, trace, hour, more) and its steps (id, trace, hour, chunks)."""

    def read(calls: list[tuple], steps: list[tuple]) -> dict[str, list[str]]:
        for day in (DAY - dt.timedelta(days=1), DAY, DAY + dt.timedelta(days=1)):
            within = [call for call in calls if (MIDNIGHT + dt.timedelta(hours=call[2])).date() == day]
            put(zones, "inferences", day, [_call(*call) for call in within])
            put(zones, "contents", day, [_contents(*call) for call in within])
            of_day = [step for step in steps if (MIDNIGHT + dt.timedelta(hours=step[2])).date() == day]
            put(zones, "steps", day, [_step(*step) for step in of_day])
            put(zones, "step_contents", day, [{"step_id": step[0], "retrieved": chunks(step[3])} for step in of_day])
        found = read_texts(zones.lake, draw_day(zones, "groundedness", scheme, DAY, NOW))
        return {name: [passage["chunk_id"] for passage in texts.passages] for name, texts in sorted(found.items())}

    return read


def put(zones: Zones, kind: str, day: dt.date, rows: list[dict]) -> None:
    names = lake.SCHEMAS[kind].names
    whole = [{**dict.fromkeys(names), **row} for row in rows]
    lake.write(zones.lake, kind, day, pa.Table.from_pylist(whole, lake.SCHEMAS[kind]), {})


def chunks(names: str) -> list[dict]:
    return [{"chunk_id": name, "score": 1.0, "text": f"text of {name}"} for name in names]


def _call(name: str, trace: str | None, hour: float, retrieved: str = "") -> dict:
    at = MIDNIGHT + dt.timedelta(hours=hour)
    return {"inference_id": name, "trace_id": trace, "started_at": at, "product": "p", "operation": "chat"}


def _contents(name: str, trace: str | None, hour: float, retrieved: str = "") -> dict:
    said = json.dumps([{"role": "assistant", "content": "an answer"}])
    return {"inference_id": name, "output_messages": said, "retrieved": chunks(retrieved) or None}


def _step(name: str, trace: str, hour: float, retrieved: str, operation: str = "retriever") -> dict:
    at = MIDNIGHT + dt.timedelta(hours=hour)
    return {"step_id": name, "trace_id": trace, "started_at": at, "product": "p", "operation": operation}


def test_a_call_that_does_not_say_what_was_retrieved_has_what_its_trace_retrieved(passages):
    found = passages(
        [("says", "t", 9), ("other trace", "u", 9), ("no trace", None, 9)],
        [("s2", "t", 8.9, "bc"), ("s1", "t", 8.8, "ab"), ("s3", "w", 8, "z"), ("s4", "u", 8, "")],
    )
    assert found == {"says": ["a", "b", "c"], "other trace": [], "no trace": []}


def test_what_a_call_says_itself_counts(passages):
    assert passages([("call", "t", 9, "b")], [("s", "t", 8, "a")]) == {"call": ["b"]}


def test_only_the_last_answering_call_of_a_trace_has_what_it_retrieved(passages):
    calls = [("rewrites", "t", 9), ("answers", "t", 10)]
    assert passages(calls, [("s", "t", 9.5, "a")]) == {"answers": ["a"], "rewrites": []}


def test_a_trace_may_go_on_past_midnight_at_both_ends(passages):
    calls = [("early", "t", 0.1), ("late", "u", 23.9), ("next day", "u", 24.1)]
    found = passages(calls, [("s", "t", -0.1, "a"), ("s2", "u", 23.8, "b")])
    assert found == {"early": ["a"], "late": []}


def test_a_reranker_has_the_last_word(passages):
    steps = [("s", "t", 8, "abc"), ("r", "t", 8.5, "c", "reranker")]
    assert passages([("call", "t", 9)], steps) == {"call": ["c"]}

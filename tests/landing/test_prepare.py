"""Preparing events: what is parsed already is neither copied nor written twice, and lies in landing all the same."""

from __future__ import annotations

import datetime as dt
import json

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canonry.landing import LandingWriter, list_segments
from canonry.storage import LocalStorage
from tests.collect.making import NOON, feedback, inference, writer

TIMES = [
    "2026-03-10T12:00:00Z",
    "2026-03-10T12:00:00",
    "2026-03-10T12:00:00.5",
    "2026-03-10T12:00:00.123456+00:00",
    "2026-03-10T14:00:00+02:00",
    "2026-03-10T12:00",
    "20260310T120000",
    "2026-03-10 12:00:00",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["attributes", "product", "batch", "digest", "started_at", "given_at", "latency_ms", "é"])


def lines(tmp_path_storage: LandingWriter, kind: str, event: dict, **how) -> list[dict]:
    return [json.loads(each.line) for each in tmp_path_storage.prepare(kind, [event], **how)]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=4), st.sampled_from(TIMES))
def test_an_event_lies_in_landing_the_same_however_it_was_handed_over(more, time):
    writing = writer(LocalStorage("/nowhere"))
    # A nested copy of the event's own time must not be taken for it.
    event = {**inference(1), **more, "started_at": time, "attributes": {"started_at": time}}
    by_line = lines(writing, "inferences", orjson.dumps(event))
    assert lines(writing, "inferences", event) == by_line
    assert lines(writing, "inferences", orjson.loads(orjson.dumps(event)), parsed=True) == by_line
    assert by_line[0]["started_at"].startswith("2026-03-10T12:00:00")
    assert by_line[0]["attributes"]["started_at"] == time


@pytest.mark.parametrize("time", TIMES)
def test_the_line_is_the_event_with_its_time_in_utc_and_its_digest_last(time):
    (line,) = writer(LocalStorage("/nowhere")).prepare("feedback", [{**feedback(1), "given_at": time}])
    document = json.loads(line.line)
    assert list(document)[-1] == "digest"
    assert {name: document[name] for name in feedback(1)} == {**feedback(1), "given_at": document["given_at"]}
    assert dt.datetime.fromisoformat(document["given_at"]).replace(microsecond=0) == NOON
    assert (document["source"], document["schema_version"]) == ("shop", 1)


def test_a_check_completes_a_document_or_keeps_it_beside_with_its_bytes(tmp_path):
    landing = LocalStorage(tmp_path)
    writing = writer(landing)

    def check(document: dict) -> str | None:
        document.setdefault("feature", "search")
        return "team: is not sales" if document["team"] != "sales" else None

    prepared = writing.prepare("inferences", [inference(1), inference(2, team="other")], check=check)
    assert [each.reason for each in prepared] == [None, "team: is not sales"]
    assert json.loads(prepared[0].line)["feature"] == "search"
    assert list(landing.list()) == []
    receipt = writing.write("inferences", prepared)
    assert (receipt.accepted, receipt.unreadable) == (1, ((1, "team: is not sales"),))
    assert {segment.day for segment in list_segments(landing, "inferences")} == {None, NOON.date()}


def test_a_parsed_document_that_is_too_deep_to_be_written_keeps_its_bytes():
    raw = (
        b'{"inference_id":"a","started_at":"2026-03-10T12:00:00","x":' + b"[" * 800 + b'{"y":[]},1' + b"]" * 800 + b"}"
    )
    writing = writer(LocalStorage("/nowhere"))
    (deep,) = writing.prepare("inferences", [orjson.loads(raw)], parsed=True)
    assert deep.reason.startswith("event: nested too deeply")
    (same,) = writing.prepare("inferences", [raw])
    assert (deep.digest, deep.line) == (same.digest, same.line)


@pytest.mark.parametrize("time", [[1, "Z"], ["9", "Z"], {"-1": "Z"}, 7, 1.5, True, "", "Z", "9Z", [], [[], "Z"]])
def test_a_time_of_any_type_costs_its_own_event_alone(time):
    events = [{**inference(1), "started_at": time}, inference(2)]
    wrong, right = writer(LocalStorage("/nowhere")).prepare("inferences", events)
    assert wrong.reason.startswith("started_at: ") and right.reason is None

"""One odd span or record costs no other, is kept with its reason, and nothing of it is repeated."""

from __future__ import annotations

import base64
import json
import time

import pytest

from canonry.service.formats import openinference, otlp
from tests.service.serving import SOURCE, build, client_of, landed, make_key
from tests.service.spans import CHAT, START, attributes, body, convert, event, logs, only, span

SECRET = "my mother's maiden name"
LLM = {"openinference.span.kind": "LLM", "llm.model_name": "m"}
EMBEDDING = {"openinference.span.kind": "EMBEDDING", "embedding.model_name": "e"}


@pytest.mark.parametrize(
    "said",
    [
        {**CHAT, "gen_ai.prompt.²².content": "x"},
        {**CHAT, "gen_ai.prompt.0.²": "x", "gen_ai.prompt.².content": "x", "gen_ai.prompt.٣.content": "x"},
        {**LLM, "llm.input_messages.0.message.contents.².message_content.text": "x"},
        {**EMBEDDING, "embedding.embeddings.0.embedding": "x"},
        {**EMBEDDING, "embedding.embeddings.0.embedding": [1.5]},
        {**EMBEDDING, "embedding.embeddings": "x", "embedding.embeddings.": "y"},
        {**LLM, "llm.input_messages.0.message": "x", "llm.output_messages.0.message.tool_calls.0": "x"},
    ],
)
def test_a_number_or_type_that_no_convention_has_is_passed_over(said):
    assert only(span(1, said))["operation"] in ("chat", "embeddings")


def test_a_list_is_read_past_names_that_are_no_number():
    said = {**CHAT, "gen_ai.prompt.².content": "odd", "gen_ai.prompt.0.content": "even"}
    (message,) = only(span(1, said))["input_messages"]
    assert message["parts"] == [{"type": "text", "content": "even"}]


@pytest.fixture
def faulty(monkeypatch):
    """A mapping with a fault that shows once a span says SECRET, and quotes it."""
    read = openinference.mapping

    def mapping(value):
        return int(value) if value == SECRET else read(value)

    monkeypatch.setattr(openinference, "mapping", mapping)


def test_a_fault_of_ours_costs_its_own_span_alone_and_its_reason_holds_nothing_of_it(faulty):
    found = convert(span(1, CHAT), span(2, {**LLM, "input.value": SECRET}), span(3, CHAT))
    assert [each["span_id"] for _, each in found.events] == [f"{1:016x}", f"{3:016x}"]
    ((position, reason, raw),) = found.rejected
    assert (position, reason) == (1, "event: cannot be read: ValueError")
    assert json.loads(raw)["attributes"]["input.value"] == SECRET


def test_a_fault_of_ours_costs_its_own_record_alone(monkeypatch):
    monkeypatch.setattr(otlp, "mapping", lambda value: value[1])
    details = {
        "eventName": "gen_ai.client.inference.operation.details",
        "spanId": "12" * 8,
        "body": {"kvlistValue": {}},
    }
    given = {"eventName": "gen_ai.evaluation.result", "timeUnixNano": str(START), "spanId": "12" * 8}
    found = logs(details, given)
    assert [kind for kind, _ in found.events] == ["feedback"]
    assert [(position, reason) for position, reason, _ in found.rejected] == [(0, "event: cannot be read: KeyError")]


def test_what_is_rejected_keeps_its_attributes_by_name():
    odd = span(1, {"a": 1, "b": [True, {"c": 2.5}]}, traceId="", events=[event("e", {"d": "x"})])
    ((_, _, raw),) = otlp.convert(body(odd), "application/json").rejected
    kept = json.loads(raw)
    assert kept["attributes"] == {"a": 1, "b": [True, {"c": 2.5}]}
    assert kept["events"][0]["attributes"] == {"d": "x"}
    nameless = {"eventName": "gen_ai.evaluation.result", "body": {"kvlistValue": {"values": attributes({"f": "y"})}}}
    ((_, _, raw),) = logs({**nameless, "attributes": attributes({"g": "z"})}).rejected
    assert (json.loads(raw)["body"], json.loads(raw)["attributes"]) == ({"f": "y"}, {"g": "z"})


def test_a_span_that_says_nothing_of_a_model_needs_no_product_and_is_not_kept():
    web = {"http.request.method": "GET", "enduser.id": "anna"}
    evaluated = event("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "ok"})
    found = otlp.convert(body(span(1, web), span(2, web, events=[evaluated]), resource={}), "application/json")
    assert found.rejected == () and found.other == {"span": 2}
    assert [kind for kind, _ in found.events] == ["feedback"]


def test_a_user_of_a_rejected_span_is_not_stored(zones, monkeypatch):
    monkeypatch.setenv("CANONRY_HASH_KEY", "k" * 32)
    now = time.time_ns()
    said = {**CHAT, "enduser.id": "anna.k", "nested": {"user.email": "anna@example.com"}}
    sent = json.loads(body(span(1, said, startTimeUnixNano=str(now)), resource={}))
    with client_of(build(zones), make_key(zones, source=SOURCE)) as client:
        assert client.post("/v1/traces", json=sent).json()["partialSuccess"]["rejectedSpans"] == "1"
    (line,) = landed(zones.landing)
    assert line["reason"].startswith("service.name: missing")
    kept = base64.b64decode(line["raw"])
    assert b"anna" not in kept and len(json.loads(kept)["user_hash"]) >= 16


def test_a_fault_of_ours_is_answered_in_the_words_of_each_door_and_logged_without_content(zones, monkeypatch, capfd):
    async def broken(*_, **__):
        raise RuntimeError(SECRET)

    application = build(zones)
    with client_of(application, make_key(zones)) as client:
        monkeypatch.setattr(application.state.intake, "submit", broken)
        monkeypatch.setattr(application.state.intake, "submit_all", broken)
        traces = client.post("/v1/traces", json=json.loads(body(span(1, CHAT))))
        assert (traces.status_code, traces.json()["code"]) == (500, 13)
        packed = client.post("/v1/traces", content=b"", headers={"content-type": "application/x-protobuf"})
        assert (packed.status_code, packed.headers["content-type"]) == (500, "application/x-protobuf")
        native = client.post("/v1/inferences", json={})
        assert (native.status_code, native.headers["content-type"]) == (500, "application/problem+json")
        assert "request id" in native.json()["detail"]
        identifier = native.headers["x-request-id"]
        assert client.get("/healthz").status_code == 200
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    faults = [line for line in lines if line["event"] == "fault"]
    assert [fault["error"] for fault in faults] == ["RuntimeError"] * 3
    assert faults[-1]["request_id"] == identifier
    assert SECRET not in json.dumps(lines)


def test_figures_that_all_may_see_repeat_nothing_of_a_span_or_record(zones):
    spans = [span(number, {"gen_ai.operation.name": f"{SECRET} {number}"}) for number in range(1, 9)]
    spans += [span(number, {"openinference.span.kind": f"{SECRET} {number}"}) for number in range(9, 17)]
    records = [{"eventName": f"{SECRET} {number}"} for number in range(8)] + [{"eventName": "gen_ai.choice"}, {}]
    logged = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    with client_of(build(zones), make_key(zones)) as client:
        client.post("/v1/traces", json=json.loads(body(*spans, span(17, {"http.route": SECRET}))))
        client.post("/v1/logs", json=logged)
        figures = client.get("/metrics").text
    counted = [line for line in figures.splitlines() if line.startswith("canonry_other_items_total{")]
    assert sorted(counted) == [
        'canonry_other_items_total{kind="gen_ai other"} 8.0',
        'canonry_other_items_total{kind="log gen_ai.choice"} 1.0',
        'canonry_other_items_total{kind="log other"} 9.0',
        'canonry_other_items_total{kind="openinference other"} 8.0',
        'canonry_other_items_total{kind="span"} 1.0',
    ]
    assert SECRET not in figures

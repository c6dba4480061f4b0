"""What real instrumentations export of the same calls gives the same rows as the native format.

The calls are made by the openai package to a stand-in; watched by OpenTelemetry's and OpenInference's instrumentations;
sent by the OpenTelemetry SDK's own exporter.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from canonry import lake
from canonry.collect.partition import collect_day
from canonry.landing import LandingWriter
from canonry.service.formats import Converted, otlp
from canonry.storage import Zones, open_zones
from tests import openai_stand_in
from tests.service import making_calls
from tests.service.recording import Recorded, recording

CONVENTIONS = ["genai", "genai-older", "openinference"]
CALLS = ["chat", "streamed", "embedded", "limited"]

WITHOUT = {
    "genai": {"cache_read_tokens", "reasoning_tokens", "time_to_first_token_ms"},
    "genai-older": {
        *("cache_read_tokens", "reasoning_tokens", "time_to_first_token_ms", "system_fingerprint"),
        *("input_messages", "output_messages"),
    },
    "openinference": set[str](),
}
"""What an instrumentation does not say of a call at all; the older one logs messages apart, one by one."""

UNSAID_OF_STREAMS = {"genai": {"system_fingerprint"}, "genai-older": {"finish_reason"}, "openinference": set[str]()}
TIMED = ("inference_id", "trace_id", "span_id", "started_at", "latency_ms", "time_to_first_token_ms", "logged_by")
COMPARED = [
    *("product", "team", "environment", "operation", "provider", "request_model", "response_model"),
    *("provider_response_id", "system_fingerprint", "service_tier", "parameters", "finish_reason", "error_type"),
    *("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens", "input_messages", "output_messages"),
]


def exported(convention: str) -> list[Recorded]:
    """What the exporters of a program that makes the calls really send."""
    with openai_stand_in.serving() as model, recording() as sink:
        program = Path(making_calls.__file__)
        subprocess.run([sys.executable, str(program), convention, model, sink.url], check=True, timeout=120)
        return sink.requests


@pytest.fixture(scope="module", params=CONVENTIONS)
def convention(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def requests(convention: str) -> list[Recorded]:
    return exported(convention)


def converted(requests: list[Recorded]) -> Converted:
    (request,) = [each for each in requests if each.path == "/v1/traces"]
    return otlp.convert(request.body, request.content_type)


def native() -> list[dict[str, Any]]:
    """The same calls as a product that knows all about them logs them in the native format."""

    def call(name: str, request: dict[str, Any], operation: str = "chat", **more: Any) -> dict[str, Any]:
        common = {"inference_id": name, "started_at": dt.datetime.now(dt.UTC).isoformat(), "operation": operation}
        common |= {"product": making_calls.PRODUCT, "environment": making_calls.ENVIRONMENT, "provider": "openai"}
        return {**common, "request_model": request["model"], **more}

    def chat(name: str, request: dict[str, Any], number: int, **more: Any) -> dict[str, Any]:
        answer = openai_stand_in.answer_to(request["messages"])
        usage = openai_stand_in.usage_of(request["messages"], answer)
        told = {
            "provider_response_id": f"chatcmpl-{number:06d}",
            "response_model": f"{request['model']}-2026-01-01",
            "system_fingerprint": openai_stand_in.FINGERPRINT,
            "service_tier": "default",
            "finish_reason": "stop",
            "input_tokens": usage["prompt_tokens"],
            "cache_read_tokens": usage["prompt_tokens_details"]["cached_tokens"],
            "output_tokens": usage["completion_tokens"],
            "reasoning_tokens": 0,
            "input_messages": [said(each["role"], each["content"]) for each in request["messages"]],
            "output_messages": [{**said("assistant", answer), "finish_reason": "stop"}],
        }
        return call(name, request, **told, **more)

    def said(role: str, text: str) -> dict[str, Any]:
        return {"role": role, "parts": [{"type": "text", "content": text}]}

    embedded, limited = making_calls.EMBEDDED, making_calls.LIMITED
    tokens = sum(len(text.split()) for text in embedded["input"])
    return [
        chat("chat", making_calls.CHAT, 1, parameters={"max_tokens": 50, "seed": 3, "temperature": 0.2}),
        chat("streamed", making_calls.STREAMED, 2),
        call("embedded", embedded, "embeddings", response_model="embedder", input_tokens=tokens),
        call("limited", limited, error_type="RateLimitError", input_messages=[said("user", "too much")]),
    ]


def rows(zones: Zones, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the lake, facts and contents together, in the order of their calls."""
    receipt = LandingWriter(zones.landing, "docs").append("inferences", [{**each, "team": "docs"} for each in events])
    assert receipt.unreadable == ()
    return collected(zones, len(events))


def collected(zones: Zones, calls: int) -> list[dict[str, Any]]:
    """What landed as rows of the lake, facts and contents together, in the order of their calls."""
    today = dt.datetime.now(dt.UTC).date()
    days = [today - dt.timedelta(days=1), today]
    assert sum(collect_day(zones, "inferences", day, today=today).rows for day in days) == calls
    facts = lake.read(zones.lake, "inferences", days).to_pylist()
    contents = {row["inference_id"]: row for row in lake.read(zones.lake, "contents", days).to_pylist()}
    whole = [{**row, **contents[row["inference_id"]]} for row in facts]
    for row in whole:
        for field in ("parameters", "input_messages", "output_messages", "attributes"):
            row[field] = json.loads(row[field]) if row[field] else None
    return sorted(whole, key=lambda row: row["started_at"])


def test_the_same_calls_give_the_same_rows_as_the_native_format(convention, requests, tmp_path):
    sent = converted(requests)
    assert {kind for kind, _ in sent.events} == {"inferences"}
    found = rows(open_zones(tmp_path / "exported"), [dict(event) for _, event in sent.events])
    expected = rows(open_zones(tmp_path / "native"), native())
    assert len(found) == len(expected) == len(CALLS)
    for name, row, wanted in zip(CALLS, found, expected, strict=True):
        unsaid = WITHOUT[convention] | (UNSAID_OF_STREAMS[convention] if name == "streamed" else set())
        if name in ("streamed", "embedded") and convention == "openinference":
            # How the answer is sent, which this instrumentation takes for a parameter, too.
            row["parameters"] = None
        if name == "embedded":
            row["input_messages"] = None
        for field in COMPARED:
            assert row[field] == (None if field in unsaid else wanted[field]), (name, field)
        assert row["latency_ms"] > 0 and row["span_id"] == row["inference_id"] and row["logged_by"]
    first_token = found[1]["time_to_first_token_ms"]
    assert (first_token is not None) == (convention == "openinference")
    assert len({row["trace_id"] for row in found}) == 1


def test_what_is_no_call_is_counted(requests):
    assert converted(requests).other == {"span": 1}
    assert converted(requests).rejected == ()


def test_no_vector_and_no_stack_trace_is_kept(requests):
    kept = json.dumps([event for _, event in converted(requests).events])
    assert "0.03529411" not in kept and "Traceback" not in kept


def test_json_gives_the_same_as_protobuf(requests):
    (request,) = [each for each in requests if each.path == "/v1/traces"]
    assert otlp.convert(as_otlp_json(request.body), "application/json; charset=utf-8") == converted(requests)


def as_otlp_json(body: bytes) -> bytes:
    """A request in OTLP's JSON, as SDKs of other languages send it: ids in hex. Python's has no such exporter."""
    document = json_format.MessageToDict(ExportTraceServiceRequest.FromString(body), use_integers_for_enums=True)
    for group in document["resourceSpans"]:
        for scoped in group["scopeSpans"]:
            for span in scoped["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64decode(span[name]).hex()
                span["aFieldOfTheFuture"] = {"x": 1}
    return json.dumps(document).encode()


def test_contents_that_are_logged_apart_name_the_call_by_its_response():
    requests = exported("genai-logs")
    spans = {event["span_id"]: event for _, event in converted(requests).events}
    (log,) = [each for each in requests if each.path == "/v1/logs"]
    logged = otlp.convert_logs(log.body, log.content_type)
    assert [kind for kind, _ in logged.events] == ["inferences", "inferences"]
    for _, event in logged.events:
        span = spans[event["span_id"]]
        assert "input_messages" not in span and event["input_messages"] and event["output_messages"]
        assert event["provider_response_id"] == span["provider_response_id"]
        assert event["inference_id"] != span["inference_id"]
    assert logged.other == {"log gen_ai.client.inference.operation.details": 1}


def test_messages_logged_one_by_one_are_counted():
    (log,) = [each for each in exported("genai-older") if each.path == "/v1/logs"]
    assert otlp.convert_logs(log.body, log.content_type) == Converted(
        (), (), {"log gen_ai.system.message": 1, "log gen_ai.user.message": 3, "log gen_ai.choice": 2}
    )

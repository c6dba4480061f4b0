"""Good requests of every kind, for fuzzing to begin with."""

from __future__ import annotations

import json
from typing import Any

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from canonry import release
from canonry.service.formats import _wire
from canonry.storage import Zones
from tests.released import DIMENSION
from tests.service.serving import call, thumb
from tests.service.spans import CHAT, START, TRACE, attributes, body, event, span

MARKER = "qz-marker-7f3a"
"""Stands in every body, header and query: no log may hold it."""

PROTOBUF, JSON, LINES = "application/x-protobuf", "application/json", "application/x-ndjson"


def seeds() -> list[tuple[str, str, bytes]]:
    """Good requests that bring events: path, content type, body."""
    said = [{"role": "user", "parts": [{"type": "text", "content": f"{MARKER} ada@example.com"}]}]
    one = call(1, input_messages=said, attributes={"note": MARKER, "user_id": MARKER}, retrieved=[{"chunk_id": "a"}])
    two = thumb(1, comment=MARKER, trace_id="t-1")
    logged = {
        "id": "chatcmpl-1", "litellm_call_id": "c-1", "call_type": "acompletion", "status": "success", "model": "gpt-x",
        "startTime": START / 1e9, "endTime": START / 1e9 + 1.5, "prompt_tokens": 5, "completion_tokens": 7,
        "messages": [{"role": "user", "content": MARKER}], "response": {"choices": []}, "metadata": {"user": MARKER},
        "end_user": MARKER, "cache_hit": False, "response_cost": 0.25, "model_parameters": {"temperature": 0.2},
    }  # fmt: skip
    again, failed = {**logged, "litellm_call_id": "c-2"}, {**logged, "litellm_call_id": "c-3", "status": "failure"}
    return [
        ("/v1/inferences", JSON, orjson.dumps(one)),
        ("/v1/inferences", JSON, orjson.dumps([one, {**one, "inference_id": "other"}])),
        ("/v1/inferences", LINES, orjson.dumps({**one, "inference_id": "line"}) + b"\n" + orjson.dumps(one)),
        ("/v1/feedback", JSON, orjson.dumps(two)),
        ("/v1/litellm", JSON, orjson.dumps(logged)),
        ("/v1/litellm", LINES, orjson.dumps(again) + b"\n" + orjson.dumps(failed)),
        *otlp_seeds(),
    ]


def otlp_seeds() -> list[tuple[str, str, bytes]]:
    """Good requests of OpenTelemetry: calls, steps and evaluations in every convention, each span by itself, too."""
    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": f"{MARKER} ada@example.com"}]}])
    evaluation = {"gen_ai.evaluation.name": "ok", "gen_ai.evaluation.score.value": 0.5, "note": MARKER}
    evaluation |= {"canonry.score.worst": 0, "canonry.score.best": 1, "gen_ai.evaluation.score.label": "so so"}
    details = {**CHAT, "gen_ai.response.id": "r-1", "gen_ai.input.messages": said, "gen_ai.usage.input_tokens": 12}
    described: list[dict[str, Any]] = [
        {**details, "enduser.id": MARKER, "gen_ai.request.temperature": 0.5, "llm.token_count.prompt": 1.5},
        {
            **CHAT,
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": MARKER,
            "gen_ai.usage.prompt_tokens": 3,
            "gen_ai.completion.0.content": MARKER,
            "gen_ai.completion.0.tool_calls.0.name": "look",
        },
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "llm.token_count.prompt": 1,
            "llm.input_messages.0.message.contents.0.message_content.text": MARKER,
            "llm.output_messages.0.message": "",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{}",
            "input.value": said,
        },
        {"openinference.span.kind": "EMBEDDING", "embedding.embeddings.0.embedding.text": MARKER},
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": MARKER,
            "retrieval.documents.0.document.id": "c1",
            "retrieval.documents.0.document.score": 0.5,
            "retrieval.documents.1.document.content": MARKER,
        },
        {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": json.dumps([{"id": "c", "score": 1}])},
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.output_tokens": 2, "gen_ai.output.messages": said},
        {
            "ai.operationId": "ai.streamText.doStream",
            "ai.model.id": "m",
            "ai.prompt.messages": said,
            "ai.response.text": MARKER,
            "ai.response.toolCalls": json.dumps([{"toolName": MARKER}]),
        },
        {"ai.operationId": "ai.embedMany.doEmbed", "ai.values": [json.dumps(MARKER)], "ai.usage.tokens": 3},
    ]
    evaluated = [event("gen_ai.evaluation.result", evaluation), event("gen_ai.user.message", {"content": MARKER})]
    spans = [
        span(number, each, name=f"x {MARKER}", kind=3, events=evaluated, parentSpanId=f"{number + 20:016x}")
        for number, each in enumerate(described, start=1)
    ]
    alone = [{**each, "spanId": f"{number:016x}"} for number, each in enumerate(spans, start=100)]
    place = {"traceId": TRACE, "spanId": f"{50:016x}", "timeUnixNano": str(START)}
    record = {"eventName": "gen_ai.client.inference.operation.details", **place, "attributes": attributes(details)}
    record["body"] = {"kvlistValue": {"values": attributes({"gen_ai.output.messages": said})}}
    given = {"eventName": "gen_ai.evaluation.result", **place, "attributes": attributes(evaluation)}
    logs = {"scopeLogs": [{"logRecords": [record, given]}]}
    logs["resource"] = {"attributes": attributes({"service.name": "shop"})}
    elsewhere = orjson.dumps({"resourceLogs": [logs]}).replace(f"{50:016x}".encode(), f"{51:016x}".encode())
    return [
        ("/v1/traces", JSON, body(*spans)),
        *(("/v1/traces", JSON, body(each)) for each in alone),
        ("/v1/traces", PROTOBUF, in_protobuf(body(*({**each, "traceId": "f" * 32} for each in spans)), traces=True)),
        ("/v1/logs", JSON, orjson.dumps({"resourceLogs": [logs]})),
        ("/v1/logs", PROTOBUF, in_protobuf(elsewhere, traces=False)),
    ]


def in_protobuf(sent: bytes, *, traces: bool) -> bytes:
    """The same request in protobuf."""
    request = ExportTraceServiceRequest() if traces else ExportLogsServiceRequest()
    return _wire.parse(sent, JSON, request).SerializeToString()


def searches() -> list[tuple[str, str, bytes]]:
    """Good searches of the index `docs` of tests.released."""
    path, vector = "/v1/indexes/docs/search", [0.5] * DIMENSION
    return [
        (path, JSON, orjson.dumps({"text": f"red {MARKER}", "k": 3, "where": {"document_id": ["d2", "d3"]}})),
        (path, JSON, orjson.dumps({"vector": vector, "k": 3, "channel": "production"})),
    ]


def reads(zones: Zones) -> list[str]:
    """Good paths to all that tests.released releases, files and versions included."""
    paths = [
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/v1/indexes",
        "/v1/prompts",
        "/v1/models",
        "/v1/tables",
    ]
    paths += ["/v1/indexes/docs", "/v1/indexes/docs/search?q=red&k=3", "/v1/prompts/answer", "/v1/tables/cost_daily"]
    paths += ["/v1/indexes/docs/search?q=red&where=%7B%22document_id%22%3A%22d2%22%7D"]
    for kind, name in (("indexes", "docs"), ("prompts", "answer"), ("models", "all"), ("tables", "cost_daily")):
        found = release.resolve(zones.published, kind, name, "production")
        paths += [f"/v1/releases/{kind}/{name}", f"/v1/channels/{kind}/{name}/production"]
        paths += [
            f"/v1/releases/{kind}/{name}/{found.version}/{each}" for each in ("manifest.json", *found.manifest.files)
        ]
        if kind in ("indexes", "prompts"):
            paths.append(f"/v1/{kind}/{name}?version={found.version}")
    return paths

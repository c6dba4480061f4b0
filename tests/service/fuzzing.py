"""Requests that no honest client sends: bodies, headers and paths made from good ones by chance."""

from __future__ import annotations

import gzip
import json
import random
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.service.serving import call, thumb

MARKER = "qz-marker-7f3a"
"""Stands in every body, header and query: no log may hold it."""

PROTOBUF, JSON, LINES = "application/x-protobuf", "application/json", "application/x-ndjson"
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW", "")
PATHS = (
    "/v1/inferences", "/v1/feedback", "/v1/traces", "/v1/logs", "/v1/litellm", "/healthz", "/readyz", "/metrics",
    "/openapi.json", "/v1/indexes", "/v1/indexes/NAME", "/v1/indexes/NAME/search", "/v1/indexes/NAME/files/NAME",
    "/v1/prompts/NAME", "/v1/models", "/v1/tables/NAME", "/v1/releases/indexes/NAME/NAME", "/NAME",
)  # fmt: skip
NAMES = (
    "docs", "..", "../..", "%2e%2e", "..%2f..%2f..%2fcanary", "%2e%2e%2fcanary", "..\\..\\canary", "..%5ccanary", "",
    "/etc/passwd", "%2fetc%2fpasswd", "//etc/passwd", "%00", "a%00b", "~root", "a" * 5_000, "é", "%ff%fe", "%", "%zz",
    ".", "...", "$(id)", "'; DROP TABLE x; --", "%0d%0aSet-Cookie:x", "con", "*", "?", "#", "a/b/../../../../canary",
    "file:///etc/passwd", "s3://bucket/x", "{name}", "${HOME}", "canary.txt", "../canary.txt", "../../canary.txt",
    "..%2f..%2fjournal%2fapi_keys", "%2e%2e/%2e%2e/journal",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**63, -(2**63), 1e308, 5e-324, "", " ", "\0", "é" * 100, "\u202e", "../../canary",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "1970-01-01", "2026-02-30T00:00:00Z", [], {}, [[]], {"": {}},
    {"$ref": "#"}, "'; DROP TABLE x; --", "a" * 10_000, "\ud7ff", "NaN", "Infinity", "=1+1", "{{7*7}}", "%s%n",
    "ada@example.com", "+49 30 1234567", "1" * 400, {"inference_id": {"inference_id": 1}}, [1, [2, [3, [4]]]],
)  # fmt: skip
HEADERS = (
    ("Content-Type", ("", JSON, LINES, PROTOBUF, "text/plain", "application/json; charset=utf-16", ";", "x" * 9_000)),
    ("Content-Encoding", ("gzip", "GZIP", "identity", "br", "deflate", "gzip, gzip", "", "zstd", "x")),
    ("Content-Length", ("0", "-1", "1", "99999999999999999999", "abc", "0x10", "1, 2", "")),
    ("Transfer-Encoding", ("chunked", "gzip", "identity", "chunked, chunked", "x")),
    ("Authorization", ("", "Bearer", "Bearer ", "Basic eDp5", "Bearer cnr__", "bearer x", "Bearer " + "a" * 9_000)),
    ("Expect", ("100-continue", "x")),
    ("Range", ("bytes=0-", "bytes=-1", "bytes=9-1", "bytes=0-0,2-3", "x=1", "bytes=99999999999999999999-")),
    ("If-None-Match", ("*", '"x"', "W/", "")),
    ("Accept", ("", "*/*", "application/vnd.apache.arrow.stream", "x", ",,,")),
    ("Host", ("", "evil.example", "a:b:c", "[::1", "x" * 5_000)),
    ("X-Request-Id", ("../../canary", "a b", "\x7f", "x" * 500, "\xff")),
    ("X-Forwarded-For", ("1.2.3.4", "x")),
    ("Connection", ("keep-alive", "upgrade", "x")),
    ("Upgrade", ("websocket", "h2c")),
    ("Cookie", ("a=b", "=")),
    ("traceparent", ("00-0-0-0", "x")),
    ("X-" + "y" * 300, ("z",)),
)


_PATIENCE = 0.5


@dataclass(frozen=True)
class Answer:
    """What came back: a status, or 0 where the connection was closed without one, and all bytes."""

    status: int
    raw: bytes


def seeds() -> list[tuple[str, str, bytes]]:
    """Good requests: path, content type, body."""
    said = [{"role": "user", "parts": [{"type": "text", "content": f"{MARKER} ada@example.com"}]}]
    one = call(1, input_messages=said, attributes={"note": MARKER, "user_id": MARKER}, retrieved=[{"chunk_id": "a"}])
    two = thumb(1, comment=MARKER, trace_id="t-1")
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": f"chat {MARKER}",
        "kind": 3,
        "startTimeUnixNano": "1764000000000000000",
        "endTimeUnixNano": "1764000001000000000",
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}},
            {"key": "gen_ai.input.messages", "value": {"stringValue": json.dumps(said)}},
            {"key": "llm.token_count.prompt", "value": {"doubleValue": 1.5}},
        ],
    }
    traces = {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": [span]}]}]}
    message = ExportTraceServiceRequest()
    sent = message.resource_spans.add().scope_spans.add().spans.add()
    sent.trace_id, sent.span_id, sent.name = bytes(range(16)), bytes(range(8)), MARKER
    sent.start_time_unix_nano, sent.end_time_unix_nano = 1764000000000000000, 1764000001000000000
    attribute = sent.attributes.add()
    attribute.key, attribute.value.string_value = "gen_ai.operation.name", "chat"
    logged = {
        "id": "chatcmpl-1", "litellm_call_id": "c-1", "call_type": "acompletion", "status": "success", "model": "gpt-x",
        "startTime": 1764000000.0, "endTime": 1764000001.5, "prompt_tokens": 5, "completion_tokens": 7,
        "messages": [{"role": "user", "content": MARKER}], "response": {"choices": []}, "metadata": {"user": MARKER},
        "end_user": MARKER, "cache_hit": False, "response_cost": 0.25, "model_parameters": {"temperature": 0.2},
    }  # fmt: skip
    return [
        ("/v1/inferences", JSON, orjson.dumps(one)),
        ("/v1/inferences", JSON, orjson.dumps([one, {**one, "inference_id": "other"}])),
        ("/v1/inferences", LINES, orjson.dumps(one) + b"\n" + orjson.dumps(one)),
        ("/v1/feedback", JSON, orjson.dumps(two)),
        ("/v1/traces", JSON, orjson.dumps(traces)),
        ("/v1/traces", PROTOBUF, message.SerializeToString()),
        ("/v1/logs", JSON, orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [span]}]}]})),
        ("/v1/logs", PROTOBUF, message.SerializeToString()),
        ("/v1/litellm", JSON, orjson.dumps(logged)),
        ("/v1/litellm", LINES, orjson.dumps(logged) + b"\n" + orjson.dumps(logged)),
    ]


def request(chance: random.Random, good: list[tuple[str, str, bytes]], token: str) -> bytes:
    """One request as bytes. Most of it is good, or nothing would come further than the first check."""
    path, kind, body = chance.choice(good)
    method = "POST"
    body = mutated(chance, body)
    if chance.random() < 0.35:
        path = chance.choice(PATHS)
        while "NAME" in path:
            path = path.replace("NAME", chance.choice(NAMES), 1)
        method = chance.choice(METHODS) if chance.random() < 0.5 else chance.choice(("GET", "POST"))
    if chance.random() < 0.2:
        path += f"?q={MARKER}&k={chance.choice(NAMES)}&version={chance.choice(NAMES)}"
    headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {token}", "Content-Type": kind, "X-Note": MARKER}
    if chance.random() < 0.15:
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"
        body = mutated(chance, body) if chance.random() < 0.5 else body
    headers["Content-Length"] = str(len(body))
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        name, values = chance.choice(HEADERS)
        headers[name] = chance.choice(values)
    if chance.random() < 0.05:
        headers.pop(chance.choice(list(headers)))
    head = f"{method} {path or '/'} HTTP/1.{chance.choice('1111109')}\r\n".encode("latin-1", "replace")
    head += b"".join(f"{name}: {value}\r\n".encode("latin-1", "replace") for name, value in headers.items())
    if chance.random() < 0.03:
        head = mutated_bytes(chance, head)
    return head + b"Connection: close\r\n\r\n" + body


def mutated(chance: random.Random, body: bytes) -> bytes:
    """A body with something wrong: in its bytes, or in what its JSON says."""
    kind = chance.random()
    if kind < 0.1:
        return body
    if kind < 0.3:
        return mutated_bytes(chance, body)
    lines = body.split(b"\n")
    number = chance.randrange(len(lines))
    try:
        document = orjson.loads(lines[number])
    except orjson.JSONDecodeError:
        return mutated_bytes(chance, body)
    for _ in range(chance.choice((1, 1, 2, 5))):
        document = mutated_json(chance, document)
    lines[number] = json.dumps(document).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def mutated_bytes(chance: random.Random, data: bytes) -> bytes:
    """Bytes flipped, cut off, doubled, or replaced."""
    kind, at = chance.randrange(6), chance.randrange(len(data) + 1)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + chance.randbytes(chance.choice((1, 4, 100))) + data[at:]
    if kind == 2:
        return data[at:] + data[:at]
    if kind == 3:
        return b"".join((data[:at], b"[" * chance.choice((10, 300, 20_000)), data[at:]))
    if kind == 4:
        return chance.choice((b"", b"\0", b"null", b"[]", b"{}", b'"x"', b"[null]", b"[1]", b"\xef\xbb\xbf{}", b"\n\n"))
    flipped = bytearray(data)
    for _ in range(min(len(flipped), chance.choice((1, 3, 20)))):
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def mutated_json(chance: random.Random, document: Any) -> Any:
    """The document with one value, name or place of it changed."""
    if isinstance(document, dict) and document and chance.random() < 0.85:
        name = chance.choice(list(document))
        kind = chance.random()
        if kind < 0.1:
            return {each: value for each, value in document.items() if each != name}
        if kind < 0.2:
            return {
                **document,
                chance.choice((*NAMES, "digest", "source", "team", "received_at")): chance.choice(VALUES),
            }
        return {**document, name: mutated_json(chance, document[name])}
    if isinstance(document, list) and document and chance.random() < 0.85:
        at = chance.randrange(len(document))
        return [*document[:at], mutated_json(chance, document[at]), *document[at + 1 :]]
    return chance.choice(VALUES)


def send(port: int, data: bytes) -> Answer:
    """Send bytes as they are, and read until the service closes, or waits for more that it was promised."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as connection, suppress(OSError):
        connection.sendall(data)
        while piece := connection.recv(1 << 16):
            received += piece
    received = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    status = received[9:12] if received.startswith(b"HTTP/1.1 ") else b"0"
    return Answer(int(status), received)

"""A small body cannot become a large one: how much a request holds is told before it is parsed."""

from __future__ import annotations

import gzip
import json
import resource

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from canonry.service.formats import MAX_ITEMS, TooMany, otlp
from canonry.service.formats._size import MAX_PARTS, check_size
from tests.service.serving import build, client_of, landed, make_key

JSON, PROTOBUF = "application/json", "application/x-protobuf"


def field(number: int, content: bytes) -> bytes:
    """A field of protobuf that holds bytes."""
    length, size = len(content), bytearray()
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + content


def of_items(items: int) -> bytes:
    """A request of empty spans, or of empty log records: their numbers are the same."""
    return field(1, field(2, b"\x12\x00" * items))


def of_parts(number: int, parts: int) -> bytes:
    """A request of one span with many empty parts of a kind: 9 are attributes, 11 events, 13 links."""
    return field(1, field(2, field(2, bytes([number << 3 | 2, 0]) * parts)))


@pytest.mark.parametrize("convert", [otlp.convert, otlp.convert_logs])
def test_as_many_items_as_one_body_may_hold_are_read_and_one_more_is_not(convert):
    assert len(convert(of_items(MAX_ITEMS), PROTOBUF).rejected) in (0, MAX_ITEMS)
    with pytest.raises(TooMany, match="10,001 items"):
        convert(of_items(MAX_ITEMS + 1), PROTOBUF)


@pytest.mark.parametrize(
    "body",
    [
        of_items(8_000_000),
        of_parts(9, 8_000_000),
        of_parts(11, 8_000_000),
        of_parts(13, 8_000_000),
        b"\x0a\x00" * 8_000_000,
        field(1, b"\x12\x00" * 8_000_000),
        field(1, field(2, b"\x92\x00\x00" * 4_000_000)),
        b"\x18\x00" * 8_000_000,
    ],
    ids=["spans", "attributes", "events", "links", "groups", "scopes", "long tags", "unknown numbers"],
)
def test_sixteen_megabytes_of_anything_small_are_refused_in_little_memory(body):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TooMany):
        otlp.convert(body, PROTOBUF)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10 < 100


@pytest.mark.parametrize(
    "names", [("resourceSpans", "scopeSpans", "spans"), ("resource_logs", "scopeLogs", "log_records")]
)
def test_json_is_counted_alike(names):
    group, scope, item = names
    many = [{}] * (MAX_ITEMS + 1)
    parts = [{}] * (MAX_PARTS + 1)
    for document in (
        {group: [{scope: [{item: many}]}]},
        {group: [{scope: [{item: many[1:]}]}, {scope: [{item: [{}]}]}]},
        {group: [{scope: [{item: [{"attributes": parts}]}]}]},
        {group: parts},
    ):
        with pytest.raises(TooMany):
            otlp.convert(json.dumps(document).encode(), JSON)


def test_what_honest_exporters_send_is_walked_as_protobuf_reads_it():
    request = ExportTraceServiceRequest()
    for number in range(3):
        scoped = request.resource_spans.add().scope_spans.add()
        scoped.schema_url = "x" * 300
        for _ in range(number + 1):
            span = scoped.spans.add(name="n" * 200, start_time_unix_nano=1, flags=7, dropped_events_count=2**31)
            span.attributes.add(key="k").value.double_value = 1.5
    check_size(request.SerializeToString())
    logged = ExportLogsServiceRequest()
    logged.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=2, flags=3, severity_number=9)
    check_size(logged.SerializeToString())
    for cut in range(1, 40):
        with pytest.raises(DecodeError):
            check_size(request.SerializeToString()[:cut])
    with pytest.raises(DecodeError):
        check_size(b"\xff" * 20)


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs"])
@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_a_packed_bomb_is_answered_413_in_the_words_of_the_protocol(zones, path, kind):
    group, scope, item = (
        ("resourceSpans", "scopeSpans", "spans")
        if path == "/v1/traces"
        else ("resourceLogs", "scopeLogs", "logRecords")
    )
    body = of_items(200_000) if kind == PROTOBUF else json.dumps({group: [{scope: [{item: [{}] * 200_000}]}]}).encode()
    packed = gzip.compress(body)
    assert len(packed) < 2_000
    with client_of(build(zones), make_key(zones)) as client:
        answer = client.post(path, content=packed, headers={"content-type": kind, "content-encoding": "gzip"})
        assert (answer.status_code, answer.headers["content-type"]) == (413, kind)
        assert b"send smaller batches" in answer.content
        assert client.post(path, content=b"", headers={"content-type": PROTOBUF}).status_code == 200
    assert landed(zones.landing) == []

"""Answers of an OTLP receiver: in the request's content type, with what was rejected.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

from typing import Literal

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.responses import Response

from canonry.service.formats import JSON, PROTOBUF, media_type
from canonry.service.problems import Problem

Signal = Literal["traces", "logs"]

_CODES = {400: 3, 401: 16, 403: 7, 408: 4, 413: 8, 415: 3, 429: 8, 503: 14}
_INTERNAL = 13


def answered_in(content_type: str) -> str:
    """The content type of the answer to a request of this one."""
    return PROTOBUF if media_type(content_type) == PROTOBUF else JSON


def success(signal: Signal, content_type: str, rejected: int, message: str) -> Response:
    """All was taken, or all but `rejected` spans (records); the message says why, or warns."""
    if answered_in(content_type) == JSON:
        document: dict[str, object] = {}
        if rejected or message:
            field = "rejectedSpans" if signal == "traces" else "rejectedLogRecords"
            # In protobuf's JSON, 64 bit integers are text.
            document["partialSuccess"] = {field: str(rejected), "errorMessage": message}
        return Response(orjson.dumps(document), media_type=JSON)
    if signal == "traces":
        traces = ExportTraceServiceResponse()
        if rejected or message:
            traces.partial_success.rejected_spans = rejected
            traces.partial_success.error_message = message
        return Response(traces.SerializeToString(), media_type=PROTOBUF)
    logs = ExportLogsServiceResponse()
    if rejected or message:
        logs.partial_success.rejected_log_records = rejected
        logs.partial_success.error_message = message
    return Response(logs.SerializeToString(), media_type=PROTOBUF)


def failure(problem: Problem, content_type: str) -> Response:
    """A refusal as google.rpc.Status. A full disk is said as 503: exporters send nothing again after 507."""
    status = 503 if problem.status == 507 else problem.status
    code = _CODES.get(status, _INTERNAL)
    if answered_in(content_type) == JSON:
        body = orjson.dumps({"code": code, "message": problem.detail})
        return Response(body, status, problem.headers, JSON)
    return Response(_status(code, problem.detail), status, problem.headers, PROTOBUF)


def _status(code: int, message: str) -> bytes:
    """google.rpc.Status on the wire: 1 is the code, 2 the message. Its Python class is in no package we need."""
    text = message[:300].encode(errors="replace")
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)

"""OTLP over the wire: a request from the body of an HTTP request, protobuf or JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, TypeVar

import orjson
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from canonry.service.formats import FormatError

PROTOBUF, JSON = "application/x-protobuf", "application/json"

Request = TypeVar("Request", bound=Message)

_GROUPS = (
    "resourceSpans",
    "resource_spans",
    "scopeSpans",
    "scope_spans",
    "resourceLogs",
    "resource_logs",
    "scopeLogs",
    "scope_logs",
)
_LEAVES = ("spans", "logRecords", "log_records")


def parse(body: bytes, content_type: str, request: Request) -> Request:
    """Read a body into an empty request of its kind. Raises FormatError, saying what was expected."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == PROTOBUF:
            request.ParseFromString(body)
            return request
        if kind == JSON:
            document = orjson.loads(body)
            if not isinstance(document, dict):
                raise FormatError(f"expected a JSON object, found {type(document).__name__}")
            for item in _items(document, _LEAVES):
                _ids_to_base64(item)
                item.pop("links", None)
            return json_format.ParseDict(document, request, ignore_unknown_fields=True)
    except (DecodeError, orjson.JSONDecodeError, RecursionError) as error:
        raise FormatError(f"not an {request.DESCRIPTOR.name} as {kind}: {type(error).__name__}") from None
    except json_format.ParseError as error:
        # Its message says where and what: the first line, and never more than a little of the body.
        raise FormatError(f"not an {request.DESCRIPTOR.name} as {kind}: {str(error).splitlines()[0][:120]}") from None
    raise FormatError(f"content type {kind or 'none'!r}: expected {PROTOBUF} or {JSON}")


def _items(document: Any, leaves: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Spans or log records, wherever they lie in the JSON of a request; names may be in camel or snake case."""
    for name in (*_GROUPS, *leaves):
        children = document.get(name)
        for child in children if isinstance(children, list) else ():
            if isinstance(child, dict):
                if name in leaves:
                    yield child
                else:
                    yield from _items(child, leaves)


def _ids_to_base64(item: dict[str, Any]) -> None:
    """Ids are hex in OTLP's JSON, where protobuf's JSON mapping expects base64. One that is not hex becomes empty."""
    for name in ("traceId", "trace_id", "spanId", "span_id", "parentSpanId", "parent_span_id"):
        if isinstance(value := item.get(name), str):
            try:
                item[name] = base64.b64encode(binascii.unhexlify(value)).decode()
            except ValueError:
                item[name] = ""


def as_json(message: Message) -> bytes:
    """A message as one line of JSON, ids in base64, as protobuf's own mapping has them."""
    return json_format.MessageToJson(message, indent=None).encode()

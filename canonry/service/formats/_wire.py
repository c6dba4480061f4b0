"""OTLP over the wire: a request from the body of an HTTP request, protobuf or JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, TypeVar

import orjson
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from canonry.service.formats import JSON, PROTOBUF, FormatError, UnknownType, check_count, media_type
from canonry.service.formats._size import check_parts, check_size
from canonry.service.formats._spans import plain, read_attributes

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
_ITEMS = ("spans", "logRecords", "log_records")


def parse(body: bytes, content_type: str, request: Request) -> Request:
    """Read a body into an empty request of its kind. Raises FormatError, saying what was expected, or TooMany."""
    kind = media_type(content_type)
    try:
        if kind == PROTOBUF:
            check_size(body)
            request.ParseFromString(body)
            return request
        if kind == JSON:
            document = orjson.loads(body)
            if not isinstance(document, dict):
                raise FormatError(f"expected a JSON object, found {type(document).__name__}")
            _prepare(document)
            return json_format.ParseDict(document, request, ignore_unknown_fields=True)
    except (DecodeError, orjson.JSONDecodeError, RecursionError) as error:
        raise FormatError(f"not an {request.DESCRIPTOR.name} as {kind}: {type(error).__name__}") from None
    except json_format.ParseError as error:
        # Its message says where and what: the first line, and never more than a little of the body.
        raise FormatError(f"not an {request.DESCRIPTOR.name} as {kind}: {str(error).splitlines()[0][:120]}") from None
    raise UnknownType(f"content type {kind[:80] or 'none'!r}: send {PROTOBUF} or {JSON}")


def _prepare(document: dict[str, Any]) -> None:
    """Make of OTLP's JSON what protobuf's mapping expects. Raises TooMany, as it takes yet more memory when parsed."""
    items = parts = 0
    for found, is_item in _walk(document):
        parts += 1
        if is_item:
            items += 1
            found.pop("links", None)
            parts += sum(len(each) for each in found.values() if isinstance(each, list))
            _ids_to_base64(found)
        check_parts(parts)
    check_count(items)


def _walk(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], bool]]:
    """Groups and items (True) of a request's JSON; names may be in camel or snake case."""
    for name in (*_GROUPS, *_ITEMS):
        children = document.get(name)
        for child in children if isinstance(children, list) else ():
            if isinstance(child, dict):
                yield child, name in _ITEMS
                if name not in _ITEMS:
                    yield from _walk(child)


def _ids_to_base64(item: dict[str, Any]) -> None:
    """Ids are hex in OTLP's JSON, where protobuf's JSON mapping expects base64. One that is not hex becomes empty."""
    for name in ("traceId", "trace_id", "spanId", "span_id", "parentSpanId", "parent_span_id"):
        if isinstance(value := item.get(name), str):
            try:
                item[name] = base64.b64encode(binascii.unhexlify(value)).decode()
            except ValueError:
                item[name] = ""


def as_json(item: Any) -> bytes:
    """A span or record as one line of JSON, ids in base64, as protobuf's own mapping has them.

    Attributes are objects, so that what names a user, or is to be masked, is found by its name.
    """
    document = json_format.MessageToDict(item)
    for name in ("events", "links"):
        for part, read in zip(document.get(name, ()), getattr(item, name, ()), strict=True):
            part["attributes"] = read_attributes(read.attributes)
    document["attributes"] = read_attributes(item.attributes)
    if "body" in document:
        document["body"] = plain(item.body)
    return orjson.dumps(document)

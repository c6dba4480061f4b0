"""A span as the mappings read it, whichever way it came over the wire."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from canonry.service.formats import ItemError
from canonry.service.formats._attributes import Attributes, text

_EPOCH = dt.datetime(1970, 1, 1)
_CLASS = re.compile(r"<class '(.+)'>")


@dataclass(frozen=True)
class SpanEvent:
    """Something that happened during a span; `time_ns` is in nanoseconds since 1970."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(frozen=True)
class Span:
    """One span. Ids are lower-case hex; times are nanoseconds since 1970; `parent_id` is None at a trace's root."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    scope: str
    start_ns: int
    end_ns: int
    attributes: Attributes
    resource: Attributes
    events: tuple[SpanEvent, ...]
    failed: bool
    remote: bool = False
    """Whether what it is of was done elsewhere, for this program (a span of kind CLIENT)."""

    @property
    def latency_ms(self) -> float | None:
        """From start to end, milliseconds; None where the end is not said."""
        return (self.end_ns - self.start_ns) / 1e6 if self.end_ns >= self.start_ns else None

    @property
    def error_type(self) -> str | None:
        """What failed, as the last part of the exception's name; `error` where only that is known."""
        said = text(self.attributes.get("error.type"))
        if said is None and self.failed:
            raised = [event for event in self.events if event.name == "exception"]
            said = text(raised[-1].attributes.get("exception.type")) if raised else None
            said = said or "error"
        if said is None:
            return None
        match = _CLASS.fullmatch(said)
        return (match[1] if match else said).rpartition(".")[2] or said


def read_span(message: trace_pb2.Span, resource: Attributes, scope: str) -> Span:
    """A span from its message. Raises ItemError, saying which field is wrong."""
    if len(message.trace_id) != 16 or not any(message.trace_id):
        raise ItemError(f"trace_id: expected 16 bytes that are not all zero, found {len(message.trace_id)} bytes")
    if len(message.span_id) != 8 or not any(message.span_id):
        raise ItemError(f"span_id: expected 8 bytes that are not all zero, found {len(message.span_id)} bytes")
    if message.start_time_unix_nano == 0:
        raise ItemError("start_time_unix_nano: missing")
    return Span(
        trace_id=message.trace_id.hex(),
        span_id=message.span_id.hex(),
        parent_id=message.parent_span_id.hex() or None,
        name=message.name,
        scope=scope,
        start_ns=message.start_time_unix_nano,
        end_ns=message.end_time_unix_nano,
        attributes=read_attributes(message.attributes),
        resource=resource,
        events=tuple(
            SpanEvent(event.name, event.time_unix_nano, read_attributes(event.attributes)) for event in message.events
        ),
        failed=message.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        remote=message.kind == trace_pb2.Span.SPAN_KIND_CLIENT,
    )


def read_attributes(attributes: Iterable[KeyValue]) -> Attributes:
    """Attributes as plain Python values; of one name given twice the last counts."""
    return {attribute.key: plain(attribute.value) for attribute in attributes}


def plain(value: AnyValue) -> Any:
    """A value as text, number, boolean, list, dictionary, or hex for bytes; None for an empty one."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return {each.key: plain(each.value) for each in value.kvlist_value.values}
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind)


def iso(time_ns: int) -> str:
    """Nanoseconds since 1970 as ISO 8601 in UTC, to the microsecond."""
    return (_EPOCH + dt.timedelta(microseconds=time_ns // 1000)).isoformat(timespec="microseconds") + "Z"

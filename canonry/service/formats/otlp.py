"""OpenTelemetry traces and logs over HTTP, protobuf or JSON, as events: calls, steps and evaluations.

A call's `inference_id`, and a step's `step_id`, is its span id: 64 random bits, so that of a thousand million calls
no two are expected to share one; one that does is not lost, but lies in lake/rejected. Whoever gives feedback needs
to know the span id alone, or the trace's.
https://opentelemetry.io/docs/specs/otlp/
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1 import trace_pb2

from canonry.events import FEEDBACK, INFERENCE, STEP
from canonry.retrieval import ANSWERS, retrieved_of
from canonry.service.formats import Converted, genai, reason_of
from canonry.service.formats._attributes import Attributes, mapping, text
from canonry.service.formats._evaluation import RESPONSE, feedback
from canonry.service.formats._events import Event, event_of, is_call
from canonry.service.formats._spans import Span, SpanEvent, plain, read_attributes, read_span
from canonry.service.formats._wire import as_json, parse

_DETAILS = "gen_ai.client.inference.operation.details"
_COUNTED = frozenset(
    {_DETAILS, "gen_ai.choice"} | {f"gen_ai.{role}.message" for role in ("system", "user", "assistant", "tool")}
)
"""Names of records that are counted by name; any other is counted as one."""


def convert(body: bytes, content_type: str) -> Converted:
    """Events of an ExportTraceServiceRequest. Raises FormatError where the body is none, or holds too much.

    What a retriever returned becomes `retrieved` of its trace's last answering call, where both are in this body;
    the step carries it, too, for calls that come apart from it.
    """
    events: dict[str, list[Event]] = {INFERENCE.name: [], STEP.name: [], FEEDBACK.name: []}
    rejected: list[tuple[int, str, bytes]] = []
    other = Counter[str]()
    spans: list[tuple[int, trace_pb2.Span, Span]] = []
    for position, (message, resource, scope) in enumerate(_spans(body, content_type)):
        try:
            spans.append((position, message, read_span(message, resource, scope)))
        except Exception as error:
            rejected.append((position, reason_of(error), as_json(message)))
    holding = _holding_calls([span for _, _, span in spans])
    for position, message, span in spans:
        try:
            kind, event = event_of(span, holds_call=(span.trace_id, span.span_id) in holding)
            given = [_evaluated(span, event, each) for each in span.events if each.name == genai.EVALUATION]
        except Exception as error:
            rejected.append((position, reason_of(error), as_json(message)))
            continue
        events[FEEDBACK.name] += given
        if event:
            events[kind].append(event)
        else:
            other[kind] += 1
    _give_retrieved(events[INFERENCE.name], events[STEP.name])
    listed = tuple((kind, _said(event)) for kind, found in events.items() for event in found)
    return Converted(listed, tuple(rejected), dict(other))


def convert_logs(body: bytes, content_type: str) -> Converted:
    """Events of an ExportLogsServiceRequest: evaluations, and calls whose contents are logged apart from their span.

    Such a call has an id of its own and is reconciled with its span by the provider's response id; a record without
    one is counted in `other`, as are messages that older instrumentations log one by one. Raises FormatError as above.
    """
    records = [
        (record, resource)
        for group in parse(body, content_type, ExportLogsServiceRequest()).resource_logs
        for resource in (read_attributes(group.resource.attributes),)
        for scoped in group.scope_logs
        for record in scoped.log_records
    ]
    events: list[tuple[str, Event]] = []
    rejected: list[tuple[int, str, bytes]] = []
    other = Counter[str]()
    for position, (record, resource) in enumerate(records):
        try:
            attributes = read_attributes(record.attributes)
            name = record.event_name or text(attributes.pop("event.name", None)) or ""
            if name == genai.EVALUATION:
                events.append((FEEDBACK.name, _evaluation(record, attributes)))
            elif name == _DETAILS and (call := _details(record, attributes, resource)):
                events.append((INFERENCE.name, call))
            else:
                other[f"log {name if name in _COUNTED else 'other'}"] += 1
        except Exception as error:
            rejected.append((position, reason_of(error), as_json(record)))
    return Converted(tuple((kind, _said(event)) for kind, event in events), tuple(rejected), dict(other))


def _spans(body: bytes, content_type: str) -> list[tuple[trace_pb2.Span, Attributes, str]]:
    """Spans with the attributes of their resource and the name of their scope."""
    return [
        (message, resource, scoped.scope.name)
        for group in parse(body, content_type, ExportTraceServiceRequest()).resource_spans
        for resource in (read_attributes(group.resource.attributes),)
        for scoped in group.scope_spans
        for message in scoped.spans
    ]


def _holding_calls(spans: list[Span]) -> set[tuple[str, str]]:
    """Trace and id of spans that a call lies in, at any depth. Only where it matters: where agents run elsewhere."""
    if not any(span.remote and genai.operation(span.attributes) == genai.AGENT for span in spans):
        return set()
    parents = {(span.trace_id, span.span_id): span.parent_id for span in spans}
    holding: set[tuple[str, str]] = set()
    for span in spans:
        if is_call(span):
            parent = span.parent_id
            while parent and (span.trace_id, parent) not in holding:
                holding.add((span.trace_id, parent))
                parent = parents.get((span.trace_id, parent))
    return holding


def _evaluated(span: Span, call: Event, happened: SpanEvent) -> Event:
    """What an evaluation says of the response that it names, else of the call, or the trace, that it happened in."""
    response = text(happened.attributes.get(RESPONSE))
    is_own = INFERENCE.id_field in call and response in (None, call["provider_response_id"])
    at = happened.time_ns or span.end_ns or span.start_ns
    return feedback(dict(happened.attributes), at, span.span_id if is_own else response, span.trace_id, span.span_id)


def _evaluation(record: LogRecord, attributes: Attributes) -> Event:
    """What a logged evaluation says. Its span may be no call but an agent or a judge: the response's id goes first."""
    trace_id = record.trace_id.hex() if any(record.trace_id) else None
    span_id = record.span_id.hex() if any(record.span_id) else None
    return feedback(attributes, _time(record), text(attributes.get(RESPONSE)) or span_id, trace_id, span_id)


def _details(record: LogRecord, attributes: Attributes, resource: Attributes) -> Event | None:
    """The call that a record gives the details of; None where nothing would tell it from its span."""
    known = {**attributes, **mapping(plain(record.body))}
    if not record.span_id or not any(known.get(name) for name in genai.NAMES["provider_response_id"]):
        return None
    span = Span(
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        parent_id=None,
        name=record.event_name,
        scope=_DETAILS,
        start_ns=_time(record),
        end_ns=0,
        attributes=known,
        resource=resource,
        events=(),
        failed=False,
    )
    kind, call = event_of(span)
    return {**call, INFERENCE.id_field: f"{span.span_id}-details"} if kind == INFERENCE.name else None


def _time(record: LogRecord) -> int:
    return record.time_unix_nano or record.observed_time_unix_nano


def _give_retrieved(inferences: list[Event], steps: list[Event]) -> None:
    answering: dict[str, Event] = {}
    for call in sorted(inferences, key=lambda call: (call["started_at"], call["inference_id"])):
        if call["operation"] in ANSWERS and call["error_type"] is None:
            answering[call["trace_id"]] = call
    by_trace: dict[str, list[Event]] = {}
    for step in steps:
        by_trace.setdefault(step["trace_id"], []).append(step)
    for trace_id in answering.keys() & by_trace.keys():
        if found := retrieved_of(by_trace[trace_id]):
            answering[trace_id]["retrieved"] = found


def _said(event: Event) -> dict[str, Any]:
    """The event without fields that say nothing."""
    return {name: value for name, value in event.items() if value is not None}

"""A span as the event it is: a call, a step, or nothing of a model's use."""

from __future__ import annotations

from typing import Any

from canonry.events import INFERENCE, STEP
from canonry.service.formats import ItemError, genai, openinference
from canonry.service.formats._attributes import Attributes, facts, take, text
from canonry.service.formats._names import USER
from canonry.service.formats._spans import Span, iso

OWN = "canonry."
"""Attributes of a span or resource that begin so name a field of the event themselves: `canonry.feature`, …"""

Event = dict[str, Any]

_OWN_FIELDS = frozenset(
    {"feature", "environment", "session_id", "arm", "attempt", "prompt_name", "prompt_version", "prompt_digest"}
    | {"index_name", "index_version", "user_id", "cache_hit"}
)
_TOKENS = (*genai.NAMES["input_tokens"], *genai.NAMES["output_tokens"])
_ENVIRONMENT = ("deployment.environment.name", "deployment.environment")
_KEPT_OF_RESOURCE = ("service.version", "service.namespace")


def event_of(span: Span, *, holds_call: bool = False) -> tuple[str, Event]:
    """A span's kind of event and the event; or, where it is none, what kind of span it is, and nothing.

    `holds_call` says that a call lies inside of it, whose tokens are not to be charged twice. Kinds are few, and none
    of them is the span's own word: they are shown to all who watch the service.
    """
    attributes = dict(span.attributes)
    kind = _openinference_kind(attributes)
    operation = genai.operation(attributes)
    fields: Event
    if kind in openinference.INFERENCES:
        fields = openinference.take_inference(attributes, span.events, span.start_ns)
        if operation is not None:
            # Instrumentors may write both conventions on one span.
            fields |= {name: value for name, value in genai.take_inference(attributes, ()).items() if value}
        return INFERENCE.name, _call(span, attributes, fields)
    if kind in openinference.STEPS:
        fields = {"operation": openinference.STEPS[kind], **openinference.take_step(attributes)}
        return STEP.name, _step(span, attributes, fields)
    if is_call(span) and not (holds_call and operation in genai.STEPS):
        fields = genai.take_inference(attributes, span.events)
        return INFERENCE.name, _call(span, attributes, {**fields, "operation": operation})
    if operation in genai.STEPS:
        fields = {"operation": genai.STEPS[operation], **genai.take_step(attributes)}
        return STEP.name, _step(span, attributes, fields)
    if operation is not None:
        return "gen_ai other", {}
    return ("openinference other" if kind else "span"), {}


def is_call(span: Span) -> bool:
    """Whether a span is a call that somebody pays for, unless it is an agent that holds the calls it made.

    An operation that no table knows, and that used tokens, was such a call. An agent that runs elsewhere and says what
    it used is one, too: its own calls are in nobody's trace.
    """
    kind, operation = _openinference_kind(span.attributes), genai.operation(span.attributes)
    if kind in openinference.INFERENCES or kind in openinference.STEPS or operation is None:
        return kind in openinference.INFERENCES
    if operation in genai.INFERENCES:
        return True
    may_be = span.remote and operation == genai.AGENT if operation in genai.STEPS else True
    return may_be and any(span.attributes.get(name) is not None for name in _TOKENS)


def _openinference_kind(attributes: Attributes) -> str:
    return (text(attributes.get(openinference.SPAN_KIND)) or "").upper()


def _call(span: Span, attributes: Attributes, fields: Event) -> Event:
    common = _common(span, attributes)
    return {
        "inference_id": span.span_id,
        "span_id": span.span_id,
        "logged_by": span.scope or None,
        **fields,
        **common,
        "session_id": common.get("session_id") or fields.get("session_id"),
    }


def _step(span: Span, attributes: Attributes, fields: Event) -> Event:
    common = {**_common(span, attributes), "name": fields["name"] or span.name}
    kept = {name: value for name, value in common.items() if name in STEP.field_names}
    unknown = {name: value for name, value in common.items() if name not in STEP.field_names and value is not None}
    unknown.pop("user_id", None)
    kept["attributes"] = {**(kept["attributes"] or {}), **unknown} or None
    return {"step_id": span.span_id, "parent_id": span.parent_id, **fields, **kept}


def _common(span: Span, attributes: Attributes) -> Event:
    """Fields that every span has; the rest of its attributes go into `attributes`."""
    own = {name: value for name, value in (*span.resource.items(), *attributes.items()) if name.startswith(OWN)}
    for name in own:
        attributes.pop(name, None)
    named = {name.removeprefix(OWN): value for name, value in own.items()}
    fields = {name: value for name, value in named.items() if name in _OWN_FIELDS}
    attributes.pop("error.type", None)
    environment = take(attributes, _ENVIRONMENT) or take(dict(span.resource), _ENVIRONMENT)
    user = take(attributes, USER) or take(dict(span.resource), USER)
    kept = {name: span.resource[name] for name in _KEPT_OF_RESOURCE if name in span.resource}
    left = {name: value for name, value in named.items() if name not in _OWN_FIELDS}
    return {
        "trace_id": span.trace_id or None,
        "started_at": iso(span.start_ns),
        "latency_ms": span.latency_ms,
        "error_type": span.error_type,
        "environment": text(environment),
        "user_id": text(user),
        **fields,
        "product": _product(span),
        "attributes": {**kept, **facts({**attributes, **left})} or None,
    }


def _product(span: Span) -> str:
    for name in (OWN + "product", "service.name"):
        if said := text(span.attributes.get(name)) or text(span.resource.get(name)):
            return said
    raise ItemError("service.name: missing; name the product in the resource's service.name (OTEL_SERVICE_NAME)")

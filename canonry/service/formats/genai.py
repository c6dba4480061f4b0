"""What attributes of OpenTelemetry's GenAI conventions mean, in the names of several years, as fields of events.

An attribute that no table knows is kept in `attributes`, unless it holds text.
https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from canonry.service.formats._attributes import Attributes, mapping, parsed, real, take, text, whole
from canonry.service.formats._messages import Message, finish_reason, from_chat, read_messages, take_indexed
from canonry.service.formats._names import (
    AGENT,
    APIS,
    INFERENCES,
    NAMES,
    OTHER_OPERATIONS,
    PARAMETERS,
    PROVIDERS,
    STEPS,
)
from canonry.service.formats._spans import SpanEvent
from canonry.service.formats._vercel import take_answer, take_embedded

__all__ = ["AGENT", "EVALUATION", "INFERENCES", "NAMES", "STEPS", "operation", "take_inference", "take_step"]

EVALUATION = "gen_ai.evaluation.result"

_REQUEST = ("gen_ai.request.", "gen_ai.openai.request.")
_WHOLE = tuple(name for name in NAMES if name.endswith("_tokens"))
_TEXTS = (
    "operation",
    "provider",
    "request_model",
    "response_model",
    "provider_response_id",
    "system_fingerprint",
    "service_tier",
    "finish_reason",
    "prompt_name",
    "prompt_version",
    "session_id",
)
_ARGUMENTS = ("gen_ai.tool.call.arguments", "traceloop.entity.input", "ai.toolCall.args")
_RESULTS = ("gen_ai.tool.call.result", "traceloop.entity.output", "ai.toolCall.result")


def operation(attributes: Mapping[str, Any]) -> str | None:
    """What a span did, in the conventions' words; None where it says nothing of a model's use."""
    for name in NAMES["operation"]:
        if said := text(attributes.get(name)):
            if said.startswith("ai.") and ".do" not in said and said not in OTHER_OPERATIONS:
                # Vercel's outer spans sum up the calls inside of them.
                return "invoke_workflow"
            return OTHER_OPERATIONS.get(said, said)
    traced = text(attributes.get("traceloop.span.kind"))
    if traced is not None:
        return "execute_tool" if traced == "tool" else "invoke_workflow"
    if any(name in attributes for name in NAMES["provider"]) and any(
        name in attributes for name in NAMES["request_model"] + NAMES["response_model"]
    ):
        return "chat"
    return None


def take_inference(attributes: Attributes, events: Iterable[SpanEvent]) -> dict[str, Any]:
    """Fields of a call to a model. What is read is removed from `attributes`."""
    fields: dict[str, Any] = {name: text(take(attributes, NAMES[name])) for name in _TEXTS}
    fields |= {name: whole(take(attributes, NAMES[name])) for name in _WHOLE}
    fields["provider"] = _provider(fields["provider"])
    seconds = real(attributes.pop("gen_ai.response.time_to_first_chunk", None))
    milliseconds = real(take(attributes, ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk")))
    fields["time_to_first_token_ms"] = milliseconds if seconds is None else seconds * 1000
    fields["parameters"] = _take_parameters(attributes) or None
    fields["input_messages"], fields["output_messages"] = _take_messages(attributes, events)
    fields["finish_reason"] = fields["finish_reason"] or finish_reason(fields["output_messages"])
    return fields


def take_step(attributes: Attributes) -> dict[str, Any]:
    """Fields of a step: what it was asked, what it retrieved or gave back, and its name."""
    fields: dict[str, Any] = {
        "name": text(
            take(
                attributes,
                (
                    *("gen_ai.data_source.id", "gen_ai.tool.name", "gen_ai.agent.name", "gen_ai.workflow.name"),
                    *("ai.toolCall.name", "ai.telemetry.functionId"),
                ),
            )
        )
        or text(attributes.pop("traceloop.entity.name", None)),
        "query": text(take(attributes, (*NAMES["query"], *_ARGUMENTS))),
        "result": parsed(take(attributes, _RESULTS)),
        "retrieved": read_retrieved(take(attributes, NAMES["retrieved"])),
    }
    asked = read_messages(take(attributes, NAMES["input_messages"]), "user")
    answered = read_messages(take(attributes, NAMES["output_messages"]), "assistant") or take_answer(attributes)
    fields["query"] = fields["query"] or _said(asked)
    fields["result"] = fields["result"] if fields["result"] is not None else answered
    for names in NAMES.values():
        # An agent's or workflow's tokens are those of the calls inside it.
        take(attributes, names)
    return fields


def read_retrieved(value: Any) -> list[dict[str, Any]] | None:
    """Retrieved documents as chunk_id, score, text; from a list of mappings or its JSON."""
    documents = parsed(value)
    if not isinstance(documents, list):
        return None
    found = []
    for document in documents:
        if isinstance(document, dict):
            chunk = text(take(document := dict(document), ("chunk_id", "id", "document_id")))
            body = text(take(document, ("text", "content", "page_content")))
            found.append({"chunk_id": chunk, "score": real(document.get("score")), "text": body})
    return found or None


def _provider(said: str | None) -> str | None:
    if said is None:
        return None
    name = next((said.removesuffix(api) for api in APIS if said.endswith(api)), said)
    return PROVIDERS.get(name, name)


def _take_parameters(attributes: Attributes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in [name for name in attributes if name.startswith(_REQUEST)]:
        key = name.partition("request.")[2]
        value = attributes.pop(name)
        if value is not None:
            if key == "encoding_formats":
                value = text(value)
            found[PARAMETERS.get(key, key)] = value
    return dict(sorted(found.items()))


def _take_messages(
    attributes: Attributes, events: Iterable[SpanEvent]
) -> tuple[list[Message] | None, list[Message] | None]:
    asked = read_messages(take(attributes, NAMES["input_messages"]), "user")
    answered = read_messages(take(attributes, NAMES["output_messages"]), "assistant")
    asked = asked or take_indexed(attributes, "gen_ai.prompt", "user") or take_embedded(attributes)
    answered = answered or take_indexed(attributes, "gen_ai.completion", "assistant") or take_answer(attributes)
    asked_then, answered_then = messages_of_events((event.name, event.attributes, None) for event in events)
    asked, answered = asked or asked_then, answered or answered_then
    told = parsed(attributes.pop("gen_ai.system_instructions", None))
    if told:
        parts = told if isinstance(told, list) else [{"type": "text", "content": told}]
        asked = [{"role": "system", "parts": parts}, *(asked or [])]
    return asked, answered


def messages_of_events(
    events: Iterable[tuple[str, Attributes, Any]],
) -> tuple[list[Message] | None, list[Message] | None]:
    """Messages sent and answered from events of a span or a log: name, attributes, and a log record's body."""
    asked: list[Message] = []
    answered: list[Message] = []
    for name, attributes, body in events:
        known = {**attributes, **mapping(attributes.get("gen_ai.event.content")), **mapping(body)}
        if name == "gen_ai.content.prompt":
            asked += read_messages(known.get("gen_ai.prompt"), "user") or []
        elif name == "gen_ai.content.completion":
            answered += read_messages(known.get("gen_ai.completion"), "assistant") or []
        elif name == "gen_ai.choice":
            message = parsed(known.get("message"))
            message = message if isinstance(message, dict) else {"content": message or known.get("content")}
            answered.append(from_chat({**message, "finish_reason": known.get("finish_reason")}, "assistant"))
        elif name.startswith("gen_ai.") and name.endswith(".message"):
            role = name.removeprefix("gen_ai.").removesuffix(".message")
            called = known.get("id") if role == "tool" else None
            message = {
                "role": known.get("role") or role,
                "content": known.get("content"),
                "tool_calls": parsed(known.get("tool_calls")),
                "tool_call_id": called,
            }
            asked.append(from_chat(message, role))
    return asked or None, answered or None


def _said(messages: list[Message] | None) -> str | None:
    texts = [text(part.get("content")) for each in messages or () for part in each["parts"] if isinstance(part, dict)]
    return next((said for said in reversed(texts) if said), None)

"""What attributes of OpenTelemetry's GenAI conventions mean, in the names of several years, as fields of events.

All of these conventions are still in development, and what runs in production is years old: so names are a table, a
column a convention, newest first. An attribute that no table knows is kept in `attributes`, unless it holds text.
https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from canonry.service.formats._attributes import Attributes, drop, mapping, parsed, real, take, text, whole
from canonry.service.formats._messages import Message, finish_reason, from_chat, read_messages, take_indexed
from canonry.service.formats._spans import SpanEvent

EVALUATION = "gen_ai.evaluation.result"

INFERENCES = frozenset({"chat", "text_completion", "generate_content", "embeddings"})
"""Operations that are calls to a model."""

AGENT = "invoke_agent"

STEPS = {
    "retrieval": "retriever",
    "execute_tool": "tool",
    AGENT: "pipeline",
    "create_agent": "pipeline",
    "invoke_workflow": "pipeline",
    "plan": "pipeline",
}
"""Operations that are steps, in the words of STEP.operation."""


@dataclass(frozen=True)
class Convention:
    """Names of one time: the attribute of each field, and since when they were written so."""

    since: str
    names: Mapping[str, str]


CONVENTIONS = (
    Convention(
        "1.37 and later",
        {
            "operation": "gen_ai.operation.name",
            "provider": "gen_ai.provider.name",
            "request_model": "gen_ai.request.model",
            "response_model": "gen_ai.response.model",
            "provider_response_id": "gen_ai.response.id",
            "system_fingerprint": "openai.response.system_fingerprint",
            "service_tier": "openai.response.service_tier",
            "input_tokens": "gen_ai.usage.input_tokens",
            "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
            "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
            "output_tokens": "gen_ai.usage.output_tokens",
            "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
            "finish_reason": "gen_ai.response.finish_reasons",
            "prompt_name": "gen_ai.prompt.name",
            "prompt_version": "gen_ai.prompt.version",
            "session_id": "gen_ai.conversation.id",
            "input_messages": "gen_ai.input.messages",
            "output_messages": "gen_ai.output.messages",
            "query": "gen_ai.retrieval.query.text",
            "retrieved": "gen_ai.retrieval.documents",
        },
    ),
    Convention(
        "1.37, as some SDKs write it",
        {
            "cache_write_tokens": "gen_ai.usage.cache_write.input_tokens",
            "service_tier": "openai.request.service_tier",
            "session_id": "session.id",
        },
    ),
    Convention(
        "1.27 to 1.36",
        {
            "provider": "gen_ai.system",
            "system_fingerprint": "gen_ai.openai.response.system_fingerprint",
            "service_tier": "gen_ai.openai.response.service_tier",
            "cache_read_tokens": "gen_ai.usage.cache_read_input_tokens",
            "cache_write_tokens": "gen_ai.usage.cache_creation_input_tokens",
            "reasoning_tokens": "gen_ai.usage.reasoning_tokens",
        },
    ),
    Convention(
        "before 1.27, and OpenLLMetry",
        {
            "operation": "llm.request.type",
            "input_tokens": "gen_ai.usage.prompt_tokens",
            "output_tokens": "gen_ai.usage.completion_tokens",
            "service_tier": "gen_ai.openai.request.service_tier",
            "reasoning_tokens": "llm.usage.reasoning_tokens",
        },
    ),
)
"""Newest first: where a span has several, the newest name counts."""

NAMES: dict[str, tuple[str, ...]] = {
    field: tuple(each.names[field] for each in CONVENTIONS if field in each.names)
    for field in dict.fromkeys(field for each in CONVENTIONS for field in each.names)
}
"""Attributes of each field, newest first."""

PROVIDERS = {
    "az.ai.openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "gemini": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""Older names of providers."""

OLDER_OPERATIONS = {"completion": "text_completion", "embedding": "embeddings", "rerank": "rerank"}

PARAMETERS = {
    "stop_sequences": "stop",
    "choice.count": "n",
    "encoding_formats": "encoding_format",
    "dimension.count": "dimensions",
}
"""Request parameters that the APIs call otherwise than the conventions do."""

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
_CONTENT = (
    "gen_ai.prompt",
    "gen_ai.completion",
    "gen_ai.input.",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.",
    "gen_ai.retrieval.",
    "llm.request.functions",
    "traceloop.entity.input",
    "traceloop.entity.output",
)
"""Attributes that hold text are mapped or dropped: facts and text are kept apart."""


def operation(attributes: Mapping[str, Any]) -> str | None:
    """What a span did, in the conventions' words; None where it says nothing of a model's use."""
    for name in NAMES["operation"]:
        if said := text(attributes.get(name)):
            return OLDER_OPERATIONS.get(said, said)
    traced = text(attributes.get("traceloop.span.kind"))
    if traced is not None:
        return "execute_tool" if traced == "tool" else "invoke_workflow"
    if any(name in attributes for name in NAMES["provider"]) and any(
        name in attributes for name in NAMES["request_model"] + NAMES["response_model"]
    ):
        return "chat"
    return None


def take_inference(attributes: Attributes, events: Iterable[SpanEvent]) -> dict[str, Any]:
    """Fields of a call to a model. What is read is removed from `attributes`, and so is text that no field has."""
    fields: dict[str, Any] = {name: text(take(attributes, NAMES[name])) for name in _TEXTS}
    fields |= {name: whole(take(attributes, NAMES[name])) for name in _WHOLE}
    if fields["provider"]:
        fields["provider"] = PROVIDERS.get(fields["provider"], fields["provider"])
    first = real(attributes.pop("gen_ai.response.time_to_first_chunk", None))
    fields["time_to_first_token_ms"] = None if first is None else first * 1000
    fields["parameters"] = _take_parameters(attributes) or None
    fields["input_messages"], fields["output_messages"] = _take_messages(attributes, events)
    fields["finish_reason"] = fields["finish_reason"] or finish_reason(fields["output_messages"])
    drop(attributes, _CONTENT)
    return fields


def take_step(attributes: Attributes) -> dict[str, Any]:
    """Fields of a step: what it was asked, what it retrieved or gave back, and its name."""
    fields: dict[str, Any] = {
        "name": text(
            take(
                attributes,
                ("gen_ai.data_source.id", "gen_ai.tool.name", "gen_ai.agent.name", "gen_ai.workflow.name"),
            )
        )
        or text(attributes.pop("traceloop.entity.name", None)),
        "query": text(take(attributes, (*NAMES["query"], "gen_ai.tool.call.arguments", "traceloop.entity.input"))),
        "result": parsed(take(attributes, ("gen_ai.tool.call.result", "traceloop.entity.output"))),
        "retrieved": read_retrieved(take(attributes, NAMES["retrieved"])),
    }
    asked = read_messages(take(attributes, NAMES["input_messages"]), "user")
    answered = read_messages(take(attributes, NAMES["output_messages"]), "assistant")
    fields["query"] = fields["query"] or _said(asked)
    fields["result"] = fields["result"] if fields["result"] is not None else answered
    for names in NAMES.values():
        # An agent's or workflow's tokens are those of the calls inside it.
        take(attributes, names)
    drop(attributes, _CONTENT)
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
    asked = asked or take_indexed(attributes, "gen_ai.prompt", "user")
    answered = answered or take_indexed(attributes, "gen_ai.completion", "assistant")
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

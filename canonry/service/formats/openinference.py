"""What attributes of OpenInference (Arize Phoenix and its instrumentors) mean, as fields of events.

https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from canonry.service.formats._attributes import Attributes, drop, mapping, parsed, real, take, take_list, text, whole
from canonry.service.formats._messages import (
    Message,
    finish_reason,
    from_chat,
    from_choices,
    read_messages,
    text_message,
)
from canonry.service.formats._spans import SpanEvent

SPAN_KIND = "openinference.span.kind"

INFERENCES = {"LLM": "chat", "EMBEDDING": "embeddings"}
"""Span kinds that are calls to a model, as operations."""

STEPS = {
    "RETRIEVER": "retriever",
    "RERANKER": "reranker",
    "TOOL": "tool",
    "CHAIN": "pipeline",
    "AGENT": "pipeline",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluator",
}
"""Span kinds that are steps, in the words of STEP.operation."""

PROVIDERS = {
    "aws": "aws.bedrock",
    "azure": "azure.ai.openai",
    "google": "gcp.gemini",
    "mistralai": "mistral_ai",
    "vertexai": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""Names of providers that the GenAI conventions write otherwise."""

TOKENS = {
    "input_tokens": "llm.token_count.prompt",
    "cache_read_tokens": "llm.token_count.prompt_details.cache_read",
    "cache_write_tokens": "llm.token_count.prompt_details.cache_write",
    "output_tokens": "llm.token_count.completion",
    "reasoning_tokens": "llm.token_count.completion_details.reasoning",
}

_FIRST_TOKEN = "First Token Stream Event"
_CONTENT = ("input.", "output.", "llm.", "embedding.", "retrieval.", "reranker.", "tool.")
"""Attributes that hold text or vectors are mapped or dropped: facts and text are kept apart."""


def take_inference(attributes: Attributes, events: Iterable[SpanEvent], start_ns: int) -> dict[str, Any]:
    """Fields of a call to a model. What is read is removed from `attributes`, and so is text that no field has."""
    kind = str(attributes.get(SPAN_KIND)).upper()
    request = mapping(attributes.get("input.value"))
    response = mapping(attributes.get("output.value"))
    parameters = mapping(take(attributes, ("llm.invocation_parameters", "embedding.invocation_parameters")))
    answered_by = text(take(attributes, ("llm.response.model_name", "llm.model_name", "embedding.model_name")))
    asked_for = text(attributes.pop("llm.request.model_name", None)) or text(parameters.get("model"))
    provider = (text(take(attributes, ("llm.provider", "llm.system"))) or "").lower() or None
    fields: dict[str, Any] = {
        "operation": INFERENCES.get(kind, "chat"),
        "provider": PROVIDERS.get(provider, provider) if provider else None,
        "request_model": asked_for or text(request.get("model")) or answered_by,
        "response_model": text(response.get("model")) or answered_by,
        "provider_response_id": text(response.get("id")),
        "system_fingerprint": text(response.get("system_fingerprint")),
        "service_tier": text(response.get("service_tier")),
        "session_id": text(attributes.pop("session.id", None)),
        "parameters": {
            name: value for name, value in sorted(parameters.items()) if name not in ("model", "messages", "input")
        }
        or None,
        **{field: whole(attributes.pop(name, None)) for field, name in TOKENS.items()},
        **_take_messages(attributes, request, response),
    }
    said = text(attributes.pop("llm.finish_reason", None))
    fields["finish_reason"] = said or finish_reason(fields["output_messages"])
    first = [event.time_ns for event in events if event.name == _FIRST_TOKEN and event.time_ns >= start_ns]
    fields["time_to_first_token_ms"] = (first[0] - start_ns) / 1e6 if first else None
    _drop_content(attributes)
    return fields


def take_step(attributes: Attributes) -> dict[str, Any]:
    """Fields of a step: what it was asked, what it retrieved or gave back, and its name."""
    documents = take_list(attributes, "retrieval.documents") or take_list(attributes, "reranker.output_documents")
    fields: dict[str, Any] = {
        "name": text(take(attributes, ("tool.name", "agent.name", "reranker.model_name"))),
        "query": text(take(attributes, ("reranker.query", "input.value", "tool.parameters"))),
        "retrieved": [_retrieved(document) for document in documents] or None,
        "result": None if documents else parsed(take(attributes, ("output.value",))),
    }
    attributes.pop("session.id", None)
    _drop_content(attributes)
    return fields


def _retrieved(document: dict[str, Any]) -> dict[str, Any]:
    inner = document.get("document")
    known = inner if isinstance(inner, dict) else document
    return {"chunk_id": text(known.get("id")), "score": real(known.get("score")), "text": text(known.get("content"))}


def _take_messages(
    attributes: Attributes, request: dict[str, Any], response: dict[str, Any]
) -> dict[str, list[Message] | None]:
    asked = [_message(each, "user") for each in take_list(attributes, "llm.input_messages")]
    answered = [_message(each, "assistant") for each in take_list(attributes, "llm.output_messages")]
    embedded = [mapping(each.get("embedding")) for each in take_list(attributes, "embedding.embeddings")]
    asked = asked or [text_message("user", each["text"]) for each in embedded if each.get("text")]
    if not asked and not request:
        asked = read_messages(attributes.get("input.value"), "user") or []
    if not answered and not response and not embedded:
        answered = read_messages(attributes.get("output.value"), "assistant") or []
    told = from_choices(response.get("choices")) or []
    for message, reason in zip(answered, (finish_reason([each]) for each in told), strict=False):
        if reason:
            message["finish_reason"] = reason
    return {"input_messages": asked or None, "output_messages": answered or None}


def _message(entry: dict[str, Any], role: str) -> Message:
    """One of llm.input_messages or llm.output_messages, its `message.` taken off."""
    inner = entry.get("message")
    known = dict(inner) if isinstance(inner, dict) else dict(entry)
    contents = known.pop("contents", None)
    if isinstance(contents, list):
        parts = (each.get("message_content", each) for each in contents if isinstance(each, dict))
        known["content"] = [{"type": "text", **part} for part in parts if isinstance(part, dict)]
    calls = known.get("tool_calls")
    if isinstance(calls, list):
        known["tool_calls"] = [each.get("tool_call", each) for each in calls if isinstance(each, dict)]
    return from_chat(known, role)


def _drop_content(attributes: Attributes) -> None:
    costs = {name: value for name, value in attributes.items() if name.startswith("llm.cost.")}
    drop(attributes, _CONTENT)
    attributes.pop(SPAN_KIND, None)
    attributes.update(costs)

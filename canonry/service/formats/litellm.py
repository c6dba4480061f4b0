"""The log of a LiteLLM proxy: its StandardLoggingPayload, one object, an array of them, or one a line.

A call's `inference_id` is its `litellm_call_id`: its `id` is the provider's, and a cached answer repeats that. Attempts
that failed before another model or a retry answered share it, so each of these has its start added. What is kept of a
payload is named here; the rest of its 12 KB (the price list's entry of the model, addresses, user agents, headers,
hashes of keys) is not. What LiteLLM thinks a call costs is kept in `attributes`: charges are ours to compute.
https://docs.litellm.ai/docs/proxy/logging_spec
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson

from canonry.events import INFERENCE
from canonry.service.formats import Converted, FormatError, ItemError, check_count, reason_of
from canonry.service.formats._attributes import mapping, real, text, whole
from canonry.service.formats._messages import Message, finish_reason, from_choices, read_messages

OPERATIONS = {
    "completion": "chat",
    "responses": "chat",
    "anthropic_messages": "chat",
    "text_completion": "text_completion",
    "embedding": "embeddings",
    "generate_content": "generate_content",
    "generate_content_stream": "generate_content",
}
"""Operation by call type, the `a` of the asynchronous ones taken off; others stand for themselves."""

PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""Names of providers that the GenAI conventions write otherwise."""

OWN = ("feature", "environment", "session_id", "arm", "prompt_name", "prompt_version", "index_name", "index_version")
"""Fields that a product may name in a request's metadata, with or without `canonry.` before them."""

_KEPT = ("response_cost", "saved_cache_cost", "model_group", "model_id", "cache_key", "status")
_KEPT_OF_KEY = ("user_api_key_alias", "user_api_key_team_alias")
_WITHHELD = ("redacted-by-litellm", "REDACTED_BY_LITELLM")
_PRIVATE = frozenset(
    {"user", "safety_identifier", "metadata", "messages", "input", "prompt", "tools", "functions"}
    | {"extra_headers", "extra_body"}
)
"""Parameters that name a person or hold text."""
_HOW_IT_IS_SENT = ("stream", "stream_options", "encoding_format")
"""Of the answer, which is the same either way."""

_EPOCH = dt.datetime(1970, 1, 1)


def convert(body: bytes, content_type: str) -> Converted:
    """Events of a body. The content type is not looked at: LiteLLM sends none with its lines.

    A line or item that is no payload is rejected by itself. Raises FormatError where nothing in the body is JSON, and
    where it holds too much.
    """
    events: list[tuple[str, dict[str, Any]]] = []
    rejected: list[tuple[int, str, bytes]] = []
    items = _items(body)
    check_count(len(items))
    whole_body = body
    for position, item in enumerate(items):
        try:
            events.append((INFERENCE.name, _inference(item)))
        except Exception as error:
            raw = _raw(item)
            if raw is None:
                # Once is enough: it holds all that is nested too deeply.
                raw, whole_body = whole_body, b""
            rejected.append((position, reason_of(error), raw))
    if items and all(isinstance(item, bytes) for item in items):
        raise FormatError("expected StandardLoggingPayload as a JSON object, an array, or one object a line")
    return Converted(tuple(events), tuple(rejected))


def _items(body: bytes) -> list[Any]:
    """Payloads as parsed; a line that is no JSON as it came."""
    try:
        document = orjson.loads(body)
        return document if isinstance(document, list) else [document]
    except orjson.JSONDecodeError:
        return [_line(line) for line in body.splitlines() if line.strip()]


def _raw(item: Any) -> bytes | None:
    """The bytes of an item; None where it is nested too deeply to be written again."""
    try:
        return item if isinstance(item, bytes) else orjson.dumps(item)
    except TypeError:
        return None


def _line(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return line


def _inference(payload: Any) -> dict[str, Any]:
    if not isinstance(payload, dict):
        raise ItemError("event: expected a StandardLoggingPayload, a JSON object")
    identifier = text(payload.get("litellm_call_id"))
    if identifier is None:
        raise ItemError("litellm_call_id: missing; a LiteLLM proxy of 1.84 or later logs it")
    started, ended = real(payload.get("startTime")), real(payload.get("endTime"))
    if started is None or not 0 < started < 1e11:
        raise ItemError("startTime: missing or not seconds since 1970")
    metadata, response = mapping(payload.get("metadata")), mapping(payload.get("response"))
    failed = payload.get("status") == "failure"
    if failed:
        identifier = f"{identifier}-failed-{round(started * 1e6)}"
    said = mapping(payload.get("model_parameters"))
    parameters = {name: value for name, value in sorted(said.items()) if name not in (*_PRIVATE, *_HOW_IT_IS_SENT)}
    first = real(payload.get("completionStartTime")) if said.get("stream") else None
    output = from_choices(response.get("choices")) or read_messages(response.get("output"), "assistant")
    event = {
        "inference_id": identifier,
        "provider_response_id": text(response.get("id")),
        "trace_id": _trace(metadata),
        "session_id": text(payload.get("session_id")),
        "started_at": (_EPOCH + dt.timedelta(seconds=started)).isoformat(timespec="microseconds") + "Z",
        "latency_ms": round((ended - started) * 1000, 3) if ended is not None and ended >= started else None,
        "time_to_first_token_ms": round((first - started) * 1000, 3) if first and first >= started else None,
        "operation": _operation(text(payload.get("call_type")) or ""),
        "provider": _provider(payload),
        **_models(payload, response),
        "system_fingerprint": text(response.get("system_fingerprint")),
        "service_tier": text(response.get("service_tier")),
        "parameters": parameters or None,
        **({} if failed else _tokens(payload, metadata)),
        "attempt": _attempt(payload),
        "finish_reason": finish_reason(output),
        "error_type": _error(payload) if failed else None,
        "cache_hit": payload.get("cache_hit") is True,
        "user_id": text(payload.get("end_user")) or text(metadata.get("user_api_key_end_user_id")),
        "logged_by": "litellm",
        "input_messages": _shown(payload.get("messages"), "user"),
        "output_messages": None if _withheld(response) else output,
        **_named(payload, metadata),
        "attributes": _kept(payload, metadata) or None,
    }
    return {name: value for name, value in event.items() if value is not None}


def _operation(call_type: str) -> str | None:
    known = OPERATIONS.get(call_type) or (OPERATIONS.get(call_type[1:]) if call_type.startswith("a") else None)
    return known or call_type or None


def _provider(payload: dict[str, Any]) -> str | None:
    said = text(payload.get("custom_llm_provider"))
    return PROVIDERS.get(said, said) if said else None


def _models(payload: dict[str, Any], response: dict[str, Any]) -> dict[str, str | None]:
    """What the product asked for, and what answered: the proxy's own alias of a model tells nothing of its price."""
    provider = text(payload.get("custom_llm_provider"))
    deployed = (text(payload.get("model")) or "").removeprefix(f"{provider}/") or None
    asked = text(payload.get("model_group")) or deployed
    answered = text(response.get("model"))
    if answered is None:
        return {"request_model": asked, "response_model": None}
    return {"request_model": asked, "response_model": deployed if answered == asked else answered}


def _tokens(payload: dict[str, Any], metadata: dict[str, Any]) -> dict[str, int | None]:
    usage = mapping(metadata.get("usage_object"))
    asked = mapping(usage.get("prompt_tokens_details"))
    answered = mapping(usage.get("completion_tokens_details"))
    return {
        "input_tokens": whole(payload.get("prompt_tokens")),
        "output_tokens": whole(payload.get("completion_tokens")),
        "cache_read_tokens": _first(asked.get("cached_tokens"), usage.get("cache_read_input_tokens")),
        "cache_write_tokens": _first(asked.get("cache_creation_tokens"), usage.get("cache_creation_input_tokens")),
        "reasoning_tokens": whole(answered.get("reasoning_tokens")),
    }


def _first(*values: Any) -> int | None:
    return next((found for value in values if (found := whole(value)) is not None), None)


def _attempt(payload: dict[str, Any]) -> int | None:
    headers = mapping(mapping(payload.get("hidden_params")).get("additional_headers"))
    retries = whole(headers.get("x-litellm-attempted-retries"))
    return None if retries is None or retries < 0 else retries + 1


def _error(payload: dict[str, Any]) -> str:
    return text(mapping(payload.get("error_information")).get("error_class")) or "error"


def _trace(metadata: dict[str, Any]) -> str | None:
    """The trace of the product's own span, where its client propagated it (W3C traceparent)."""
    headers = mapping(mapping(metadata.get("requester_metadata")).get("headers"))
    parts = (text(headers.get("traceparent")) or "").split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else None


def _named(payload: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    """What the product says of itself, in the request's metadata; else what its key is called."""
    said = {
        **mapping(metadata.get("user_api_key_auth_metadata")),
        **mapping(metadata.get("requester_metadata")),
        **mapping(metadata.get("spend_logs_metadata")),
    }
    named = {name: text(said.get(f"canonry.{name}")) or text(said.get(name)) for name in (*OWN, "product")}
    key = [text(metadata.get(name)) for name in _KEPT_OF_KEY]
    named["product"] = named["product"] or next((name for name in key if name), "litellm")
    return {name: value for name, value in named.items() if value}


def _kept(payload: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    tags = payload.get("request_tags")
    listed = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    kept = {name: payload.get(name) for name in _KEPT}
    kept |= {name: metadata.get(name) for name in _KEPT_OF_KEY}
    kept["request_tags"] = [tag for tag in listed if not tag.startswith("User-Agent:")]
    kept["litellm_trace_id"] = payload.get("trace_id")
    kept["error_code"] = text(mapping(payload.get("error_information")).get("error_code"))
    return {name: value for name, value in kept.items() if value not in (None, "", [])}


def _shown(messages: Any, role: str) -> list[Message] | None:
    return None if _withheld(messages) else read_messages(messages, role)


def _withheld(content: Any) -> bool:
    """Whether LiteLLM was told to log no text, and says so where the text would be."""
    if isinstance(content, dict):
        return any(_withheld(content.get(name)) for name in ("text", "content", "choices", "message"))
    if isinstance(content, list):
        return any(_withheld(each) for each in content)
    return isinstance(content, str) and content in _WITHHELD

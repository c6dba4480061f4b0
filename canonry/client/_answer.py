"""What OpenAI's requests and answers say, as fields of an inference. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

PARAMETERS = (
    *("temperature", "top_p", "max_tokens", "max_completion_tokens", "max_output_tokens", "n", "seed", "stop"),
    *("frequency_penalty", "presence_penalty", "reasoning_effort", "reasoning", "verbosity", "tool_choice"),
    *("parallel_tool_calls", "logprobs", "top_logprobs", "service_tier", "truncation", "dimensions"),
)
"""Request parameters that are kept: not how the answer is sent, nor `user` and `metadata`, which may name a person."""

_ENDS = {"max_output_tokens": "length"}


_OF_THE_PRODUCT: Any = {
    "choices": {
        "__all__": {"message": {"parsed": True, "tool_calls": {"__all__": {"function": {"parsed_arguments"}}}}}
    },
    "output": {"__all__": {"parsed_arguments": True, "content": {"__all__": {"parsed"}}}},
}
"""Where a parsed answer holds objects of the product's own types, whose serialisers are not ours to run."""


def document_of(answer: Any) -> Any:
    """What a parsed answer says; vectors, and what the product's own types made of it, are left where they are."""
    if isinstance(answer, Mapping) or not hasattr(answer, "model_dump"):
        return answer
    if hasattr(answer, "data"):
        return {"model": getattr(answer, "model", None), "usage": document_of(getattr(answer, "usage", None))}
    return answer.model_dump(mode="json", warnings=False, exclude=_OF_THE_PRODUCT)


def request_fields(body: Mapping[str, Any], content: bool) -> dict[str, Any]:
    """Model, parameters and, with `content`, the messages of a request."""
    parameters = {name: body[name] for name in PARAMETERS if body.get(name) is not None}
    if isinstance(form := body.get("response_format"), Mapping):
        parameters["response_format"] = form.get("type")
    fields = {"request_model": body.get("model"), "parameters": parameters or None}
    if content:
        fields["input_messages"] = list(_input_messages(body)) or None
    return fields


def answer_fields(document: Mapping[str, Any], content: bool) -> dict[str, Any]:
    """Id, model, tokens, reason and, with `content`, the messages of an answer, whichever kind it is."""
    usage = _mapping(document.get("usage"))
    read = _mapping(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    written = _mapping(usage.get("completion_tokens_details") or usage.get("output_tokens_details"))
    messages = [_choice_message(choice) for choice in _mappings(document.get("choices"))]
    messages += _output_messages(document)
    fields = {
        "provider_response_id": document.get("id"),
        "response_model": document.get("model"),
        "system_fingerprint": document.get("system_fingerprint"),
        "service_tier": document.get("service_tier"),
        "input_tokens": _first(usage, "prompt_tokens", "input_tokens"),
        "cache_read_tokens": read.get("cached_tokens"),
        "cache_write_tokens": read.get("cache_write_tokens"),
        "output_tokens": _first(usage, "completion_tokens", "output_tokens"),
        "reasoning_tokens": written.get("reasoning_tokens"),
        "finish_reason": next((each["finish_reason"] for each in messages if each.get("finish_reason")), None),
    }
    if isinstance(error := document.get("error"), Mapping):
        fields["error_type"] = str(error.get("code") or error.get("type") or "error")
    if content:
        fields["output_messages"] = messages or None
    return fields


def _input_messages(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if body.get("instructions"):
        yield _message("system", body["instructions"])
    said = body.get("messages") or body.get("input") or body.get("prompt")
    for each in [said] if isinstance(said, (str, Mapping)) else said if isinstance(said, list) else []:
        if isinstance(each, str):
            yield _message("user", each)
        elif isinstance(each, Mapping):
            yield _chat_message(each)


def _chat_message(message: Mapping[str, Any]) -> dict[str, Any]:
    role = str(message.get("role") or ("tool" if "output" in message else "assistant"))
    if "tool_call_id" in message or message.get("type") == "function_call_output":
        call = message.get("tool_call_id") or message.get("call_id")
        answer = _without_data(message.get("content", message.get("output")))
        return {"role": "tool", "parts": [{"type": "tool_call_response", "id": call, "response": answer}]}
    return {"role": role, "parts": list(_parts(message))}


def _choice_message(choice: Mapping[str, Any]) -> dict[str, Any]:
    message = choice.get("message")
    made = _chat_message(message) if isinstance(message, Mapping) else _message("assistant", choice.get("text"))
    return {**made, "finish_reason": choice.get("finish_reason")}


def _output_messages(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The one message that the items of a response make."""
    items = _mappings(document.get("output"))
    if not items and "status" not in document:
        return []
    parts = [part for item in items for part in _parts(item)]
    reason = _mapping(document.get("incomplete_details")).get("reason")
    if document.get("status") == "completed":
        reason = "tool_calls" if any(part["type"] == "tool_call" for part in parts) else "stop"
    return [{"role": "assistant", "parts": parts, "finish_reason": _ENDS.get(str(reason), reason)}]


def _parts(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Parts as in gen_ai.input.messages, from a message or an item of either API."""
    content = message.get("content")
    for each in [content] if isinstance(content, (str, Mapping)) else content if isinstance(content, list) else []:
        if isinstance(each, str):
            yield {"type": "text", "content": each}
        elif isinstance(each, Mapping):
            text = each.get("text") if each.get("text") is not None else each.get("refusal")
            yield _without_data(each) if text is None else {"type": "text", "content": text}
    if message.get("refusal"):
        yield {"type": "text", "content": message["refusal"]}
    for call in _mappings(message.get("tool_calls")):
        function = _mapping(call.get("function") or call.get("custom"))
        arguments = function.get("arguments", function.get("input"))
        yield {"type": "tool_call", "id": call.get("id"), "name": function.get("name"), "arguments": arguments}
    if message.get("type") == "function_call":
        called = {"id": message.get("call_id"), "name": message.get("name"), "arguments": message.get("arguments")}
        yield {"type": "tool_call", **called}
    for summary in _mappings(message.get("summary")):
        yield {"type": "reasoning", "content": summary.get("text")}


def _message(role: str, text: Any) -> dict[str, Any]:
    return {"role": role, "parts": list(_parts({"content": text}))}


def _without_data(value: Any) -> Any:
    """The value without files that are written out inside it: a picture is not text, and large."""
    if isinstance(value, str):
        if value.startswith("data:") and "," in value[:200]:
            return f"{value.partition(',')[0]},… ({len(value):,} characters)"
        return value
    if isinstance(value, Mapping):
        return {
            name: f"… ({len(each):,} characters)"
            if name in ("data", "file_data") and isinstance(each, str)
            else _without_data(each)
            for name, each in value.items()
        }
    return [_without_data(each) for each in value] if isinstance(value, list) else value


def _first(document: Mapping[str, Any], *names: str) -> Any:
    return next((document[name] for name in names if document.get(name) is not None), None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, Iterable) else []

"""Messages of other conventions in the form of `gen_ai.input.messages`: a role and typed parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from canonry.service.formats._attributes import parsed, take_list, text

Message = dict[str, Any]


def text_message(role: str, content: Any) -> Message:
    """A message of one text."""
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def read_messages(value: Any, role: str) -> list[Message] | None:
    """Messages from JSON text, a list, one message, or a bare text said by `role`. None where nothing was said."""
    value = parsed(value)
    if value is None or value == "" or value == []:
        return None
    entries = value if isinstance(value, list) else [value]
    return [from_chat(entry, role) if isinstance(entry, dict) else text_message(role, entry) for entry in entries]


def from_chat(message: Message, role: str = "user") -> Message:
    """A message as chat APIs write it (content, tool_calls, tool_call_id); one that has parts stays as it is."""
    if isinstance(message.get("parts"), list):
        return message
    said = str(message.get("role") or role)
    if message.get("tool_call_id") and said == "tool":
        response = {"type": "tool_call_response", "id": message["tool_call_id"], "response": message.get("content")}
        return {"role": said, "parts": [response]}
    parts = list(_parts(message.get("content"))) + [_tool_call(call) for call in _mappings(message.get("tool_calls"))]
    whole: Message = {"role": said, "parts": parts}
    if message.get("finish_reason"):
        whole["finish_reason"] = message["finish_reason"]
    return whole


def from_choices(choices: Any) -> list[Message] | None:
    """Messages of a chat completion's choices, each with its finish reason; of a text completion's, their texts."""
    messages = []
    for choice in _mappings(choices):
        message = choice.get("message")
        if not isinstance(message, dict):
            message = {"role": "assistant", "content": choice.get("text")}
        messages.append(from_chat({**message, "finish_reason": choice.get("finish_reason")}, "assistant"))
    return messages or None


def take_indexed(attributes: dict[str, Any], prefix: str, role: str) -> list[Message] | None:
    """Messages spelled out as `PREFIX.0.role`, `PREFIX.0.content`, …; they are removed."""
    return [from_chat(message, role) for message in take_list(attributes, prefix)] or None


def finish_reason(messages: Iterable[Message] | None) -> str | None:
    """The finish reason that an output message carries."""
    return next((reason for each in messages or () if (reason := text(each.get("finish_reason")))), None)


def _parts(content: Any) -> Iterable[Message]:
    if content is None or content == "":
        return
    for part in content if isinstance(content, list) else [content]:
        if not isinstance(part, dict):
            yield {"type": "text", "content": part}
        elif part.get("type") in ("text", "input_text", "output_text") and "text" in part:
            yield {"type": "text", "content": part["text"]}
        else:
            yield part


def _tool_call(call: Message) -> Message:
    function = call.get("function")
    function = function if isinstance(function, dict) else call
    found = {"id": call.get("id"), "name": function.get("name"), "arguments": parsed(function.get("arguments"))}
    return {"type": "tool_call", **{name: value for name, value in found.items() if value is not None}}


def _mappings(value: Any) -> Iterable[Message]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

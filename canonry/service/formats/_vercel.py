"""Messages as Vercel's AI SDK writes them into attributes of spans: a text, an object, calls of tools, texts to embed.

https://ai-sdk.dev/docs/ai-sdk-core/telemetry#collected-data
"""

from __future__ import annotations

from typing import Any

import orjson

from canonry.service.formats._attributes import Attributes, parsed, take, text
from canonry.service.formats._messages import Message, from_chat, text_message


def take_answer(attributes: Attributes) -> list[Message] | None:
    """What the model answered; None where nothing was said of it. What is read is removed."""
    said = text(take(attributes, ("ai.response.text", "ai.response.object", "ai.result.text", "ai.result.object")))
    calls = parsed(take(attributes, ("ai.response.toolCalls", "ai.result.toolCalls")))
    listed = [_call(each) for each in calls if isinstance(each, dict)] if isinstance(calls, list) else []
    if said is None and not listed:
        return None
    return [from_chat({"role": "assistant", "content": said, "tool_calls": listed})]


def take_embedded(attributes: Attributes) -> list[Message] | None:
    """The texts that were embedded, each written as JSON. What is read is removed."""
    values = take(attributes, ("ai.values", "ai.value"))
    listed = values if isinstance(values, list) else [values]
    return [text_message("user", _unquoted(each)) for each in listed if each is not None] or None


def _call(call: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": call.get("toolCallId"),
        "name": call.get("toolName"),
        "arguments": call.get("input", call.get("args")),
    }


def _unquoted(value: Any) -> Any:
    try:
        return orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return value

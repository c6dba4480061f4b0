"""What was said: the text inside `input_messages` and `output_messages`, however the product wrote them.

Read are GenAI convention messages (`parts`), chat messages (`content`, a text or a list of parts), and a bare text.
"""

from __future__ import annotations

import json
from typing import Any

NO_MESSAGES = ("", "[]", "{}", "null", '""')
"""JSON texts of a messages column that say nothing."""


def question_text(input_messages: str | None) -> str:
    """What the user last said: the last message of role `user`, else the last message; empty where there is none."""
    messages = _messages(input_messages)
    asked = [text for role, text in messages if role == "user"] or [text for _, text in messages]
    return asked[-1] if asked else ""


def answer_text(output_messages: str | None) -> str:
    """What the model answered: every message, in order; empty where there is none."""
    return "\n\n".join(text for _, text in _messages(output_messages) if text)


def instructions_text(input_messages: str | None) -> str:
    """What the product told the model: messages of role `system` or `developer`, in order; empty where none is."""
    return "\n\n".join(text for role, text in _messages(input_messages) if role in ("system", "developer") and text)


def _messages(column: str | None) -> list[tuple[str | None, str]]:
    if column is None:
        return []
    try:
        document = json.loads(column)
    except (ValueError, RecursionError):
        return [(None, column)]
    entries = document if isinstance(document, list) else [document]
    return [(_role(entry), _text(entry)) for entry in entries if entry is not None]


def _role(message: Any) -> str | None:
    role = message.get("role") if isinstance(message, dict) else None
    return role if isinstance(role, str) else None


def _text(message: Any) -> str:
    if isinstance(message, str):
        return message
    if isinstance(message, list):
        return "\n".join(text for text in map(_text, message) if text)
    if isinstance(message, dict):
        for key in ("parts", "content", "text"):
            if message.get(key):
                return _text(message[key])
    return ""

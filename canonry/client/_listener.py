"""Listens to the bytes of an answer while somebody else reads them, and puts together what they said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

LONGEST = 16 << 20
"""Bytes of an answer that are kept; of a longer one the rest is not listened to."""


class Listener:
    """Takes the decoded bytes of an HTTP body: one JSON document, or server-sent events that make one."""

    def __init__(self, *, events: bool) -> None:
        self.begun = False
        """The first token has come."""
        self._events = events
        self._bytes = 0
        self._pieces: list[bytes] = []
        self._rest: list[bytes] = []
        self._document: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._text: list[str] = []

    def hear(self, data: bytes) -> None:
        """The next bytes of the body."""
        self._bytes += len(data)
        if self._bytes > LONGEST:
            return
        if not self._events:
            self._pieces.append(data)
            return
        self._rest.append(data)
        if b"\n" not in data:
            return
        # Pieces of a line are joined once, when its end has come: a long one comes in thousands.
        *lines, rest = b"".join(self._rest).split(b"\n")
        self._rest = [rest]
        for line in lines:
            if line.startswith(b"data:") and (text := line[5:].strip()) and text != b"[DONE]":
                try:
                    document = orjson.loads(text)
                except orjson.JSONDecodeError:
                    continue
                if isinstance(document, dict):
                    self._event(document)

    def document(self) -> Mapping[str, Any]:
        """The answer as if it had come in one piece; what has not come is not in it."""
        if not self._events:
            found = orjson.loads(b"".join(self._pieces)) if self._pieces and self._bytes <= LONGEST else {}
            return found if isinstance(found, dict) else {}
        made = dict(self._document)
        if self._choices:
            made["choices"] = [self._choice(self._choices[index]) for index in sorted(self._choices)]
        if self._text and not made.get("output"):
            made["output"] = [{"type": "message", "role": "assistant", "content": "".join(self._text)}]
        return made

    def _event(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if isinstance(response := event.get("response"), dict):
            self._document = response
        elif isinstance(kind, str) and kind.endswith(".delta"):
            self.begun = True
            if kind == "response.output_text.delta" and isinstance(event.get("delta"), str):
                self._text.append(event["delta"])
        elif kind == "error":
            self._document["error"] = event
        else:
            self._document |= {
                name: value for name, value in event.items() if name not in ("choices", "type") and value is not None
            }
            for choice in event.get("choices") or ():
                self._delta(choice)

    def _delta(self, choice: dict[str, Any]) -> None:
        kept = self._choices.setdefault(choice.get("index") or 0, {"content": [], "tools": {}, "refusal": []})
        kept["finish_reason"] = choice.get("finish_reason") or kept.get("finish_reason")
        if choice.get("text"):
            self.begun = True
            kept["content"].append(choice["text"])
        delta = choice.get("delta") or {}
        for name in ("content", "refusal"):
            if delta.get(name):
                self.begun = True
                kept[name].append(delta[name])
        for call in delta.get("tool_calls") or ():
            self.begun = True
            tool = kept["tools"].setdefault(call.get("index") or 0, {"arguments": []})
            tool["id"] = call.get("id") or tool.get("id")
            function = call.get("function") or {}
            tool["name"] = function.get("name") or tool.get("name")
            tool["arguments"].append(function.get("arguments") or "")

    @staticmethod
    def _choice(kept: dict[str, Any]) -> dict[str, Any]:
        calls = [
            {"id": tool.get("id"), "function": {"name": tool.get("name"), "arguments": "".join(tool["arguments"])}}
            for _, tool in sorted(kept["tools"].items())
        ]
        message = {"role": "assistant", "content": "".join(kept["content"]) or None, "tool_calls": calls}
        message["refusal"] = "".join(kept["refusal"]) or None
        return {"finish_reason": kept["finish_reason"], "message": message}

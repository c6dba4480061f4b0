"""What is asked, and what comes of it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Request:
    """One question to a model. `parameters` go beside it as they are: temperature, max_tokens, response_format, …"""

    model: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    salt: str = ""
    """Requests that differ by it alone are kept apart: a day's name makes the same question be asked anew that day."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that an answer depends on: what completions are kept by."""
        document = {**self.body(), "salt": self.salt}
        return hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def body(self) -> dict[str, Any]:
        """What is sent."""
        messages = [{"role": each.role, "content": each.content} for each in self.messages]
        return {**self.parameters, "model": self.model, "messages": messages}


@dataclass(frozen=True)
class Completion:
    """What a model answered. Tokens are None where the endpoint gave no count; latency is milliseconds."""

    text: str
    finish_reason: str | None
    response_model: str | None
    response_id: str | None
    system_fingerprint: str | None
    input_tokens: int | None
    cache_read_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    started_at: dt.datetime
    latency_ms: float
    kept: bool = False
    """It was asked earlier, and cost nothing now."""


@dataclass(frozen=True)
class Failed:
    """A request that got no answer after every attempt, and what was wrong last."""

    error_type: str
    """timeout, connection, malformed_response, given_up, or the HTTP status."""
    message: str
    started_at: dt.datetime | None = None
    """When it was first tried; None where it was not."""
    latency_ms: float | None = None

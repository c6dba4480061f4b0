"""Logs that keep what they would send, and wrapped OpenAI clients that are answered with given bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from canonry.client import EventLog, wrap_openai
from canonry.client import _event_log as event_log_module
from tests import openai_stand_in

ASKED: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How do I reset it?"}]
USAGE: Any = {"include_usage": True}


class Kept(EventLog):
    """A log that keeps what it would send."""

    def __init__(self) -> None:
        super().__init__(home="nowhere", source="test", fields={"product": "docs-site"})
        self.events: list[dict[str, Any]] = []

    def _put(self, kind: str, event: dict[str, Any]) -> None:
        self.events.append(json.loads(event_log_module.line_of(event)))


def only(log: Kept) -> dict[str, Any]:
    [event] = log.events
    return event


def answering(log: Kept, *bodies: bytes, kind: str = "application/json", fail: bool = False) -> openai.OpenAI:
    """A wrapped client whose every request is answered with these bytes, one piece after the other."""

    def pieces() -> Iterator[bytes]:
        yield from bodies
        if fail:
            raise httpx2.ReadError("cut off")

    def handle(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": kind}, content=pieces())

    transport = httpx2.Client(transport=httpx2.MockTransport(handle))
    return wrap_openai(openai.OpenAI(api_key="x", http_client=transport, max_retries=0), log=log)


def events(*documents: dict[str, Any]) -> bytes:
    return b"".join(b"event: x\r\ndata: " + json.dumps(each).encode() + b"\r\n\r\n" for each in documents)


RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "small-2026-01-01",
    "status": "completed",
    "service_tier": "default",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Thinking."}]},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Press it.", "annotations": []}],
        },
    ],
    "usage": {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 14,
    },
}


def check_response(event: dict[str, Any]) -> None:
    expected = {
        "operation": "chat",
        "provider_response_id": "resp_1",
        "response_model": "small-2026-01-01",
        "input_tokens": 9,
        "cache_read_tokens": 4,
        "cache_write_tokens": 1,
        "output_tokens": 5,
        "reasoning_tokens": 3,
        "finish_reason": "stop",
    }
    assert {name: event.get(name) for name in expected} == expected
    assert [message["role"] for message in event["input_messages"]] == ["system", "user"]
    parts = event["output_messages"][0]["parts"]
    assert parts == [{"type": "reasoning", "content": "Thinking."}, {"type": "text", "content": "Press it."}]


@pytest.fixture
def log() -> Kept:
    return Kept()


ANSWER = "You said: How do I reset it?"


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with openai_stand_in.serving() as url:
        yield url


@pytest.fixture
def client(base_url: str, log: Kept) -> openai.OpenAI:
    made = openai.OpenAI(base_url=base_url, api_key="x", max_retries=0)
    assert wrap_openai(made, log=log, feature="ask") is made
    return made


def check_chat(event: dict[str, Any], *, streamed: bool) -> None:
    expected = {
        "operation": "chat",
        "provider": "openai",
        "product": "docs-site",
        "feature": "ask",
        "request_model": "small",
        "response_model": "small-2026-01-01",
        "system_fingerprint": "fp_stand_in",
        "service_tier": "default",
        "finish_reason": "stop",
        "input_tokens": 7,
        "cache_read_tokens": 2,
        "output_tokens": 7,
        "reasoning_tokens": 0,
    }
    assert {name: event.get(name) for name in expected} == expected
    assert event["provider_response_id"].startswith("chatcmpl-")
    assert event["parameters"]["temperature"] == 0.5
    assert event["input_messages"] == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "How do I reset it?"}]},
    ]
    said = {"role": "assistant", "parts": [{"type": "text", "content": ANSWER}], "finish_reason": "stop"}
    assert event["output_messages"] == [said]
    assert event["latency_ms"] > 0
    assert ("time_to_first_token_ms" in event) == streamed
    assert event.get("time_to_first_token_ms", 0) <= event["latency_ms"]


STREAM: dict[str, Any] = {
    "model": "small",
    "messages": ASKED,
    "temperature": 0.5,
    "stream": True,
    "stream_options": {"include_usage": True},
}


def text_of(chunks: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

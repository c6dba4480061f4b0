"""One request over HTTP, tried again where that may help: after 429, a server's error, silence, or nonsense."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import stamina
from stamina.instrumentation import LoggingOnRetryHook, set_on_retry_hooks

from canonry.completions._endpoint import KEY_VARIABLE, Endpoint, EndpointError
from canonry.completions._nouns import Completion, Failed, Request

# Where structlog is installed it would print every retry on standard output, among what a command says.
set_on_retry_hooks([LoggingOnRetryHook])

MAX_ANSWER_BYTES = 8 << 20

_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to try."""

    attempts: int = 4
    answer: float = 60.0
    """For one whole answer, however it comes: one that trickles is given up, too."""
    first_wait: float = 0.5
    longest_wait: float = 30.0
    """Between two attempts, also where the endpoint asks for more (Retry-After)."""


BACKGROUND = Patience()
"""For work nobody waits for."""


def ask(
    client: httpx.Client, endpoint: Endpoint, request: Request, patience: Patience = BACKGROUND
) -> Completion | Failed:
    """The answer to a request, or why there is none. Raises EndpointError where no request can succeed (401, 403)."""

    def again(error: Exception) -> bool | float:
        if not isinstance(error, _Unanswered) or not error.again:
            return False
        return True if error.wait is None else min(error.wait, patience.longest_wait)

    first = dt.datetime.now(dt.UTC)
    began = time.monotonic()
    try:
        for attempt in stamina.retry_context(
            on=again,
            attempts=patience.attempts,
            timeout=None,
            wait_initial=patience.first_wait,
            wait_max=patience.longest_wait,
            wait_jitter=patience.first_wait,
        ):
            with attempt:
                return _attempt(client, endpoint, request, patience)
    except _Unanswered as error:
        return Failed(error.error_type, str(error), first, (time.monotonic() - began) * 1e3)
    raise AssertionError("unreachable: the loop returns or raises")


class _Unanswered(Exception):
    """An attempt without an answer; `wait` is how many seconds the endpoint asks to wait."""

    def __init__(self, error_type: str, message: str, *, again: bool, wait: float | None = None) -> None:
        super().__init__(message)
        self.error_type, self.again, self.wait = error_type, again, wait


def _attempt(client: httpx.Client, endpoint: Endpoint, request: Request, patience: Patience) -> Completion:
    started_at = dt.datetime.now(dt.UTC)
    began = time.monotonic()
    headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    body = bytearray()
    try:
        with client.stream(
            "POST", f"{endpoint.url}/chat/completions", json=request.body(), headers=headers, timeout=patience.answer
        ) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() - began > patience.answer:
                    raise _Unanswered("timeout", f"no whole answer in {patience.answer:g} s", again=True)
                if len(body) > MAX_ANSWER_BYTES:
                    message = f"an answer of more than {MAX_ANSWER_BYTES:,} bytes"
                    raise _Unanswered("malformed_response", message, again=False)
    except httpx.TimeoutException:
        raise _Unanswered("timeout", f"no answer in {patience.answer:g} s", again=True) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        message = endpoint.conceal(f"{endpoint.host}: {type(error).__name__}: {error}")
        raise _Unanswered("connection", message, again=True) from None
    latency_ms = (time.monotonic() - began) * 1e3
    if response.status_code in (401, 403):
        raise EndpointError(
            f"{endpoint.host} answers {response.status_code}: {_reason(endpoint, body)}; see {KEY_VARIABLE}"
        )
    if response.status_code != 200:
        raise _Unanswered(
            str(response.status_code),
            f"{endpoint.host} answers {response.status_code}: {_reason(endpoint, body)}",
            again=response.status_code in _AGAIN,
            wait=_retry_after(response.headers),
        )
    return _completion(endpoint, bytes(body), started_at, latency_ms)


def _completion(endpoint: Endpoint, body: bytes, started_at: dt.datetime, latency_ms: float) -> Completion:
    try:
        document = orjson.loads(body)
        choice = document["choices"][0]
        text = choice["message"].get("content")
        if text is None:
            text = ""
        if not isinstance(text, str):
            raise TypeError("content is no text")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        message = f"{endpoint.host} answers 200 with no chat completion: {type(error).__name__}"
        raise _Unanswered("malformed_response", message, again=True) from None
    usage = document.get("usage")
    return Completion(
        text=text,
        finish_reason=_text(choice.get("finish_reason")),
        response_model=_text(document.get("model")),
        response_id=_text(document.get("id")),
        system_fingerprint=_text(document.get("system_fingerprint")),
        input_tokens=_count(usage, "prompt_tokens"),
        cache_read_tokens=_count(_inside(usage, "prompt_tokens_details"), "cached_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        reasoning_tokens=_count(_inside(usage, "completion_tokens_details"), "reasoning_tokens"),
        started_at=started_at,
        latency_ms=latency_ms,
    )


def _reason(endpoint: Endpoint, body: bytes | bytearray) -> str:
    try:
        said = orjson.loads(body)["error"]["message"]
    except (ValueError, LookupError, TypeError):
        return f"{len(body):,} bytes that are no error of an OpenAI-compatible endpoint"
    return endpoint.conceal(str(said))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; a date is left to our own waiting."""
    try:
        return max(float(headers["retry-after"]), 0.0)
    except (KeyError, ValueError):
        return None


def _inside(document: Any, name: str) -> Any:
    return document.get(name) if isinstance(document, dict) else None


def _count(document: Any, name: str) -> int | None:
    found = _inside(document, name)
    return found if type(found) is int and found >= 0 else None


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) else None

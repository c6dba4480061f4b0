"""A stand-in for an OpenAI-compatible server: chat completions, streaming included, and embeddings.

Ids count upwards from the start, so that the same calls to two servers get the same ids. Answers, token counts and
vectors are made from the request alone: a token is a word. A model called `broken` answers 500, one called `limited`
429.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DIMENSION = 8
CREATED = 1_764_000_000
FINGERPRINT = "fp_stand_in"
ERRORS = {"broken": (500, "server_error"), "limited": (429, "rate_limit_exceeded")}


@contextmanager
def serving() -> Iterator[str]:
    """Base URL (`http://127.0.0.1:PORT/v1`) of a server on a thread of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.numbers = itertools.count(1)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer_to(messages: list[dict[str, Any]]) -> str:
    """What the stand-in answers: the last message, said back."""
    return f"You said: {_text(messages[-1].get('content'))}"


def usage_of(messages: list[dict[str, Any]], answer: str) -> dict[str, Any]:
    """Token counts of a chat: words; a third of the input was read from the provider's cache."""
    prompt = sum(len(_text(message.get("content")).split()) for message in messages)
    completion = len(answer.split())
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": prompt // 3},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = next(self.server.numbers)  # type: ignore[attr-defined]
        if request.get("model") in ERRORS:
            status, kind = ERRORS[request["model"]]
            self._send(status, {"error": {"message": f"the model is {request['model']}", "type": kind, "code": kind}})
        elif self.path.endswith("/chat/completions"):
            self._chat(request, f"chatcmpl-{number:06d}")
        elif self.path.endswith("/embeddings"):
            self._embeddings(request)
        else:
            self._send(404, {"error": {"message": f"no such path: {self.path}", "type": "invalid_request_error"}})

    def _chat(self, request: dict[str, Any], identifier: str) -> None:
        answer = answer_to(request["messages"])
        usage = usage_of(request["messages"], answer)
        common = {
            "id": identifier,
            "created": CREATED,
            "model": f"{request['model']}-2026-01-01",
            "system_fingerprint": FINGERPRINT,
            "service_tier": "default",
        }
        if not request.get("stream"):
            message = {"role": "assistant", "content": answer}
            choices = [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}]
            self._send(200, {**common, "object": "chat.completion", "choices": choices, "usage": usage})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        chunk = {**common, "object": "chat.completion.chunk"}
        deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
        deltas += [({"content": word}, None) for word in _pieces(answer)]
        for delta, reason in [*deltas, ({}, "stop")]:
            self._event({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
        if (request.get("stream_options") or {}).get("include_usage"):
            self._event({**chunk, "choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _embeddings(self, request: dict[str, Any]) -> None:
        texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
        tokens = sum(len(str(text).split()) for text in texts)
        data = [{"object": "embedding", "index": at, "embedding": _vector(str(text))} for at, text in enumerate(texts)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        self._send(200, {"object": "list", "data": data, "model": request["model"], "usage": usage})

    def _event(self, document: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(document).encode() + b"\n\n")
        self.wfile.flush()

    def _send(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: tests print what they need."""


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _pieces(text: str) -> list[str]:
    return [word if at == 0 else f" {word}" for at, word in enumerate(text.split(" "))]


def _vector(text: str) -> list[float]:
    return [byte / 255 for byte in hashlib.blake2b(text.encode(), digest_size=DIMENSION).digest()]

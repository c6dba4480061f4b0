"""A stand-in for an OpenAI-compatible endpoint whose behaviour a test writes, and changes while it runs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What one request gets. `text` becomes a completion; `body` is sent as it is instead."""

    text: str = "ok"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    delay: float = 0.0
    """Seconds before anything is sent."""
    trickle: float = 0.0
    """Seconds between two bytes."""
    model: str | None = None


Behaviour = Callable[[dict[str, Any], int], Reply]
"""From a request's document and its number, from 1, to what it gets."""


class StandIn:
    """The running stand-in: `behave` may be replaced at any time; `requests` and `keys` are what came in."""

    def __init__(self, behave: Behaviour) -> None:
        self.behave = behave
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.url = ""


@contextmanager
def serving(behave: Behaviour) -> Iterator[StandIn]:
    """A stand-in on 127.0.0.1, on threads of its own."""
    found = StandIn(behave)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with found.lock:
                found.requests.append(document)
                found.keys.append(self.headers.get("Authorization"))
                number = len(found.requests)
                found.at_once += 1
                found.most_at_once = max(found.most_at_once, found.at_once)
            try:
                self._send(found.behave(document, number), document, number)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            finally:
                with found.lock:
                    found.at_once -= 1

        def _send(self, reply: Reply, document: dict[str, Any], number: int) -> None:
            time.sleep(reply.delay)
            body = reply.body if reply.body is not None else _completion(reply, document, number)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for at in range(len(body)) if reply.trickle else ():
                self.wfile.write(body[at : at + 1])
                time.sleep(reply.trickle)
            if not reply.trickle:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def error(status: int, message: str, **headers: str) -> Reply:
    """An error as such endpoints write it."""
    body = json.dumps({"error": {"message": message}}).encode()
    return Reply(status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def _completion(reply: Reply, document: dict[str, Any], number: int) -> bytes:
    words = sum(len(message["content"].split()) for message in document["messages"])
    said = len(reply.text.split())
    return json.dumps(
        {
            "id": f"chatcmpl-{number:06d}",
            "object": "chat.completion",
            "model": reply.model or document["model"],
            "system_fingerprint": "fp_stand_in",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": reply.text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": words, "completion_tokens": said, "total_tokens": words + said},
        }
    ).encode()

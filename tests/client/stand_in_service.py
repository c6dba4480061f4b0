"""A stand-in for the platform's service that answers as it is told: takes events, fails, hangs, cuts off."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["Handler", list[dict[str, Any]]], None]


def take(handler: Handler, events: list[dict[str, Any]]) -> None:
    """Take every event and say so."""
    results = [{"status": "accepted"} for _ in events]
    handler.server.take(events)
    handler.answer(200, {"results": results, "accepted": len(events), "duplicate": 0, "rejected": 0})


def status(code: int, headers: dict[str, str] | None = None) -> Behaviour:
    """Answer with this status and take nothing."""

    def behave(handler: Handler, events: list[dict[str, Any]]) -> None:
        handler.answer(code, {"detail": "no"}, headers)

    return behave


def cut_off(handler: Handler, events: list[dict[str, Any]]) -> None:
    """Take the events, then hang up without an answer: the client must send them again."""
    handler.server.take(events)
    handler.close_connection = True
    handler.connection.close()


def hang(handler: Handler, events: list[dict[str, Any]]) -> None:
    """Take nothing and say nothing until the stand-in is told otherwise."""
    while handler.server.behaviour is hang:
        time.sleep(0.01)
    handler.close_connection = True


class StandIn(ThreadingHTTPServer):
    """Listens on a free port of this machine, or the one given. Use as a context manager."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, behaviour: Behaviour = take, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.behaviour = behaviour
        self.requests: list[dict[str, str]] = []
        self.seen: Counter[str] = Counter()
        """How often each id was taken."""
        self.order: list[str] = []
        self.events: dict[str, dict[str, Any]] = {}
        self._taking = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def take(self, events: list[dict[str, Any]]) -> None:
        with self._taking:
            for event in events:
                identifier = event.get("feedback_id") or event["inference_id"]
                self.order.append(identifier)
                self.seen[identifier] += 1
                self.events[identifier] = event

    def __enter__(self) -> StandIn:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.behaviour = take
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(
            {**{name.lower(): value for name, value in self.headers.items()}, "path": self.path}
        )
        self.server.behaviour(self, [json.loads(line) for line in gzip.decompress(body).splitlines()])

    def answer(self, code: int, document: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

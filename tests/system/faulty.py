"""A proxy between Canonry and a server that fails at every kind of call: by turns, so that each fails in each way."""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import httpx

DROPPED, FAILED, SWALLOWED, LATE, FAILED_AFTER = "dropped", "failed", "swallowed", "late", "failed after success"
"""Not passed on, and the connection cut or 500 answered; done, and the answer lost, too late, or 502 instead."""

FAULTS = (DROPPED, FAILED, SWALLOWED, LATE, FAILED_AFTER)

MOST_LATE = 4
"""Answers that come too late, at most: each takes as long as a client waits."""

_PASSED = ("authorization", "content-type", "accept")


class FaultyProxy(ThreadingHTTPServer):
    """Passes requests on to `backend`. Every fifth of a kind (method and path, numbers apart) fails."""

    daemon_threads = True

    def __init__(self, backend: str, late_s: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = backend
        self.late_s = late_s
        self.made: Counter[tuple[str, str]] = Counter()
        """Faults by kind of call and fault."""
        self._calls: Counter[str] = Counter()
        self._faults = itertools.cycle(FAULTS)
        self._lock = Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def fault(self, method: str, path: str) -> str | None:
        """What befalls a call."""
        kind = f"{method} {re.sub('[0-9]+', 'N', path.partition('?')[0])}"
        with self._lock:
            self._calls[kind] += 1
            if self._calls[kind] % 5:
                return None
            late = sum(count for (_, fault), count in self.made.items() if fault == LATE)
            found = next(fault for fault in self._faults if fault != LATE or late < MOST_LATE)
            self.made[kind, found] += 1
            return found


class _Handler(BaseHTTPRequestHandler):
    server: FaultyProxy

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        """Pass it on, or fail."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.server.fault(self.command, self.path)
        if fault == DROPPED:
            self.close_connection = True
            return
        if fault == FAILED:
            self._answer(500, b'{"detail": "made to fail"}')
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() in _PASSED}
        try:
            found = httpx.request(
                self.command, self.server.backend + self.path, content=body, headers=headers, timeout=100
            )
        except httpx.TransportError:
            self.close_connection = True
            return
        if fault == LATE:
            time.sleep(self.server.late_s)
        if fault == SWALLOWED:
            self.close_connection = True
        elif fault == FAILED_AFTER:
            self._answer(502, b'{"detail": "made to fail"}')
        else:
            self._answer(found.status_code, found.content, found.headers.get("content-type", "application/json"))

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

    def _answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        """As it comes; who gave up waiting is gone."""
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


@contextmanager
def faulty(backend: str, late_s: float) -> Iterator[FaultyProxy]:
    """A proxy that serves."""
    with FaultyProxy(backend, late_s) as proxy:
        Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()

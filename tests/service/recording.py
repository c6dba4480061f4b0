"""A sink for what exporters send: a tiny HTTP server that keeps every request, and answers as it is told."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Recorded:
    """One request: its path, content type and body, decompressed; and which headers it had, in lower case."""

    path: str
    content_type: str
    body: bytes
    headers: dict[str, str]


@dataclass
class Sink:
    """Where the sink listens and what came in so far."""

    url: str
    requests: list[Recorded] = field(default_factory=list)


@contextmanager
def recording() -> Iterator[Sink]:
    """A sink on a thread of its own."""
    sink = Sink("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            sink.requests.append(Recorded(self.path, headers.get("content-type", ""), body, headers))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sink.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

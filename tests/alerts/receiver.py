"""A channel that listens on this machine: fails as often as it is told to, and keeps what it took."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """What was asked of it; the first `failures` posts are answered with 503."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.posts: list[tuple[int, str, dict]] = []
        """Status, idempotency key and document of each."""


@contextmanager
def receiving(failures: int = 0) -> Iterator[tuple[Receiver, str]]:
    """The receiver and its Apprise URL, whose path is a secret."""
    receiver = Receiver(failures)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = 503 if len(receiver.posts) < receiver.failures else 200
            receiver.posts.append((status, self.headers["Idempotency-Key"], document))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver, f"json://127.0.0.1:{server.server_address[1]}/s3cret-path"
    finally:
        server.shutdown()
        thread.join()

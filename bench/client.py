"""What `log_inference` costs its caller, against a bare `queue.put` of the same dictionary, one event at a time.

Events of about 1 KB go from one thread to a stand-in for the service, a process of its own that takes everything; the
client's threads share this process's interpreter, so their work is part of what the caller pays. Every event goes to
both sides in turn, which of them first alternates, and the caller rests between bursts as a product does between calls.
The ratio is the median in microseconds. Apart: importing the client in a fresh process, against Python alone.
"""

from __future__ import annotations

import gzip
import os
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from bench._report import arguments, report
from canonry.client import EventLog

BURST = 20
REST_S = 0.002
IMPORT = "from canonry.client import log_inference, open_index"


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=100_000, quick_rows=10_000)
    with tempfile.TemporaryDirectory(prefix="canonry-bench-") as state:
        os.environ["XDG_STATE_HOME"] = state
        service = subprocess.Popen([sys.executable, "-m", "bench.client", "--serve"], stdout=subprocess.PIPE, text=True)
        try:
            assert service.stdout is not None
            log = EventLog(service.stdout.readline().strip(), "cnr_bench_secret")
            seconds = interleaved(log, options.rows)
            if not log.flush(60) or log.stats().sent != options.rows + BURST:
                raise SystemExit(f"not every event arrived: {log.stats()}")
            log.close()
        finally:
            service.kill()
            service.wait()
    imports = interleaved_imports(5 if options.quick else 20)
    micros = {name: np.asarray(each) * 1e6 for name, each in seconds.items()}
    ours = float(np.median(micros["log_inference"]))
    rows = [
        (name, float(np.median(each)), float(np.quantile(each, 0.99)), float(each.mean()))
        for name, each in micros.items()
    ]
    rows += [
        (name, float(np.median(each)) * 1e6, float(np.max(each)) * 1e6, float(np.mean(each)) * 1e6)
        for name, each in imports.items()
    ]
    report("client", ours, "lower", ("what", "median us", "p99 us (imports: worst)", "mean us"), rows)


def interleaved(log: EventLog, rows: int) -> dict[str, list[float]]:
    """Seconds of every event on both sides."""
    bare: queue.Queue[dict[str, Any]] = queue.Queue()

    def ours(fields: dict[str, Any]) -> object:
        return log.log_inference(**fields)

    sides: dict[str, Callable[[dict[str, Any]], object]] = {"log_inference": ours, "queue.put": bare.put}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(BURST):
        log.log_inference(**event(number))
    for number in range(rows):
        fields = event(number)
        for name in sorted(sides, reverse=bool(number % 2)):
            side = sides[name]
            started = time.perf_counter()
            side(fields)
            seconds[name].append(time.perf_counter() - started)
        if number % BURST == 0:
            time.sleep(REST_S)
    return seconds


def event(number: int) -> dict[str, Any]:
    """An inference of about 1 KB, as a product logs it."""
    return {
        "product": "docs-site",
        "team": "docs-experience",
        "operation": "chat",
        "provider": "openai",
        "request_model": "gpt-5-mini",
        "response_model": "gpt-5-mini-2026-08-01",
        "parameters": {"temperature": 0.2, "max_tokens": 400},
        "input_tokens": 412 + number % 100,
        "output_tokens": 38,
        "latency_ms": 812.5,
        "finish_reason": "stop",
        "input_messages": [
            {"role": "user", "parts": [{"type": "text", "content": f"{number} How do I reset it? " * 12}]}
        ],
        "output_messages": [{"role": "assistant", "parts": [{"type": "text", "content": "Press the button. " * 12}]}],
    }


def interleaved_imports(times: int) -> dict[str, list[float]]:
    """Seconds of fresh processes, in turn; after one of each that warms the disk's cache."""
    programs = {f"process: {IMPORT}": IMPORT, "process: pass": "pass"}
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(times + 1):
        for name, program in programs.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], check=True)
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


class Taker(BaseHTTPRequestHandler):
    """Takes everything and keeps nothing."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read the events and say that they were accepted."""
        events = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))).count(b"\n") + 1
        body = f'{{"results":[],"accepted":{events},"duplicate":0,"rejected":0}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def serve() -> None:
    """Serve until killed; says its URL first."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["--serve"] else main()

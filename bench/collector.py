"""The collector: acknowledged, fsynced events a second over HTTP, against the same server answering without storing.

Both sides are one process of the real service, its keys, limits and logs included; the other side's route admits the
caller, reads the whole body and answers 204. The load comes from a process of its own, over connections that are kept,
one request after another on each; rounds of both sides take turns. Events are calls of about 1 KB as JSON. The
service's memory is read after every tenth of the events: it may grow until as many ids are remembered as may be
(CANONRY_SERVICE_REMEMBERED_IDS, 200,000 of a kind), and stays flat from there on.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import multiprocessing
import os
import random
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from bench._report import arguments, report

BATCHES = (100, 10, 1)
"""The largest first: what requests of that size take is then no growth."""
MAIN_BATCH = 10
ROUNDS = 4
CONNECTIONS = 32
SECONDS = 1.0
"""Least time of a round."""

_WORDS = 5_000


@dataclass(frozen=True)
class Load:
    """One round: requests answered, seconds it took, and each answer's seconds in order of size."""

    requests: int
    seconds: float
    latencies: list[float]

    def quantile(self, share: float) -> float:
        """Seconds within which this share of requests was answered."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


@dataclass
class Memory:
    """A process's memory in MB, before any event and after every so many of them."""

    pid: int
    every: int
    stored: int = 0
    series: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.note(0)

    def note(self, events: int) -> None:
        """So many more events are stored."""
        before, self.stored = self.stored, self.stored + events
        if not self.series or self.stored // self.every > before // self.every:
            self.series.append((self.stored, _memory(self.pid)[1]))


def main() -> None:
    """Start the service, load it from another process, print rates, waits and memory."""
    options = arguments(__doc__, rows=1_000_000, quick_rows=60_000)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="canonry-bench-", dir=os.environ.get("CANONRY_BENCH_DIR")) as folder:
        print(f"fsync of 10 KB takes {1000 * _fsync_seconds(Path(folder)):.2f} ms in {folder}")
        with _service(context, Path(folder)) as (port, token, process), ProcessPoolExecutor(1, context) as loader:
            rows, top, memory = [], {}, Memory(process.pid or 0, max(1, options.rows // 10))
            for batch in BATCHES:
                events = options.rows * (8 if batch == MAIN_BATCH else 1) // 10
                ours, bare = _rounds(loader, port, token, batch, events, memory)
                top[batch] = max(each.requests / each.seconds for each in ours)
                ratio = top[batch] / max(each.requests / each.seconds for each in bare)
                rows.append((batch, top[batch] * batch, top[batch] * batch / ratio, ratio))
            half = loader.submit(run, port, token, "/v1/inferences", MAIN_BATCH, 3.0, top[MAIN_BATCH] / 2).result()
            peak = _memory(process.pid or 0)[0]
    print(
        f"at half the top rate, batches of {MAIN_BATCH}: p50 {1000 * half.quantile(0.5):.1f} ms, "
        f"p99 {1000 * half.quantile(0.99):.1f} ms ({half.requests / half.seconds:,.0f} requests a second)"
    )
    print("memory of the service: " + ", ".join(f"{now} MB after {events:,}" for events, now in memory.series))
    print(f"first {memory.series[0][1]} MB, last {memory.series[-1][1]} MB, at most {peak} MB")
    ratios = {batch: ratio for batch, _, _, ratio in rows}
    header = ("batch", "events a second, on disk", "events a second, 204", "ratio")
    report("collector", ratios[MAIN_BATCH], "higher", header, sorted(rows))


def _rounds(
    loader: ProcessPoolExecutor, port: int, token: str, batch: int, events: int, memory: Memory
) -> tuple[list[Load], list[Load]]:
    """Rounds of both sides in turn, until as many events are stored as asked for."""
    ours: list[Load] = []
    bare: list[Load] = []
    while len(ours) < ROUNDS or sum(each.requests for each in ours) * batch < events:
        for path, side in (("/v1/inferences", ours), ("/nothing", bare)):
            side.append(loader.submit(run, port, token, path, batch, SECONDS, None).result())
        memory.note(ours[-1].requests * batch)
    return ours, bare


def run(port: int, token: str, path: str, batch: int, seconds: float, rate: float | None) -> Load:
    """Load the service for some seconds: as fast as it answers, or at a rate of requests a second."""
    import uvloop

    return uvloop.run(_load(port, token, path, batch, seconds, rate))


async def _load(port: int, token: str, path: str, batch: int, seconds: float, rate: float | None) -> Load:
    bodies = _bodies(batch, random.SystemRandom().getrandbits(40))
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    latencies: list[float] = []
    started = time.perf_counter()
    until, turn = started + seconds, iter(range(sys.maxsize))

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (now := time.perf_counter()) < until:
            due = now
            if rate is not None:
                # A request is due when it is due, whether or not those before it were answered.
                due = started + next(turn) / rate
                await asyncio.sleep(max(0.0, due - now))
            body = next(bodies)
            writer.write(head + str(len(body)).encode() + b"\r\n\r\n" + body)
            await _answered(reader)
            latencies.append(time.perf_counter() - due)
        writer.close()

    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return Load(len(latencies), time.perf_counter() - started, sorted(latencies))


async def _answered(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    status = head[9:12]
    if status == b"204":
        return
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    body = await reader.readexactly(length)
    assert status == b"200" and b'"rejected":0' in body, head + body


def _bodies(batch: int, start: int) -> Iterator[bytes]:
    """Batches of calls with ids of their own; the rest of each is made once, so that the load stays cheap."""
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(_WORDS)]
    calls = [orjson.dumps(_call(chance, words)) for _ in range(500)]
    number = start
    while True:
        parts = []
        for _ in range(batch):
            number += 1
            parts.append(b'{"inference_id":"%032x",' % number + calls[number % len(calls)][1:])
        yield b"[" + b",".join(parts) + b"]"


def _call(chance: random.Random, words: list[str]) -> dict[str, Any]:
    text = " ".join(chance.choices(words, k=70))
    return {
        "trace_id": f"{chance.getrandbits(64):016x}",
        "started_at": f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S}.{chance.randrange(1000):03}Z",
        "product": f"product-{chance.randrange(7)}",
        "operation": "chat",
        "provider": "openai",
        "request_model": "gpt-4o",
        "response_model": "gpt-4o-2024-08-06",
        "input_tokens": chance.randint(10, 3_000),
        "output_tokens": chance.randint(1, 800),
        "latency_ms": round(chance.expovariate(1 / 900), 3),
        "finish_reason": "stop",
        "user_hash": f"{chance.getrandbits(64):016x}",
        "input_messages": [{"role": "user", "content": text[:150]}],
        "output_messages": [{"role": "assistant", "content": text[150:]}],
    }


@contextmanager
def _service(context: Any, folder: Path) -> Iterator[tuple[int, str, Any]]:
    """Port, key and process of the service over zones in a folder."""
    from canonry.service import keys
    from canonry.storage import open_zones

    journal = open_zones(folder).journal
    now = dt.datetime.now(dt.UTC)
    _, token = keys.create(journal, team="bench", source="bench", scopes=["write:events"], now=now)
    assets = folder / "assets"
    (assets / "sources").mkdir(parents=True)
    spec = "description: Calls of the benchmark.\nowner: bench\ntype: push\n"
    (assets / "sources" / "bench.yaml").write_text(spec)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = context.Process(target=serve, args=(listening, folder), daemon=True)
        process.start()
        port = listening.getsockname()[1]
    try:
        _wait(port)
        yield port, token, process
    finally:
        process.terminate()
        process.join()


def serve(listening: socket.socket, folder: Path) -> None:
    """The service, with one route more: it admits the caller, reads the body, and answers 204."""
    import uvicorn
    from starlette.requests import HTTPConnection
    from starlette.responses import Response
    from starlette.routing import Route

    from canonry.service import app
    from canonry.service.body import Body
    from canonry.service.settings import Settings

    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - the log's lines are made, and thrown away
    settings = Settings(home=str(folder), assets=folder / "assets", requests_per_second=0)
    built = app.build(settings)

    class Nothing:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            connection = HTTPConnection(scope)
            await built.state.gate.admit(connection, "write:events")
            async with Body(connection.headers, receive, built.state.intake, settings) as body:
                await body.read()
            await Response(status_code=204)(scope, receive, send)

    built.router.routes.insert(0, Route("/nothing", Nothing(), methods=["POST"]))
    config = uvicorn.Config(
        built, loop="uvloop", http="httptools", access_log=False, server_header=False, log_config=None
    )
    uvicorn.Server(config).run(sockets=[listening])


def _wait(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                if connection.recv(100):
                    return
        except OSError:
            pass
        assert time.monotonic() < deadline, "the service did not start"
        time.sleep(0.05)


def _fsync_seconds(folder: Path) -> float:
    """The median of twenty appends of 10 KB, each fsynced."""
    took = []
    with open(folder / "probe", "ab", buffering=0) as file:
        for _ in range(20):
            started = time.perf_counter()
            file.write(b"x" * 10_000)
            os.fsync(file.fileno())
            took.append(time.perf_counter() - started)
    return sorted(took)[10]


def _memory(pid: int) -> tuple[int, int]:
    """Peak and present memory of a process, MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith(("VmHWM", "VmRSS"))}
    return int(found["VmHWM"]) // 1000, int(found["VmRSS"]) // 1000


if __name__ == "__main__":
    main()

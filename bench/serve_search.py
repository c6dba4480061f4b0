"""Searching through the service at a fixed rate, and raw FAISS and the client in one process, on one released index.

`canonry serve` runs as a program of its own, on 100,000 vectors; requests leave at their times whether or not earlier
ones were answered, so that a service that falls behind shows it in its p99. Vectors and texts apart: a text also costs
its encoding, which is shown by itself. The ratio is the service's p99 by vector over the 20 ms that are aimed at.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import faiss
import httpx
import numpy as np

from bench._report import arguments, report
from bench.search import NEIGHBOURS, publish, random_vectors
from canonry import catalog, client
from canonry.encode import MODEL_FILE, TOKENIZER_FILE, exported, files_of
from canonry.release import File

ENCODER = "all-MiniLM-L6-v2"
PER_SECOND = 50
AIM_MS = 20.0
QUESTION = "How do I replace a clock in a test so that time stands still? ({number})"


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=100_000, quick_rows=100_000)
    seconds = 4 if options.quick else 20
    files = files_of(ENCODER, catalog.load(Path(__file__).parents[1] / "assets").models[ENCODER])
    carried = {MODEL_FILE: exported(files), TOKENIZER_FILE: files.tokenizer_file}
    digests = {name: File.of(path).sha256 for name, path in carried.items()}
    encoder = replace(files, onnx=digests[MODEL_FILE], tokenizer=digests[TOKENIZER_FILE])
    count = seconds * PER_SECOND
    with tempfile.TemporaryDirectory(prefix="canonry-bench-") as home:
        raw = faiss.read_index(str(publish(home, options.rows, asdict(encoder), carried)), faiss.IO_FLAG_MMAP_IFC)
        vectors = random_vectors(count, seed=1)
        texts = [QUESTION.format(number=number) for number in range(count)]
        index = client.open_index("random", home=home)
        in_process = {
            "raw FAISS, vector": timed(lambda number: raw.search(vectors[number : number + 1], NEIGHBOURS), count),
            "client, vector": timed(lambda number: index.search(vectors[number], NEIGHBOURS), count),
            "client, text": timed(lambda number: index.search_text(texts[number], NEIGHBOURS), count),
            "encoder alone": timed(lambda number: index.opened.text_encoder().encode([texts[number]]), count),
        }
        with service(home) as url:
            by_vector = [{"vector": vector.tolist(), "k": NEIGHBOURS} for vector in vectors]
            by_text = [{"text": text, "k": NEIGHBOURS} for text in texts]
            over_http = {
                f"service, vector, {PER_SECOND} a second": asyncio.run(at_rate(url, by_vector)),
                f"service, text, {PER_SECOND} a second": asyncio.run(at_rate(url, by_text)),
            }
    rows = [
        (name, len(each), *(float(np.quantile(each, share)) * 1e3 for share in (0.5, 0.95, 0.99)))
        for name, each in {**in_process, **over_http}.items()
    ]
    by_vector_p99 = float(np.quantile(next(iter(over_http.values())), 0.99)) * 1e3
    report(
        "serve_search", by_vector_p99 / AIM_MS, "lower", ("one query", "queries", "median ms", "p95 ms", "p99 ms"), rows
    )


def timed(act: Callable[[int], object], count: int) -> list[float]:
    """Seconds of each call, after a few that warm up."""
    seconds = []
    for number in [*range(5), *range(count)]:
        started = time.perf_counter()
        act(number)
        seconds.append(time.perf_counter() - started)
    return seconds[5:]


async def at_rate(url: str, bodies: list[dict[str, object]]) -> list[float]:
    """Seconds from when a request was due to when it was answered, PER_SECOND of them due each second."""
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as http:
        path = "/v1/indexes/random/search"
        for body in bodies[:20]:
            (await http.post(path, json=body)).raise_for_status()
        began = time.perf_counter() + 0.1

        async def one(number: int) -> float:
            due = began + number / PER_SECOND
            await asyncio.sleep(due - time.perf_counter())
            (await http.post(path, json=bodies[number])).raise_for_status()
            return time.perf_counter() - due

        return await asyncio.gather(*(one(number) for number in range(len(bodies))))


@contextmanager
def service(home: str) -> Iterator[str]:
    """URL of `canonry serve` over a home, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("canonry")), "serve", "--insecure-local", "--port", str(port)]
    environment = {**os.environ, "CANONRY_HOME": home, "CANONRY_SERVICE_REQUESTS_PER_SECOND": "0"}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as program:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(600):
                if program.poll() is not None:
                    raise SystemExit("canonry serve did not start")
                try:
                    httpx.get(f"{url}/healthz")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield url
        finally:
            program.terminate()


if __name__ == "__main__":
    main()

"""Searching a released index through the client, against raw FAISS on the same file, one query at a time.

Every side maps the same `vectors.faiss` into memory and sees every query in turn, in an order that rotates; the client
also gives the chunks' text. FAISS as it comes splits one query among all threads, which on few of them costs more than
it saves and suffers most from a busy machine; the client does not split. So that the ratio is what the client adds, and
not a choice of threads, it is to the faster of raw FAISS as it comes and raw FAISS with one thread.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa

from bench._report import arguments, report
from canonry import client, lake, release
from canonry.release import local_files
from canonry.search import CHUNK_SCHEMA, CHUNKS, VECTORS
from canonry.storage import open_zones

DIMENSION = 384
NEIGHBOURS = 10
NO_ENCODER = {"name": "random", "package": "none", "path": "none", "sha256": "0" * 64, "dimension": DIMENSION}
NO_ENCODER |= {"max_tokens": 1, "normalize": True}


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=60_000, quick_rows=60_000)
    with tempfile.TemporaryDirectory(prefix="canonry-bench-") as home:
        path = publish(home, options.rows)
        queries = random_vectors(80 if options.quick else 500, seed=1)
        sides, index = open_sides(home, path)
        check_agreement(index, path, queries[:20])
        seconds = interleaved(sides, queries)
    median = {name: float(np.median(each)) for name, each in seconds.items()}
    ours = median["client, with text"]
    raw = min(each for name, each in median.items() if name.startswith("raw"))
    report(
        "search",
        ours / raw,
        "lower",
        ("one query", "median ms", "p95 ms", "client / this"),
        [
            (name, median[name] * 1e3, float(np.quantile(each, 0.95)) * 1e3, ours / median[name])
            for name, each in seconds.items()
        ],
    )


def publish(
    home: str, rows: int, encoder: Mapping[str, Any] = NO_ENCODER, carried: Mapping[str, Path] | None = None
) -> Path:
    """Release a Flat index of random vectors of length 1; gives the path of its `vectors.faiss`.

    `carried`: files of the encoder that its metadata shall name.
    """
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(random_vectors(rows, seed=0))
    numbers = [str(row) for row in range(rows)]
    columns = {"chunk_id": numbers, "document_id": numbers, "title": numbers, "ordinal": [0] * rows}
    text = [f"A passage of ordinary length, {row}, that somebody wrote. " * 8 for row in range(rows)]
    chunks = pa.table({**columns, "text": text}, schema=CHUNK_SCHEMA)
    published = open_zones(home).published
    now = dt.datetime.now(dt.UTC)
    found = release.publish(
        published,
        "indexes",
        "random",
        {VECTORS: faiss.serialize_index(index).tobytes(), CHUNKS: lake.parquet_bytes(chunks), **(carried or {})},
        metadata={"encoder": dict(encoder)},
        lineage={},
        now=now,
    )
    release.promote(published, "indexes", "random", found.version, reason="bench", now=now)
    return local_files(found)[VECTORS]


def random_vectors(rows: int, seed: int) -> np.ndarray:
    """float32 (rows, DIMENSION), each of length 1."""
    vectors = np.random.default_rng(seed).standard_normal((rows, DIMENSION), dtype=np.float32)
    faiss.normalize_L2(vectors)
    return vectors


def open_sides(home: str, path: Path) -> tuple[dict[str, Callable[[np.ndarray], object]], client.Index]:
    """What is compared, by name: each takes one query (1, DIMENSION)."""
    raw = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    index = client.open_index("random", home=home)
    threads = faiss.omp_get_max_threads()

    def one_thread(query: np.ndarray) -> object:
        faiss.omp_set_num_threads(1)
        found = raw.search(query, NEIGHBOURS)
        faiss.omp_set_num_threads(threads)
        return found

    return {
        "raw FAISS, as it comes": lambda query: raw.search(query, NEIGHBOURS),
        "raw FAISS, one thread": one_thread,
        "client, with text": lambda query: index.search(query[0], NEIGHBOURS),
    }, index


def check_agreement(index: client.Index, path: Path, queries: np.ndarray) -> None:
    """Raises where the client does not find what raw FAISS finds."""
    _, rows = faiss.read_index(str(path)).search(queries, NEIGHBOURS)
    for query, expected in zip(queries, rows.tolist(), strict=True):
        found = [int(hit.chunk_id) for hit in index.search(query, NEIGHBOURS)]
        if found != expected:
            raise SystemExit(f"the client found {found}, raw FAISS {expected}: nothing to compare")


def interleaved(sides: dict[str, Callable[[np.ndarray], object]], queries: np.ndarray) -> dict[str, list[float]]:
    """Seconds of every query on every side; each query goes to all sides in turn, beginning with another each time."""
    names = list(sides)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for query in queries[:5]:
        for search in sides.values():
            search(query[np.newaxis])
    for number in range(len(queries)):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            query = queries[number : number + 1]
            started = time.perf_counter()
            sides[name](query)
            seconds[name].append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()

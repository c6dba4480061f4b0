"""Building and searching an approximate index: ours, as `faiss_factory: auto` makes it, against usearch and hnswlib.

The vectors are real: sentences of every set of real data, embedded by the canonical encoder (100,000 take half an hour
the first time, and are kept in the machine's cache). Every side is tuned alike: to the least effort with which the
99.9 % lower bound of recall@10 on some queries reaches 0.99. Then recall is measured on other queries, and a side whose
95 % lower bound is under 0.99 there takes no part. Then sides take turns to search, with one thread, a query at a time,
and with two threads and all queries at once; the best of some rounds counts.

`--memory` builds and searches a million made vectors in a process of its own instead, and prints its peak memory.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from bench._report import machine, report
from bench._sentences import sentences, vectors_of
from canonry import catalog
from canonry.encode import GRAPH, files_of
from canonry.index import vectors as engine
from canonry.index.kinds import EXACT_UP_TO, SURE, efforts, factory_for, set_effort
from canonry.index.recall import Asked, Recall, asked, measure_recall

ENCODER = "all-MiniLM-L6-v2"
LEAST = 0.99
QUERIES = 500
OURS = "canonry"
NEIGHBOURS, EXPLORED_IN_BUILDING = 16, 128
"""hnswlib's M and ef_construction, and usearch's connectivity and expansion_add: their own defaults, or near."""
_EFFORTS = (16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 512, 768, 1024)
ROUNDS = 5
MEMORY_ROWS, DIMENSION = 1_000_000, 384


@dataclass
class Side:
    """An index to be measured: how it is built, and searched by one query or many."""

    name: str
    build: Callable[[int], Any]
    search: Callable[[Any, np.ndarray, int], np.ndarray]
    """Rows (n, 10) of an index, queries (n, d) and a number of threads."""
    efforts: Callable[[Any], Sequence[Any]]
    set_effort: Callable[[Any, Any], None]


def main() -> None:
    """Run and print."""
    options = _options()
    if options.memory:
        memory(options.rows or MEMORY_ROWS)
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    """Our index beside the others."""
    rows = options.rows or (20_000 if options.quick else 100_000)
    files = replace(
        files_of(ENCODER, catalog.load(Path(__file__).parents[1] / "assets").models[ENCODER]), runtime=GRAPH
    )
    texts = sentences(options.data, rows + 2 * QUERIES)
    if len(texts) < rows + 2 * QUERIES:
        raise SystemExit(f"{options.data} has {len(texts):,} sentences, expected {rows + 2 * QUERIES:,}; see --data")
    everything = vectors_of(files, texts)
    vectors = everything[: -2 * QUERIES]
    tuning, judging = (_asked(vectors, part) for part in np.split(everything[-2 * QUERIES :], 2))
    print(f"{len(vectors):,} vectors of sentences composed from {options.data}, {QUERIES} queries to judge by\n")
    measured = measure(sides(vectors), vectors, tuning, judging)
    ours = measured.pop(OURS)
    sound = {name: each for name, each in measured.items() if each["recall"].low >= LEAST}
    if ours["recall"].low < LEAST or not sound:
        raise SystemExit(f"recall@10 is too low to compare: {ours['recall']}, {measured}")
    build = (
        min(each["build 1"] for each in sound.values()) / ours["build 1"],
        min(each["build 2"] for each in sound.values()) / ours["build 2"],
    )
    queries = tuple(
        ours[f"queries {threads}"] / max(each[f"queries {threads}"] for each in sound.values()) for threads in (1, 2)
    )
    names = ("build 1", "build 2", "queries 1", "queries 2")
    report(
        "ann",
        min(*build, *queries),
        "higher",
        ("", "build s, 1 thread", "2 threads", "queries/s, 1 thread", "2 threads", "recall@10", "at least"),
        [
            (name, *(each[column] for column in names), each["recall"].value, each["recall"].low)
            for name, each in {OURS: ours, **measured}.items()
        ],
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20,000 vectors instead of 100,000")
    parser.add_argument("--rows", type=int, help="vectors")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of real data")
    parser.add_argument("--memory", action="store_true", help="peak memory of a million vectors instead")
    return parser.parse_args()


def _asked(vectors: np.ndarray, queries: np.ndarray) -> Asked:
    return asked(vectors, queries, np.empty(0, np.int64))


def sides(vectors: np.ndarray) -> list[Side]:
    """What is compared."""
    import usearch.index

    count, dimension = vectors.shape
    # Beyond the size from which `auto` leaves exact search, whatever number of rows was asked for.
    factory = factory_for("auto", max(count, EXACT_UP_TO + 1), dimension)

    def hnswlib_built(threads: int) -> Any:
        import hnswlib

        index = hnswlib.Index(space="ip", dim=dimension)
        index.init_index(max_elements=count, M=NEIGHBOURS, ef_construction=EXPLORED_IN_BUILDING, random_seed=0)
        index.add_items(vectors, num_threads=threads)
        return index

    def usearch_built(threads: int) -> Any:
        index = usearch.index.Index(
            ndim=dimension,
            metric="ip",
            dtype="f32",
            connectivity=NEIGHBOURS,
            expansion_add=EXPLORED_IN_BUILDING,
        )
        index.add(np.arange(count), vectors, threads=threads)
        return index

    def usearch_effort(index: Any, effort: int) -> None:
        index.expansion_search = effort

    others = [importlib.util.find_spec("hnswlib") is not None, True]
    if not others[0]:
        print("hnswlib is not installed and takes no part: pip install 'canonry[bench]'")
    every = [
        Side(OURS, lambda threads: engine.build(vectors, factory, threads), _faiss_search, efforts, set_effort),
        Side(
            "hnswlib",
            hnswlib_built,
            lambda index, queries, threads: index.knn_query(queries, 10, num_threads=threads)[0].astype(np.int64),
            lambda _: _EFFORTS,
            lambda index, effort: index.set_ef(effort),
        ),
        Side(
            "usearch",
            usearch_built,
            lambda index, queries, threads: np.atleast_2d(
                index.search(queries, 10, threads=threads).keys.astype(np.int64)
            ),
            lambda _: _EFFORTS,
            usearch_effort,
        ),
    ]
    return [side for side, there in zip(every, [True, *others], strict=True) if there]


def measure(sides: list[Side], vectors: np.ndarray, tuning: Asked, judging: Asked) -> dict[str, dict[str, Any]]:
    """Of each side: seconds of building, queries a second, and recall on queries that did not tune."""
    made = [(side, *_made(side, vectors, tuning, judging)) for side in sides]
    queries = judging.queries
    for _ in range(ROUNDS):
        for side, index, figures in made:
            started = time.perf_counter()
            for row in range(len(queries)):
                side.search(index, queries[row : row + 1], 1)
            alone = len(queries) / (time.perf_counter() - started)
            started = time.perf_counter()
            side.search(index, queries, 2)
            together = len(queries) / (time.perf_counter() - started)
            figures["queries 1"] = max(figures.get("queries 1", 0), alone)
            figures["queries 2"] = max(figures.get("queries 2", 0), together)
    return {side.name: figures for side, _, figures in made}


def _made(side: Side, vectors: np.ndarray, tuning: Asked, judging: Asked) -> tuple[Any, dict[str, Any]]:
    figures: dict[str, Any] = {}
    for threads in (1, 2):
        started = time.perf_counter()
        index = side.build(threads)
        figures[f"build {threads}"] = time.perf_counter() - started
    for effort in side.efforts(index):
        side.set_effort(index, effort)
        if _recall(side, index, vectors, tuning, SURE).low >= LEAST:
            break
    figures["recall"] = _recall(side, index, vectors, judging)
    print(f"{side.name}: {effort}, {figures['recall']}", flush=True)
    return index, figures


def _recall(side: Side, index: Any, vectors: np.ndarray, asked: Asked, confidence: float = 0.95) -> Recall:
    class Searched:
        ntotal = len(vectors)

        def search(self, queries: np.ndarray, k: int) -> tuple[None, np.ndarray]:
            return None, side.search(index, queries, 1)

    return measure_recall(Searched(), vectors, asked, confidence)


def _faiss_search(index: Any, queries: np.ndarray, threads: int) -> np.ndarray:
    faiss.omp_set_num_threads(threads)
    return index.search(queries, 10)[1]


def memory(rows: int) -> None:
    """Peak memory of building from a file, writing, opening and searching, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="canonry-ann-") as folder:
        made = Path(folder) / "made.f32"
        generator = np.random.default_rng(0)
        centres = generator.standard_normal((2_000, DIMENSION), dtype=np.float32)
        with open(made, "wb") as file:
            for start in range(0, rows, 50_000):
                count = min(50_000, rows - start)
                some = centres[generator.integers(len(centres), size=count)]
                some = some + 0.7 * generator.standard_normal((count, DIMENSION), dtype=np.float32)
                faiss.normalize_L2(some)
                some.tofile(file)
        program = "import sys; from pathlib import Path; from bench.ann import child; child(Path(sys.argv[1]))"
        done = subprocess.run([sys.executable, "-c", program, str(made)], check=True, stdout=subprocess.PIPE, text=True)
    peak, build, query = (float(part) for part in done.stdout.split())
    print(f"{rows:,} made vectors of {DIMENSION}: built in {build:.0f} s, a query takes {query * 1e3:.2f} ms\n")
    print(machine())
    print(f"ann peak_gib={peak:.2f} lower is better")


def child(made: Path) -> None:
    """Build from the file beside, write, open as a product would, search; prints GiB, and seconds of both."""
    vectors = OnDisk(made, DIMENSION)
    started = time.perf_counter()
    factory = factory_for("auto", *vectors.shape)
    index = engine.build(vectors, factory)  # type: ignore[arg-type]
    build = time.perf_counter() - started
    set_effort(index, next(each for each in efforts(index) if each.ef_search == 192))
    target = made.with_suffix(".faiss")
    faiss.write_index(index, str(target))
    del index
    opened: Any = faiss.read_index(str(target), faiss.IO_FLAG_MMAP_IFC)
    queries = vectors[:: max(1, len(vectors) // 200)]
    started = time.perf_counter()
    for row in range(len(queries)):
        opened.search(queries[row : row + 1], 10)
    query = (time.perf_counter() - started) / len(queries)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, build, query)


class OnDisk:
    """float32 rows in a file, read where they are asked for: a mapped file would count as memory."""

    def __init__(self, path: Path, dimension: int) -> None:
        self._path = path
        self.shape = (path.stat().st_size // (4 * dimension), dimension)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        mapped = np.memmap(self._path, np.float32, "r", shape=self.shape)
        return np.array(mapped[rows])


if __name__ == "__main__":
    main()

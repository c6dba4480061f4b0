"""Opening a verified index that is in the cache, against raw `faiss.read_index` with the same file mapped into memory.

Both sides open the same 200 MB again and again in turn, which of them first alternates. The client also finds where the
channel points, reads the manifest, sees that nothing changed since it was verified, and maps the chunks' text. The aim
is 100 ms. Beside: the first open of a process, which imports FAISS and Arrow, and the first on a machine, which hashes
every byte and writes the text so that it can be mapped. What importing the client costs is in `bench.client`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import faiss
import numpy as np

from bench._report import arguments, report
from bench.search import publish
from canonry import client


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=130_000, quick_rows=130_000)
    with tempfile.TemporaryDirectory(prefix="canonry-bench-") as folder:
        os.environ["CANONRY_CACHE"] = f"{folder}/cache"
        path = publish(f"{folder}/home", options.rows)
        # What was written within the last second is not taken as settled, and is read again.
        time.sleep(1.5)

        def ours() -> object:
            return client.open_index("random", home=f"{folder}/home")

        def raw() -> object:
            return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)

        first = timed(ours)
        seconds = interleaved({"client.open_index": ours, "faiss.read_index": raw}, 20 if options.quick else 200)
        fresh = [in_a_fresh_process(f"{folder}/home") for _ in range(3 if options.quick else 20)]
        size = path.stat().st_size / 1e6
    median = {name: float(np.median(each)) for name, each in seconds.items()}
    seconds["a fresh process's first, with its imports"] = fresh
    seconds["the first on this machine"] = [first]
    rows = [
        (name, float(np.median(each)) * 1e3, float(np.quantile(each, 0.95)) * 1e3, size)
        for name, each in seconds.items()
    ]
    ratio = median["client.open_index"] / median["faiss.read_index"]
    report("open", ratio, "lower", ("one open", "median ms", "p95 ms", "MB of vectors"), rows)


def interleaved(sides: dict[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """Seconds of every open on both sides."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(turns):
        for name in sorted(sides, reverse=bool(turn % 2)):
            seconds[name].append(timed(sides[name]))
    return seconds


def in_a_fresh_process(home: str) -> float:
    """Seconds of the first open of a process that has imported its name alone: FAISS and Arrow are imported, too."""
    program = (
        "import time; from canonry.client import open_index; started = time.perf_counter(); "
        f"open_index('random', home={home!r}); print(time.perf_counter() - started)"
    )
    return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout)


def timed(open_it: Callable[[], object]) -> float:
    """Seconds until it is open; closing it again is not counted."""
    started = time.perf_counter()
    opened = open_it()
    seconds = time.perf_counter() - started
    del opened
    return seconds


if __name__ == "__main__":
    main()

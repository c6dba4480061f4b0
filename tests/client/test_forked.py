"""Processes that are forked after an index was opened, and searched, search it right and share its pages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pytest

from canonry import client, search
from canonry.storage import open_zones
from tests.released import chunks, release_index

ROWS = 40_000

FORKED = """
import os, signal, sys, traceback
import numpy as np
from canonry import client

home, rows = sys.argv[1], int(sys.argv[2])
index = client.open_index("docs", home=home, follow=0.01)
own = np.load(sys.argv[3])
# The parent has used threads of its own, of FAISS and of ONNX Runtime, before it forks.
index.search(own[:64], k=3)
index.search_text(["red", "green"], k=3)
workers = []
for worker in range(3):
    pid = os.fork()
    if pid:
        workers.append(pid)
        continue
    try:
        for row in range(worker, rows, rows // 20):
            assert index.search(own[row], k=1)[0].chunk_id == f"c{row}"
        found = index.search(own[:64], k=1)
        assert [hits[0].chunk_id for hits in found] == [f"c{row}" for row in range(64)]
        assert len(index.search_text("red", k=3, where={"ordinal": [1, 2]})) == 3
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    # It ends as a worker does: what it has loaded, and what its parent had, is taken down.
    signal.alarm(30)
    sys.exit(0)
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_workers_search_right(tmp_path: Path) -> None:
    own = np.random.default_rng(0).standard_normal((ROWS, 8), dtype=np.float32)
    faiss.normalize_L2(own)
    release_index(open_zones(tmp_path / "home").published, own, chunks(ROWS))
    np.save(tmp_path / "vectors.npy", own)
    arguments = [sys.executable, "-c", FORKED, str(tmp_path / "home"), str(ROWS), str(tmp_path / "vectors.npy")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.stdout == "[0, 0, 0]\n", done.stderr


BUSY = """
import itertools, os, signal, sys, threading
import numpy as np
from canonry import client

index = client.open_index("docs", home=sys.argv[1])
query = np.eye(8, dtype=np.float32)[0]
# Arrow looks for pandas at the first condition, under a lock of its own.
index.search(query, k=1, where={"ordinal": 1})

def search(first):
    for number in itertools.count(first, 3):
        index.search(query, k=1, where={"chunk_id": f"c{number}"})

for first in range(3):
    threading.Thread(target=search, args=(first,), daemon=True).start()
for _ in range(15):
    pid = os.fork()
    if not pid:
        signal.alarm(20)
        assert index.search(query, k=3, where={"ordinal": [1, 2]})
        assert client.open_index("docs", home=sys.argv[1]).search_text("green", k=3, where={"ordinal": 2})
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if ended:
        sys.exit(f"a worker ended with {ended}")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_worker_forked_while_other_threads_search_does_not_wait_for_them(tmp_path: Path) -> None:
    release_index(open_zones(tmp_path / "home").published, np.eye(ROWS, 8, dtype=np.float32), chunks(ROWS))
    arguments = [sys.executable, "-c", BUSY, str(tmp_path / "home")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux")
def test_the_vectors_are_pages_of_the_file(tmp_path: Path) -> None:
    own = np.random.default_rng(0).standard_normal((ROWS, 8), dtype=np.float32)
    release_index(open_zones(tmp_path / "home").published, own, chunks(ROWS))
    index = client.open_index("docs", home=tmp_path / "home")
    index.search(own[0], k=1)
    mapped = [
        line.split()
        for line in Path("/proc/self/maps").read_text().splitlines()
        if line.endswith(f"{index.version}/{search.VECTORS}")
    ]
    assert mapped, "the file is not mapped into memory"
    assert all("w" not in permissions or "p" in permissions for _, permissions, *_ in mapped)
    size = sum(int(end, 16) - int(start, 16) for start, _, end in (each[0].partition("-") for each in mapped))
    assert size >= own.nbytes


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux")
def test_so_is_the_text_of_the_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANONRY_CACHE", str(tmp_path / "cache"))
    release_index(open_zones(tmp_path / "home").published, np.eye(ROWS, 8, dtype=np.float32), chunks(ROWS))
    client.open_index("docs", home=tmp_path / "home")
    before = pa.total_allocated_bytes()
    index = client.open_index("docs", home=tmp_path / "home")
    assert index.search(np.eye(8, dtype=np.float32)[3], k=1, where={"chunk_id": "c3"})[0].text == "text of chunk 3"
    assert pa.total_allocated_bytes() - before < 100_000
    [kept] = (tmp_path / "cache").glob("releases/??/*.arrow-*")
    assert str(kept) in Path("/proc/self/maps").read_text()

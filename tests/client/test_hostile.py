"""Files that somebody damaged, or made to do harm, are refused before FAISS, Arrow or ONNX Runtime reads a byte."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canonry import release
from canonry.client import Damaged, ReleaseError, open_index
from canonry.encode import MODEL_FILE, TOKENIZER_FILE
from canonry.release import File, Release, payload_version
from canonry.search import CHUNKS, FUSION, LEXICAL, VECTORS, VectorIndex
from canonry.storage import Zones, open_zones
from tests.released import chunks, release_index, vectors

FILES = [VECTORS, CHUNKS, LEXICAL, FUSION, MODEL_FILE, TOKENIZER_FILE]
SOME = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Zones, Release]:
    zones = open_zones(tmp_path_factory.mktemp("hostile") / "home")
    return zones, release_index(zones.published, vectors(), chunks(), words=True)


@st.composite
def harms(draw: st.DrawFn) -> Any:
    """What is done to a file: (bytes) -> other bytes."""
    kind = draw(st.sampled_from(["flip", "cut", "grow", "swap"]))
    at, byte = draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(1, 255))

    def harm(data: bytes) -> bytes:
        place = int(at * len(data))
        match kind:
            case "flip":
                return data[:place] + bytes([data[place] ^ byte]) + data[place + 1 :]
            case "cut":
                return data[:place]
            case "grow":
                return data + bytes([byte]) * (place + 1)
            case _:
                return bytes([byte]) * len(data) if data != bytes([byte]) * len(data) else b""

    return harm


@pytest.fixture
def nobody_parses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is handed to a parser: nothing may be."""
    parsed: list[str] = []
    for module, name in ((faiss, "read_index"), (pq, "ParquetFile"), (pa, "memory_map")):
        right = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *args, right=right, **rest: parsed.append(str(args[0])) or right(*args, **rest)
        )
    return parsed


def _told(right: Any, parsed: list[str]) -> Any:
    def parses(*args: Any, **rest: Any) -> Any:
        parsed.append(str(args[0]))
        return right(*args, **rest)

    return parses


@SOME
@given(name=st.sampled_from(FILES), harm=harms())
def test_a_harmed_file_is_refused_before_anything_parses_it(
    made: tuple[Zones, Release], nobody_parses: list[str], name: str, harm: Any
) -> None:
    zones, found = made
    path = f"{found.folder}/{name}"
    right = zones.published.read(path)
    zones.published.put(path, harm(right))
    nobody_parses.clear()
    try:
        with pytest.raises(Damaged) as caught:
            open_index("docs", home=zones.home).search_text("red", k=3)
        assert name in str(caught.value)
        assert not [each for each in nobody_parses if each.endswith(name)]
        assert any(name in problem for problem in release.verify(zones.published, "indexes", "docs", found.version))
    finally:
        zones.published.put(path, right)
    assert len(open_index("docs", home=zones.home).search_text("red", k=3)) == 3


@SOME
@given(name=st.sampled_from(FILES), harm=harms())
def test_a_manifest_that_was_changed_to_fit_is_refused(made: tuple[Zones, Release], name: str, harm: Any) -> None:
    zones, found = made
    paths = [f"{found.folder}/{each}" for each in (name, "manifest.json")]
    right = [zones.published.read(path) for path in paths]
    other = harm(right[0])
    files = {**found.manifest.files, name: File.of(other)}
    document = json.loads(right[1])
    document["files"][name] = dataclasses.asdict(File.of(other))
    assert payload_version(files) != found.version
    try:
        zones.published.put(paths[0], other)
        zones.published.put(paths[1], json.dumps(document).encode())
        with pytest.raises(ReleaseError, match="is not the digest of these files"):
            open_index("docs", home=zones.home)
    finally:
        for path, data in zip(paths, right, strict=True):
            zones.published.put(path, data)


PROGRAM = """
import resource, struct, sys
from pathlib import Path
import faiss
from canonry.search import SearchError, VectorIndex
folder = Path(sys.argv[1])
right = (folder / "right.faiss").read_bytes()
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
refused = 0
for at in range(4, min(len(right) - 8, 160)):
    for size in (1 << 40, (1 << 64) - 1, 1 << 63, len(right) * 64):
        harmed = right[:at] + struct.pack("<Q", size & ((1 << 64) - 1)) + right[at + 8:]
        (folder / "harmed.faiss").write_bytes(harmed)
        try:
            VectorIndex(folder / "harmed.faiss", folder / "chunks.parquet")
        except (SearchError, MemoryError) as error:
            assert not isinstance(error, MemoryError), f"byte {at}, size {size}: memory was asked for"
            refused += 1
print(refused)
"""


@pytest.mark.parametrize("factory", ["Flat", "IVF4,Flat", "HNSW8", "PCA2,HNSW8,SQ8,Refine(Flat)"])
def test_a_size_that_lies_reserves_no_memory(tmp_path: Path, factory: str) -> None:
    """Of a file that somebody released on purpose, its digest being right: in a process of little memory."""
    index = faiss.index_factory(8, factory, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors(200))
    index.add(vectors(50))
    faiss.write_index(index, str(tmp_path / "right.faiss"))
    pq.write_table(chunks(), tmp_path / "chunks.parquet")
    assert len(VectorIndex(tmp_path / "right.faiss", tmp_path / "chunks.parquet")) == 50
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert int(done.stdout) > 50

"""An index's vectors become a FAISS index: its kind chosen, trained once, filled, and its search tuned.

`trained/index=NAME/DIGEST.faiss` is the empty index that was trained, `latest.json` beside it says which one is used.
It is kept while it fits, so that changed documents need no new training; an index built again from all its documents
uses it too, and is the same, byte for byte. Its digest is in the lineage of what was made from it.

`filled/index=NAME/MADE-OF.DIGEST.faiss` are slices that shards filled ahead, each named by the training and the rows
that it is made of, and by its bytes: neither what does not fit nor what is damaged is used. They go with the build.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from canonry.index import vectors as engine
from canonry.index.kinds import Tuned, factory_for, tune
from canonry.index.recall import asked, rows_to_tune_by
from canonry.index.tables import put_if_changed
from canonry.storage import NotFound, Storage

GROWTH = 2
"""A trained index serves from half to twice the vectors that it was trained on."""


@dataclass(frozen=True)
class Training:
    """What a trained index is, and what it was trained on."""

    factory: str
    """As FAISS reads it."""
    asked: str
    """As the spec says it."""
    encoder: str
    """Digest of what its vectors depend on."""
    dimension: int
    vectors: int
    sha256: str


@dataclass(frozen=True)
class Assembled:
    """An index with its vectors, and how it came about."""

    index: Any
    factory: str
    training: Training | None
    """None of a kind that learns nothing."""
    tuned: Tuned | None
    """None of a kind that searches exactly."""

    def to_metadata(self) -> dict[str, Any]:
        """As JSON values."""
        return {"faiss_factory": self.factory, "search": asdict(self.tuned) if self.tuned else None}


def assemble(
    lake: Storage,
    name: str,
    encoder_digest: str,
    vectors: np.ndarray,
    factory: str,
    golden_vectors: np.ndarray,
    least_recall: float,
) -> Assembled:
    """The index of these vectors, float32 (n, dimension), row i for row i; `factory` as the spec says it.

    It searches no harder than it must for this recall@10, as golden queries and some rows show that the gate does not
    judge by. Raises IndexBuildError where the factory does not fit.
    """
    trained, training, chosen = train(lake, name, encoder_digest, vectors, factory)
    there = _filled(lake, name)
    empty = engine.index_bytes(trained) if there else b""

    def kept(rows: np.ndarray) -> Any:
        path = there.get(_made_of(empty, rows))
        data = lake.read(path) if path else b""
        return engine.index_of(data) if path and path.endswith(f".{hashlib.sha256(data).hexdigest()}.faiss") else None

    index = engine.fill(trained, vectors, chosen, kept=kept if there else None)
    tuned = tune(index, vectors, asked(vectors, golden_vectors, rows_to_tune_by(len(vectors))), least_recall)
    return Assembled(index, chosen, training, tuned)


def fill_shard(
    lake: Storage, name: str, encoder_digest: str, vectors: np.ndarray, factory: str, shard: tuple[int, int]
) -> int:
    """Fill the slices of a shard ahead of `assemble`, which must be given the same vectors; returns their rows.

    0 for a kind that cannot be filled in slices.
    """
    trained, _, _ = train(lake, name, encoder_digest, vectors, factory)
    if not engine.merges(trained):
        return 0
    empty, there = engine.index_bytes(trained), _filled(lake, name)
    rows = 0
    for each in engine.slices_of(len(vectors), shard):
        made_of = _made_of(empty, vectors[each])
        if made_of not in there:
            data = engine.index_bytes(engine.fill(engine.index_of(empty), vectors[each], factory, 1))
            lake.put(f"{_filled_folder(name)}/{made_of}.{hashlib.sha256(data).hexdigest()}.faiss", data)
        rows += each.stop - each.start
    return rows


def forget_shards(lake: Storage, name: str) -> None:
    """Take filled slices away."""
    for entry in list(lake.list(_filled_folder(name))):
        lake.delete(entry.path)


def train(
    lake: Storage, name: str, encoder_digest: str, vectors: np.ndarray, factory: str
) -> tuple[Any, Training | None, str]:
    """The empty index that is kept, or one that is trained now and kept; what it is; and its FAISS factory string."""
    count, dimension = vectors.shape
    known = _latest(lake, name)
    wanted = (factory, encoder_digest, dimension)
    if known and (known.asked, known.encoder, known.dimension) == wanted and _serves(known, count):
        data = _read(lake, name, known)
        if data is not None:
            return engine.index_of(data), known, known.factory
    chosen = factory_for(factory, count, dimension)
    trained = engine.train(vectors, chosen)
    if not engine.learns(trained):
        return trained, None, chosen
    data = engine.index_bytes(trained)
    training = Training(chosen, factory, encoder_digest, dimension, count, hashlib.sha256(data).hexdigest())
    put_if_changed(lake, _path(name, training), data)
    put_if_changed(lake, _latest_path(name), json.dumps(asdict(training), indent=1, sort_keys=True).encode() + b"\n")
    return trained, training, chosen


def _serves(training: Training, count: int) -> bool:
    return training.vectors <= GROWTH * count and count <= GROWTH * training.vectors


def _latest(lake: Storage, name: str) -> Training | None:
    try:
        return Training(**json.loads(lake.read(_latest_path(name))))
    except NotFound:
        return None


def _read(lake: Storage, name: str, training: Training) -> bytes | None:
    """None where it is gone or damaged: then it is trained anew."""
    try:
        data = lake.read(_path(name, training))
    except NotFound:
        return None
    return data if hashlib.sha256(data).hexdigest() == training.sha256 else None


def _filled_folder(name: str) -> str:
    return f"filled/index={name}"


def _filled(lake: Storage, name: str) -> dict[str, str]:
    """Paths of filled slices by what they are made of."""
    paths = [entry.path for entry in lake.list(_filled_folder(name))]
    return {path.rpartition("/")[2].partition(".")[0]: path for path in paths}


def _made_of(empty: bytes, rows: np.ndarray) -> str:
    vectors = np.ascontiguousarray(rows, dtype=np.float32)
    return hashlib.sha256(hashlib.sha256(empty).digest() + vectors.tobytes()).hexdigest()


def _path(name: str, training: Training) -> str:
    return f"trained/index={name}/{training.sha256}.faiss"


def _latest_path(name: str) -> str:
    return f"trained/index={name}/latest.json"

"""Texts embedded once for ever: vectors kept in the lake by encoder and text, shared by every stage.

`embeddings/encoder=E/DIGEST.parquet`, where E says what vectors depend on, has rows `text_digest`, `vector`. A file's
name is the digest of its bytes, so a file is never changed, a damaged one is known and passed over, and writers need no
agreement.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from canonry.encode import EncoderFiles, TextEncoder, encoder_digest, load_runtime
from canonry.storage import Storage

log = logging.getLogger("canonry.embedded")

SAVE_EVERY = 512
"""Texts: what an interruption costs at most, about half a minute of work."""


@dataclass(frozen=True)
class Embedded:
    """Vectors, float32 (n, dimension), row i for text i; how many distinct texts were embedded now, and reused."""

    vectors: np.ndarray
    embedded: int
    reused: int


def embed(
    lake: Storage,
    files: EncoderFiles,
    texts: Sequence[str],
    *,
    save_every: int = SAVE_EVERY,
    load: Callable[[EncoderFiles], TextEncoder] = load_runtime,
) -> Embedded:
    """Vectors of texts; the encoder is loaded, and used, only for those that are not in the lake yet.

    What is embedded is saved on the way, so that interrupted work goes on where it stopped. Raises EncoderError.
    """
    digests = pa.array([text_digest(text) for text in texts], pa.string())
    distinct = pc.unique(digests)
    vectors = np.empty((len(distinct), files.dimension), np.float32)
    missing = np.ones(len(distinct), bool)
    for part in _stored(lake, files, distinct):
        _fill(vectors, missing, distinct, part)
    pending = distinct.filter(pa.array(missing)).sort()
    if len(pending):
        text_of = dict(zip(digests.to_pylist(), texts, strict=True))
        some = [text_of[digest] for digest in pending.to_pylist()]
        for part in _embedded_parts(load(files), some, pending, save_every):
            _save(lake, files, part)
            _fill(vectors, missing, distinct, part)
    if len(distinct) < len(digests):
        vectors = vectors[pc.index_in(digests, value_set=distinct).to_numpy(zero_copy_only=False)]
    return Embedded(vectors, len(pending), len(distinct) - len(pending))


def text_digest(text: str) -> str:
    """What a text is known by: the SHA-256 of its UTF-8 bytes, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _embedded_parts(encoder: TextEncoder, texts: list[str], digests: pa.Array, save_every: int) -> Iterator[pa.Table]:
    rows: list[np.ndarray] = []
    vectors: list[np.ndarray] = []
    for batch_rows, batch_vectors in encoder.encode_batches(texts, f"embedding {len(texts):,} texts"):
        rows.append(batch_rows)
        vectors.append(batch_vectors)
        if sum(map(len, rows)) >= save_every:
            yield _table(digests.take(pa.array(np.concatenate(rows))), np.concatenate(vectors))
            rows, vectors = [], []
    if rows:
        yield _table(digests.take(pa.array(np.concatenate(rows))), np.concatenate(vectors))


def _table(digests: pa.Array, vectors: np.ndarray) -> pa.Table:
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
    return pa.table({"text_digest": digests, "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])})


def _fill(vectors: np.ndarray, missing: np.ndarray, distinct: pa.Array, part: pa.Table) -> None:
    found = pc.index_in(part["text_digest"].combine_chunks(), value_set=distinct)
    known = found.is_valid().to_numpy(zero_copy_only=False)
    rows = found.drop_null().to_numpy()
    matrix = part["vector"].combine_chunks().flatten().to_numpy().reshape(-1, vectors.shape[1])
    vectors[rows] = matrix[known]
    missing[rows] = False


def _folder(files: EncoderFiles) -> str:
    return f"embeddings/encoder={encoder_digest(files)}"


def _save(lake: Storage, files: EncoderFiles, part: pa.Table) -> None:
    buffer = io.BytesIO()
    # Vectors do not repeat and hardly compress.
    pq.write_table(part, buffer, compression="none", use_dictionary=False)
    data = buffer.getvalue()
    lake.put(f"{_folder(files)}/{hashlib.sha256(data).hexdigest()[:32]}.parquet", data)


def _stored(lake: Storage, files: EncoderFiles, wanted: pa.Array) -> Iterator[pa.Table]:
    """Files that hold one of the wanted texts, one after the other: other indexes' vectors are not read."""
    for entry in lake.list(_folder(files)):
        with lake.local_copy(entry.path) as path:
            try:
                digests = pq.read_table(path, columns=["text_digest"], partitioning=None)["text_digest"]
                if not pc.any(pc.is_in(digests, value_set=wanted)).as_py():
                    continue
                data = path.read_bytes()
                if not entry.path.endswith(f"/{hashlib.sha256(data).hexdigest()[:32]}.parquet"):
                    raise pa.ArrowInvalid("its bytes are not those that it is named by")
            except pa.ArrowException as error:
                log.warning("%s/%s is damaged; its texts are embedded again: %s", lake.url, entry.path, error)
                continue
        yield pq.read_table(pa.BufferReader(data))

"""Embeddings that are computed once: kept in the lake by encoder and text, shared by every index.

`embeddings/encoder=E/DIGEST.parquet` has rows `text_digest`, `vector`; a file's name is the digest of its bytes, so a
file is never changed, a damaged one is known and passed over, and writers need no agreement.
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

from canonry.encode import Encoder, EncoderFiles, load_encoder
from canonry.index.chunks import text_digest
from canonry.index.tables import table_of
from canonry.storage import Storage

log = logging.getLogger("canonry.index")

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
    load: Callable[[EncoderFiles], Encoder] = load_encoder,
) -> Embedded:
    """Vectors of texts; the encoder is loaded, and used, only for those that are not in the lake yet."""
    digests = pa.array([text_digest(text) for text in texts], pa.string())
    stored = _stored(lake, files)
    missing = pc.unique(digests.filter(pc.invert(pc.is_in(digests, value_set=stored["text_digest"])))).sort()
    if len(missing):
        text_of = dict(zip(digests.to_pylist(), texts, strict=True))
        pending = [text_of[digest] for digest in missing.to_pylist()]
        for part in _embedded_parts(load(files), pending, missing, save_every):
            _save(lake, files, part)
        stored = _stored(lake, files)
    rows = pc.index_in(digests, value_set=stored["text_digest"]).to_numpy(zero_copy_only=False)
    distinct = len(pc.unique(digests))
    return Embedded(_matrix(stored, files.dimension)[rows], len(missing), distinct - len(missing))


def _embedded_parts(encoder: Encoder, texts: list[str], digests: pa.Array, save_every: int) -> Iterator[pa.Table]:
    rows: list[np.ndarray] = []
    vectors: list[np.ndarray] = []
    for batch_rows, batch_vectors in encoder.encode_batches(texts, f"embedding {len(texts)} texts"):
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


def _folder(files: EncoderFiles) -> str:
    return f"embeddings/encoder={files.sha256[:12]}"


def _save(lake: Storage, files: EncoderFiles, part: pa.Table) -> None:
    buffer = io.BytesIO()
    # Vectors do not repeat and hardly compress.
    pq.write_table(part, buffer, compression="none", use_dictionary=False)
    data = buffer.getvalue()
    lake.put(f"{_folder(files)}/{hashlib.sha256(data).hexdigest()[:32]}.parquet", data)


def _stored(lake: Storage, files: EncoderFiles) -> pa.Table:
    parts = [_table(pa.array([], pa.string()), np.empty((0, files.dimension), np.float32))]
    for entry in lake.list(_folder(files)):
        data = lake.read(entry.path)
        if entry.path.endswith(f"/{hashlib.sha256(data).hexdigest()[:32]}.parquet"):
            parts.append(table_of(data))
        else:
            log.warning("%s/%s is damaged; its texts are embedded again", lake.url, entry.path)
    return pa.concat_tables(parts)


def _matrix(stored: pa.Table, dimension: int) -> np.ndarray:
    return stored["vector"].combine_chunks().flatten().to_numpy().reshape(-1, dimension)

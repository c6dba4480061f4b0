"""Texts embedded once for ever: vectors kept in the lake by encoder and text, shared by every stage.

`embeddings/encoder=E/DIGEST.parquet`, where E says what vectors depend on, has rows `text_digest`, `vector`. A file's
name is the digest of its bytes, so a file is never changed, a damaged one is known and passed over, and writers need no
agreement. Whoever adds a file makes one of every eight of about one size, so that years of small additions stay few
files; the one is written before the eight are removed, and a reader that misses some looks again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from canonry.encode import EncoderFiles, TextEncoder, encoder_digest, load_runtime
from canonry.storage import Entry, NotFound, Storage

log = logging.getLogger("canonry.embedded")

SAVE_EVERY = 512
"""Texts: what an interruption costs at most, about half a minute of work."""

TOGETHER = 8
"""Files of about one size that become one."""

LARGE = 16 << 20
"""Bytes: a file of so many, some ten thousand vectors of 384 numbers, is left as it is."""


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
        _compact(lake, files)
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
    """Take a file's vectors for the texts that it has. Of two of one text the lesser stands, in whatever file it is."""
    found = pc.index_in(part["text_digest"].combine_chunks(), value_set=distinct)
    known = found.is_valid().to_numpy(zero_copy_only=False)
    rows = found.drop_null().to_numpy()
    matrix = part["vector"].combine_chunks().flatten().to_numpy().reshape(-1, vectors.shape[1])[known]
    stands = missing[rows]
    for place in np.flatnonzero(~stands):
        stands[place] = matrix[place].tobytes() < vectors[rows[place]].tobytes()
    vectors[rows[stands]] = matrix[stands]
    missing[rows] = False


def _folder(files: EncoderFiles) -> str:
    return f"embeddings/encoder={encoder_digest(files)}"


def _save(lake: Storage, files: EncoderFiles, part: pa.Table) -> Entry:
    buffer = io.BytesIO()
    # Vectors do not repeat and hardly compress.
    pq.write_table(part, buffer, compression="none", use_dictionary=False)
    data = buffer.getvalue()
    path = f"{_folder(files)}/{_name_of(data)}"
    lake.put(path, data)
    return Entry(path, len(data), "")


def _name_of(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()[:32]}.parquet"


def _stored(lake: Storage, files: EncoderFiles, wanted: pa.Array) -> Iterator[pa.Table]:
    """Files that hold one of the wanted texts, one after the other: other indexes' vectors are not read."""
    read: set[str] = set()
    # A file that was removed meanwhile has its rows in a larger one, which was there before it was removed.
    while fresh := [entry for entry in lake.list(_folder(files)) if entry.path not in read]:
        for entry in fresh:
            read.add(entry.path)
            with contextlib.suppress(NotFound):
                if (part := _read(lake, entry, wanted)) is not None:
                    yield part


def _read(lake: Storage, entry: Entry, wanted: pa.Array | None = None) -> pa.Table | None:
    """A file's rows; None where it is damaged or holds none of the wanted texts. Raises NotFound."""
    try:
        with lake.local_copy(entry.path) as path:
            if wanted is not None:
                digests = pq.read_table(path, columns=["text_digest"], partitioning=None)["text_digest"]
                if not pc.any(pc.is_in(digests, value_set=wanted)).as_py():
                    return None
            data = path.read_bytes()
        if not entry.path.endswith(f"/{_name_of(data)}"):
            raise pa.ArrowInvalid("its bytes are not those that it is named by")
    except FileNotFoundError:
        raise NotFound(f"{lake.url}/{entry.path}: was removed while it was read") from None
    except pa.ArrowException as error:
        log.warning("%s/%s is damaged; its texts are embedded again: %s", lake.url, entry.path, error)
        return None
    return pq.read_table(pa.BufferReader(data))


def _compact(lake: Storage, files: EncoderFiles) -> None:
    """Make one file of every TOGETHER of about one size, the small ones first, until there are no more."""
    sizes: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in lake.list(_folder(files)):
        sizes[_magnitude(entry.size)].append(entry)
    with contextlib.suppress(NotFound):  # another process is doing the same
        for magnitude in range(_magnitude(LARGE)):
            same = sizes[magnitude]
            while len(same) >= TOGETHER:
                some, same[:] = same[:TOGETHER], same[TOGETHER:]
                if made := _merge(lake, files, some):
                    sizes[_magnitude(made.size)].append(made)


def _magnitude(size: int) -> int:
    """The power of TOGETHER that a size lies at."""
    return int(math.log(max(size, 1), TOGETHER) + 1e-9)


def _merge(lake: Storage, files: EncoderFiles, entries: list[Entry]) -> Entry | None:
    """One file of several, which are removed when it is there; a damaged one stays as it is. Raises NotFound."""
    parts = {entry.path: part for entry in entries if (part := _read(lake, entry)) is not None}
    if not parts:
        return None
    digests = pc.unique(pa.chunked_array(part["text_digest"].combine_chunks() for part in parts.values())).sort()
    vectors, missing = np.empty((len(digests), files.dimension), np.float32), np.ones(len(digests), bool)
    for part in parts.values():
        _fill(vectors, missing, digests, part)
    made = _save(lake, files, _table(digests, vectors))
    for path in parts.keys() - {made.path}:
        lake.delete(path)
    return made

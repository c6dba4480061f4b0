"""Chunks that nearly are another: found by MinHash, and compared word by word before they are called so."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from datasketch import MinHash, MinHashLSH

from canonry.progress import track
from canonry.search import ACCESS

DUPLICATES = pa.schema([("chunk_id", pa.string()), ("duplicate_of", pa.string()), ("similarity", pa.float64())])
"""Columns of what is found, one row a chunk that nearly is an earlier one; `similarity` is Jaccard's, 1 the same."""

_WORD = re.compile(r"\w+")
_SHINGLE = 3
_PERMUTATIONS = 64
_AT_ONCE = 1_024


def near_duplicates(chunks: pa.Table, similarity: float) -> pa.Table:
    """Columns DUPLICATES, by chunk_id: each chunk of which an earlier one shares so much of its runs of three words.

    Only chunks for the same readers are compared: nobody loses what another may read. A. Broder, On the resemblance and
    containment of documents (1997).
    """
    ids, texts = chunks["chunk_id"].to_pylist(), chunks["text"].to_pylist()
    access = chunks[ACCESS].to_pylist() if ACCESS in chunks.column_names else [None] * len(ids)
    readers = [tuple(tags or ()) for tags in access]
    shingles = [_shingles(text) for text in texts]
    kept = MinHashLSH(threshold=similarity, num_perm=_PERMUTATIONS, weights=(0.2, 0.8))
    found: list[dict[str, object]] = []
    for start in track(range(0, len(ids), _AT_ONCE), f"comparing {len(ids)} chunks"):
        rows = range(start, min(start + _AT_ONCE, len(ids)))
        sketches = MinHash.generator((shingles[row] for row in rows), num_perm=_PERMUTATIONS, hashfunc=_hash)
        for row, sketch in zip(rows, sketches, strict=True):
            like, closest = _closest(row, sorted(kept.query(sketch)), shingles, readers)
            if closest >= similarity:
                found.append({"chunk_id": ids[row], "duplicate_of": ids[like], "similarity": round(closest, 6)})
            else:
                kept.insert(row, sketch, check_duplication=False)
    return pa.Table.from_pylist(found, schema=DUPLICATES)


def without(chunks: pa.Table, duplicates: pa.Table) -> pa.Table:
    """The chunks that nearly are no other."""
    return chunks.filter(pc.invert(pc.is_in(chunks["chunk_id"], value_set=duplicates["chunk_id"])))


def _shingles(text: str) -> set[str]:
    words = _WORD.findall(text.casefold())
    runs = (words[at : at + _SHINGLE] for at in range(max(1, len(words) - _SHINGLE + 1)))
    return {" ".join(run) for run in runs}


def _hash(shingle: str) -> int:
    return zlib.crc32(shingle.encode())


def _closest(
    row: int, others: Sequence[int], shingles: Sequence[set[str]], readers: Sequence[tuple[str, ...]]
) -> tuple[int, float]:
    own = shingles[row]
    alike = [
        (other, len(own & shingles[other]) / len(own | shingles[other]))
        for other in others
        if readers[other] == readers[row]
    ]
    return max(alike, key=lambda each: (each[1], -each[0]), default=(row, -1.0))

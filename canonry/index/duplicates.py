"""Chunks that nearly are another: found by MinHash, and compared word by word before they are called so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from canonry.index.sketches import PERMUTATIONS, SCHEME, SEED, shingles, sketched
from canonry.progress import track
from canonry.search import ACCESS

DUPLICATES = pa.schema([("chunk_id", pa.string()), ("duplicate_of", pa.string()), ("similarity", pa.float64())])
"""Columns of what is found, one row a chunk that nearly is an earlier one; `similarity` is Jaccard's, 1 the same."""


def near_duplicates(chunks: pa.Table, similarity: float, sketches: np.ndarray | None = None) -> pa.Table:
    """Columns DUPLICATES, by chunk_id: each chunk of which an earlier one shares so much of its runs of three words.

    Only chunks for the same readers are compared: nobody loses what another may read. `sketches`: what `sketched` gives
    of the chunks' texts, where it is known. A. Broder, On the resemblance and containment of documents (1997).
    """
    from datasketch import LeanMinHash, MinHashLSH

    if sketches is None:
        sketches = sketched(chunks["text"].to_pylist())
    kept = MinHashLSH(threshold=similarity, num_perm=PERMUTATIONS, weights=(0.2, 0.8))
    rows = _sharing_a_band(sketches, kept.b, kept.r)
    suspects, sketches = chunks.take(pa.array(rows)), sketches[rows]
    ids, texts = suspects["chunk_id"].to_pylist(), suspects["text"].to_pylist()
    access = suspects[ACCESS].to_pylist() if ACCESS in suspects.column_names else [None] * len(ids)
    readers = [tuple(tags or ()) for tags in access]
    runs: dict[int, set[str]] = {}
    found: list[dict[str, object]] = []
    for row in track(range(len(ids)), f"comparing {len(ids):,} of {chunks.num_rows:,} chunks"):
        sketch = LeanMinHash(seed=SEED, hashvalues=sketches[row], scheme=SCHEME)
        runs[row] = shingles(texts[row])
        others = [other for other in sorted(kept.query(sketch)) if readers[other] == readers[row]]
        like, closest = _closest(row, others, runs)
        if closest >= similarity:
            del runs[row]
            found.append({"chunk_id": ids[row], "duplicate_of": ids[like], "similarity": round(closest, 6)})
        else:
            kept.insert(row, sketch, check_duplication=False)
    return pa.Table.from_pylist(found, schema=DUPLICATES)


def without(chunks: pa.Table, duplicates: pa.Table) -> pa.Table:
    """The chunks that nearly are no other."""
    return chunks.filter(pc.invert(pc.is_in(chunks["chunk_id"], value_set=duplicates["chunk_id"])))


def _sharing_a_band(sketches: np.ndarray, bands: int, width: int) -> np.ndarray:
    """Rows of which another has the same values in some band, ascending: all that the search could ever find."""
    # One number stands for a band's values; where two different ones agree by chance, a row more is looked at.
    powers = np.cumprod(np.full(width, 0x9E3779B97F4A7C15, np.uint64))
    shared = np.zeros(len(sketches), bool)
    for band in range(bands):
        keys = (sketches[:, band * width : (band + 1) * width] * powers).sum(axis=1)
        _, places, counts = np.unique(keys, return_inverse=True, return_counts=True)
        shared |= counts[places] > 1
    return np.flatnonzero(shared)


def _closest(row: int, others: Sequence[int], runs: Mapping[int, set[str]]) -> tuple[int, float]:
    own = runs[row]
    alike = [(other, len(own & runs[other]) / len(own | runs[other])) for other in others]
    return max(alike, key=lambda each: (each[1], -each[0]), default=(row, -1.0))

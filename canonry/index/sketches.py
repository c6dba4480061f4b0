"""MinHash sketches of texts by their runs of three words: made once for a text, and kept by its digest.

`sketches/index=NAME/part-0.parquet` has those of an index's chunks, and the recipe that they were made by.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import zlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from canonry.index.tables import put_table, read_if_there
from canonry.progress import track
from canonry.storage import Storage

PERMUTATIONS, SEED, SCHEME = 64, 1, "affine32"

_WORD = re.compile(r"\w+")
_SHINGLE = 3
_AT_ONCE = 1_024
_FORMAT = 1
"""Raise it when `shingles` or `sketched` give something else for the same text."""


def shingles(text: str) -> set[str]:
    """Runs of three words; of a shorter text all its words as one."""
    words = _WORD.findall(text.casefold())
    runs = (words[at : at + _SHINGLE] for at in range(max(1, len(words) - _SHINGLE + 1)))
    return {" ".join(run) for run in runs}


def path_of(name: str) -> str:
    """Where an index's sketches made last lie in the lake."""
    return f"sketches/index={name}/part-0.parquet"


def sketched(texts: Sequence[str]) -> np.ndarray:
    """Sketches of texts, uint32 (n, PERMUTATIONS), row i for text i."""
    from datasketch import MinHash

    sketches = np.empty((len(texts), PERMUTATIONS), np.uint32)
    for start in track(range(0, len(texts), _AT_ONCE), f"sketching {len(texts):,} chunks"):
        some = (shingles(text) for text in texts[start : start + _AT_ONCE])
        made = MinHash.generator(some, num_perm=PERMUTATIONS, seed=SEED, scheme=SCHEME, hashfunc=_hash)
        for row, sketch in enumerate(made, start):
            sketches[row] = sketch.hashvalues
    return sketches


def sketch_new(lake: Storage, name: str, chunks: pa.Table) -> np.ndarray:
    """What `sketched` gives of the texts of chunks; only those that the build before did not have are sketched."""
    path = path_of(name)
    digests = chunks["text_digest"].combine_chunks()
    distinct = digests.unique().sort()
    sketches = np.empty((len(distinct), PERMUTATIONS), np.uint32)
    fresh = np.ones(len(distinct), bool)
    known = read_if_there(lake, path)
    if known is not None:
        known = known.filter(pc.equal(known["recipe"], _recipe()))
        rows = pc.index_in(known["text_digest"].combine_chunks(), value_set=distinct)
        wanted = rows.is_valid().to_numpy(zero_copy_only=False)
        rows = rows.drop_null().to_numpy()
        sketches[rows] = known["sketch"].combine_chunks().flatten().to_numpy().reshape(-1, PERMUTATIONS)[wanted]
        fresh[rows] = False
    if fresh.any() or known is None:
        firsts = pc.index_in(distinct.filter(pa.array(fresh)), value_set=digests)
        sketches[fresh] = sketched(chunks["text"].take(firsts).to_pylist())
    flat = pa.FixedSizeListArray.from_arrays(pa.array(sketches.ravel()), PERMUTATIONS)
    put_table(lake, path, pa.table({"text_digest": distinct, "recipe": [_recipe()] * len(distinct), "sketch": flat}))
    return sketches[pc.index_in(digests, value_set=distinct).to_numpy(zero_copy_only=False)]


def _recipe() -> str:
    return json.dumps([_FORMAT, importlib.metadata.version("datasketch"), PERMUTATIONS, SEED, SCHEME, _SHINGLE])


def _hash(shingle: str) -> int:
    return zlib.crc32(shingle.encode())

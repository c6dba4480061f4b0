"""Vectors that came with an index's passages: used for its own chunks alone, and told apart by encoder.

They lie apart from `embeddings/`, which every index trusts: nothing but a sample shows that they are the encoder's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from canonry.embedded import Embedded, embed, text_digest
from canonry.encode import Agreement, EncoderFiles, agreement, spread_sample
from canonry.index.carried import SAMPLE
from canonry.index.tables import put_table, read_if_there, vectors_path
from canonry.storage import Storage


def put_passage_vectors(
    lake: Storage, name: str, encoder: EncoderFiles, documents: pa.Table, vectors: Mapping[str, np.ndarray]
) -> None:
    """Keep the vectors of documents that are passages, by their text's digest; take away what was there for others."""
    path = vectors_path(name, encoder.sha256)
    for entry in list(lake.list(path.rpartition("/")[0])):
        if not vectors or entry.path != path:
            lake.delete(entry.path)
    if not vectors:
        return
    by_digest: dict[str, np.ndarray] = {}
    for document_id, text in zip(documents["document_id"].to_pylist(), documents["text"].to_pylist(), strict=True):
        if document_id in vectors:
            by_digest.setdefault(text_digest(text), vectors[document_id])
    digests = sorted(by_digest)
    flat = pa.array(np.concatenate([by_digest[digest] for digest in digests]))
    columns = {"text_digest": digests, "vector": pa.FixedSizeListArray.from_arrays(flat, encoder.dimension)}
    put_table(lake, path, pa.table(columns))


def chunk_vectors(lake: Storage, name: str, encoder: EncoderFiles, texts: Sequence[str]) -> Embedded:
    """Vectors of an index's texts: those that came with them, then those in the lake; only the rest is embedded."""
    known = read_if_there(lake, vectors_path(name, encoder.sha256))
    if known is None:
        return embed(lake, encoder, texts)
    digests = pa.array([text_digest(text) for text in texts], pa.string())
    rows = pc.index_in(digests, value_set=known["text_digest"].combine_chunks())
    own = rows.is_null().to_numpy(zero_copy_only=False)
    rest = embed(lake, encoder, [text for text, missing in zip(texts, own, strict=True) if missing])
    vectors = np.empty((len(texts), encoder.dimension), np.float32)
    matrix = known["vector"].combine_chunks().flatten().to_numpy().reshape(-1, encoder.dimension)
    vectors[~own] = matrix[rows.drop_null().to_numpy()]
    vectors[own] = rest.vectors
    distinct = len(pc.unique(digests.filter(pa.array(~own))))
    return Embedded(vectors, rest.embedded, rest.reused + distinct)


def vectors_agreement(lake: Storage, encoder: EncoderFiles, texts: Sequence[str], vectors: np.ndarray) -> Agreement:
    """How well vectors (n, dimension) agree with what the encoder gives for a sample of their texts."""
    rows = spread_sample(texts, SAMPLE)
    return agreement(vectors[rows], embed(lake, encoder, [texts[row] for row in rows]).vectors)

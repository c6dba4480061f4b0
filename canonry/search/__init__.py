"""Nearest chunks of a vector, all of them or those that a condition lets through.

`vectors.faiss` and `chunks.parquet` of a release: row i of one belongs to row i of the other.
"""

from canonry.search._chunks import CHUNK_SCHEMA, CHUNKS, MAPPED, read_chunks, write_mapped
from canonry.search._errors import SearchError
from canonry.search._index import SCAN_ADVANTAGE, VECTORS, Hit, VectorIndex
from canonry.search._where import ACCESS, Where, audiences_in, tags_in

__all__ = [
    "ACCESS",
    "CHUNKS",
    "CHUNK_SCHEMA",
    "MAPPED",
    "SCAN_ADVANTAGE",
    "VECTORS",
    "Hit",
    "SearchError",
    "VectorIndex",
    "Where",
    "audiences_in",
    "read_chunks",
    "tags_in",
    "write_mapped",
]

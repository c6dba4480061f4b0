"""Nearest chunks of a vector or a text, all of them or those that a condition lets through.

`vectors.faiss` and `chunks.parquet` of a release: row i of one belongs to row i of the other, and `lexical.arrow` says
which of these rows have a word.
"""

from canonry.search._chunks import CHUNK_SCHEMA, CHUNKS, MAPPED, read_chunks, write_mapped
from canonry.search._errors import SearchError
from canonry.search._fusion import DEPTH, FUSION, Found, Fusion
from canonry.search._index import SCAN_ADVANTAGE, VECTORS, Hit, VectorIndex
from canonry.search._lexical import LEXICAL, LEXICAL_SCHEMA, LexicalIndex, lexical_metadata
from canonry.search._rerank import Reranker, rerank
from canonry.search._text import Encode, Mode, TextIndex
from canonry.search._together import Part, search_together
from canonry.search._where import ACCESS, Where, audiences_in, tags_in
from canonry.search._words import Words, surface_words

__all__ = [
    "ACCESS",
    "CHUNKS",
    "CHUNK_SCHEMA",
    "DEPTH",
    "FUSION",
    "LEXICAL",
    "LEXICAL_SCHEMA",
    "MAPPED",
    "SCAN_ADVANTAGE",
    "VECTORS",
    "Encode",
    "Found",
    "Fusion",
    "Hit",
    "LexicalIndex",
    "Mode",
    "Part",
    "Reranker",
    "SearchError",
    "TextIndex",
    "VectorIndex",
    "Where",
    "Words",
    "audiences_in",
    "lexical_metadata",
    "read_chunks",
    "rerank",
    "search_together",
    "surface_words",
    "tags_in",
    "write_mapped",
]

"""The lexical side of an index: BM25 by bm25s, as the file that `canonry.search` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import bm25s
import numpy as np
import pyarrow as pa
from bm25s import stopwords

from canonry.index.tables import HEADINGS
from canonry.search import LEXICAL_SCHEMA, Words, lexical_metadata, surface_words

K1, B = 1.5, 0.75

_STOP_WORDS = {
    "danish": stopwords.STOPWORDS_DANISH,
    "dutch": stopwords.STOPWORDS_DUTCH,
    "english": stopwords.STOPWORDS_EN_PLUS,
    "french": stopwords.STOPWORDS_FRENCH,
    "german": stopwords.STOPWORDS_GERMAN,
    "italian": stopwords.STOPWORDS_ITALIAN,
    "norwegian": stopwords.STOPWORDS_NORWEGIAN,
    "portuguese": stopwords.STOPWORDS_PORTUGUESE,
    "russian": stopwords.STOPWORDS_RUSSIAN,
    "spanish": stopwords.STOPWORDS_SPANISH,
    "swedish": stopwords.STOPWORDS_SWEDISH,
    "turkish": stopwords.STOPWORDS_TURKISH,
}
_STEMS_SHOWN = 100


def lexical_bytes(chunks: pa.Table, language: str) -> bytes | None:
    """`lexical.arrow` of chunks, by their documents' ids and titles and their own texts; None where they have no word.

    S. Robertson and H. Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), as Lucene computes it.
    The same rows give the same bytes.
    """
    words = Words(language)
    dropped = set(chain.from_iterable(words.of(word) for word in _STOP_WORDS.get(language, ())))
    texts = list(_texts(chunks))
    stems = [[stem for stem in each if stem not in dropped] for each in words.of_each(texts)]
    known = sorted(set(chain.from_iterable(stems)))
    if not known:
        return None
    number = {stem: at for at, stem in enumerate(known)}
    built = bm25s.BM25(k1=K1, b=B, method="lucene", backend="numpy", csc_backend="numpy")
    found = built.build_index_from_ids(
        list(range(len(known))), [[number[stem] for stem in each] for each in stems], show_progress=False
    )
    starts = pa.array(found["indptr"], pa.int32())
    columns = [
        pa.array(known, pa.string()),
        pa.ListArray.from_arrays(starts, pa.array(found["indices"].astype(np.int32))),
        pa.ListArray.from_arrays(starts, pa.array(found["data"].astype(np.float32))),
    ]
    about = lexical_metadata(language, len(texts), _some_stems(words, texts))
    table = pa.Table.from_arrays(columns, schema=LEXICAL_SCHEMA.with_metadata(about))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _texts(chunks: pa.Table) -> Iterator[str]:
    # A passage in the middle of a document seldom says what it is about; the title does, and so does an id that is a
    # path or an address. An id that is a number costs nothing: nobody asks for its word.
    columns = [chunks[name].to_pylist() for name in ("document_id", "title", "text")]
    if HEADINGS.name in chunks.column_names:
        columns.append(["\n".join(path) for path in chunks[HEADINGS.name].to_pylist()])
    return ("\n".join(part for part in parts if part) for parts in zip(*columns, strict=True))


def _some_stems(words: Words, texts: Iterable[str]) -> dict[str, str]:
    """Words of the texts that are not their own stems, for readers to see that their stemmer is the same."""
    stems: dict[str, str] = {}
    for text in texts:
        for word in surface_words(text):
            stem = words.of(word)[0]
            if stem != word:
                stems[word] = stem
            if len(stems) == _STEMS_SHOWN:
                return stems
    return stems

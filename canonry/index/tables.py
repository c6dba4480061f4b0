"""Where an index's intermediate tables lie in the lake, and their columns."""

from __future__ import annotations

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq

from canonry import lake as lake_zone
from canonry.index.errors import IndexBuildError
from canonry.storage import NotFound, Storage

DOCUMENTS = pa.schema([("document_id", pa.string()), ("title", pa.string()), ("text", pa.string())])
"""Columns of every index's documents; those that its spec names come after them, and with every chunk."""

UPDATED_AT = pa.field("updated_at", pa.timestamp("us"))
"""When a document last changed, in UTC; the column is there where some document says it."""

FORMAT = pa.field("format", pa.string())
"""`plain`, `markdown`, or `passage`, which is not cut; without the column all are plain."""

HEADINGS = pa.field("headings", pa.list_(pa.string()))
"""Headings that a chunk stands under, the outermost first; the column is there where some chunk has one."""

LEFT_OUT = pa.schema([("file", pa.string()), ("reason", pa.string())])
"""Columns of what could not be read."""

CHUNKS = pa.schema(
    [
        ("chunk_id", pa.string()),
        ("document_id", pa.string()),
        ("title", pa.string()),
        ("ordinal", pa.int32()),
        ("text", pa.string()),
        ("text_digest", pa.string()),
    ]
)


def own_fields(documents: pa.Table) -> list[pa.Field]:
    """Columns of an index's documents that come with every chunk."""
    return [field for field in documents.schema if field.name not in (*DOCUMENTS.names, FORMAT.name)]


def documents_path(name: str) -> str:
    """Path in the lake of an index's documents, one row a document."""
    return f"documents/index={name}/part-0.parquet"


def chunks_path(name: str) -> str:
    """Path in the lake of an index's chunks, one row a chunk."""
    return f"chunks/index={name}/part-0.parquet"


def left_out_path(name: str) -> str:
    """Path in the lake of what could not be read of an index's documents, one row a file."""
    return f"left_out/index={name}/part-0.parquet"


def vectors_path(name: str, encoder_sha256: str) -> str:
    """Path in the lake of the vectors of an encoder that an index's passages came with, one row a text."""
    return f"passage_vectors/index={name}/encoder={encoder_sha256[:12]}.parquet"


def duplicates_path(name: str) -> str:
    """Path in the lake of an index's chunks that nearly are another, one row a chunk."""
    return f"duplicates/index={name}/part-0.parquet"


def read_table(lake: Storage, path: str, step: str) -> pa.Table:
    """A table that an earlier step wrote. Raises IndexBuildError naming that step where it has not run."""
    try:
        data = lake.read(path)
    except NotFound:
        raise IndexBuildError(f"{lake.url}/{path}: not there yet; run the step `{step}` first") from None
    return table_of(data)


def read_if_there(lake: Storage, path: str) -> pa.Table | None:
    """A table, or None where there is none."""
    try:
        return table_of(lake.read(path))
    except NotFound:
        return None


def table_of(data: bytes) -> pa.Table:
    """Rows of a Parquet file's bytes."""
    return pq.read_table(io.BytesIO(data))


def put_table(lake: Storage, path: str, table: pa.Table) -> tuple[str, bool]:
    """Write a table; returns the digest of its bytes, and whether they are new."""
    data = lake_zone.parquet_bytes(table)
    return hashlib.sha256(data).hexdigest(), put_if_changed(lake, path, data)


def put_if_changed(lake: Storage, path: str, data: bytes) -> bool:
    """Write an object unless it already is these bytes; True when written."""
    entry = lake.head(path)
    if entry and entry.size == len(data) and lake.read(path) == data:
        return False
    lake.put(path, data)
    return True

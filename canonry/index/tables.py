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
    """Columns of an index's documents that its spec named."""
    return [field for field in documents.schema if field.name not in DOCUMENTS.names]


def documents_path(name: str) -> str:
    """Path in the lake of an index's documents, one row a document."""
    return f"documents/index={name}/part-0.parquet"


def chunks_path(name: str) -> str:
    """Path in the lake of an index's chunks, one row a chunk."""
    return f"chunks/index={name}/part-0.parquet"


def read_table(lake: Storage, path: str, step: str) -> pa.Table:
    """A table that an earlier step wrote. Raises IndexBuildError naming that step where it has not run."""
    try:
        data = lake.read(path)
    except NotFound:
        raise IndexBuildError(f"{lake.url}/{path}: not there yet; run the step `{step}` first") from None
    return table_of(data)


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

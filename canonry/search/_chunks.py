"""What the rows of an index are: its chunks, read from Parquet, or mapped into memory from the same as Arrow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

CHUNKS = "chunks.parquet"

MAPPED = "arrow-1"
"""Names what `write_mapped` writes: to be raised when that changes."""

_ARROW = b"ARROW1"
"""What an Arrow file begins with: one that was fetched has no name that tells."""

CHUNK_SCHEMA = pa.schema(
    [
        ("chunk_id", pa.string()),
        ("document_id", pa.string()),
        ("title", pa.string()),
        ("ordinal", pa.int64()),
        ("text", pa.string()),
    ]
)
"""Columns of every `chunks.parquet`; an index may have more. One row per chunk, in the order of the vectors."""


def read_chunks(path: Path) -> pa.Table:
    """The table in `chunks.parquet`, decoded into this process's memory, or in what `write_mapped` made of it.

    The latter is not read: its pages come when they are touched, and processes share them.
    """
    with open(path, "rb") as start:
        is_mapped = start.read(len(_ARROW)) == _ARROW
    if not is_mapped:
        return pq.ParquetFile(path, memory_map=True).read().combine_chunks()
    with pa.ipc.open_file(pa.memory_map(str(path))) as file:
        return file.read_all()


def write_mapped(chunks: Path, target: Path) -> None:
    """Write `chunks.parquet` as an uncompressed Arrow file, in one batch where Arrow can hold it in one."""
    table = read_chunks(chunks)
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def cell_reader(column: pa.ChunkedArray) -> Callable[[int], Any]:
    """Reads the value of a row. Texts are read from their bytes, which costs half of what asking Arrow does."""
    array = column.chunk(0) if column.num_chunks == 1 else column
    if not isinstance(array, pa.StringArray) or array.null_count or not len(array):
        return lambda row: array[row].as_py()
    _, offsets, data = array.buffers()
    ends, held = memoryview(offsets).cast("i")[array.offset :], memoryview(data or b"")
    return lambda row: str(held[ends[row] : ends[row + 1]], "utf-8")

"""Published tables, as Arrow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from canonry.client._open import find
from canonry.release import PRODUCTION, ReleaseError, local_files


def read_table(
    name: str,
    channel: str = PRODUCTION,
    columns: Sequence[str] | None = None,
    version: str | None = None,
    home: str | Path | None = None,
) -> pa.Table:
    """A released table, or these columns of it, in this order; `.to_pandas()` works where pandas is installed.

    Raises NotReleased, Damaged, StorageError, or ReleaseError naming the columns it does not have.

    >>> read_table("cost_daily", columns=["team", "cost"]).to_pylist()
    [{'team': 'a', 'cost': 1.5}, {'team': 'b', 'cost': 2.5}]
    """
    release = find("tables", name, channel, version, home)
    files = sorted(path for path in release.manifest.files if path.endswith(".parquet"))
    if not files:
        raise ReleaseError(f"{release.folder}: has no Parquet file, so it is not a table")
    local = local_files(release, files)
    parts = [pq.ParquetFile(local[file], memory_map=True) for file in files]
    known = parts[0].schema_arrow.names
    unknown = [column for column in columns or () if column not in known]
    if unknown:
        raise ReleaseError(f"table {name} {release.version} has no {', '.join(unknown)} (it has {', '.join(known)})")
    wanted = list(known if columns is None else columns)
    return pa.concat_tables([part.read(columns=wanted).select(wanted) for part in parts])


async def aread_table(
    name: str,
    channel: str = PRODUCTION,
    columns: Sequence[str] | None = None,
    version: str | None = None,
    home: str | Path | None = None,
) -> pa.Table:
    """`read_table` in a thread: the event loop goes on meanwhile.

    >>> asyncio.run(aread_table("cost_daily")).num_rows
    2
    """
    return await asyncio.to_thread(read_table, name, channel, columns, version, home)

"""Writes rows as sorted Parquet files whose bytes depend on the rows alone, not on threads or timing.

DuckDB's own COPY cuts row groups where its threads happen to meet. Here each row group is cut at a fixed count of
sorted rows: the bounds are found from the sort columns alone, then one row group after the other is fetched, so that
wide rows are never sorted all at once and a day need not fit in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROWS_PER_GROUP = 1 << 16


@dataclass(frozen=True)
class Output:
    """A file to write: its columns and types, and those whose values repeat enough to be worth a dictionary."""

    file: Path
    schema: pa.Schema
    repeating: tuple[str, ...] = ()


def write_sorted(
    connection: duckdb.DuckDBPyConnection, table: str, order: tuple[str, str], outputs: Sequence[Output]
) -> None:
    """Write columns of a DuckDB table to files, all in the order of two columns that identify a row together."""
    columns = dict.fromkeys(name for output in outputs for name in (*order, *output.schema.names))
    selected = ", ".join(f'"{name}"' for name in columns)
    with ExitStack() as stack, ThreadPoolExecutor(len(outputs)) as pool:
        writers = [stack.enter_context(_writer(output)) for output in outputs]
        writing: list[Future[None]] = []
        for condition, values in _groups(connection, table, order):
            query = f"SELECT {selected} FROM {table} WHERE {condition}"
            rows = connection.execute(query, values).to_arrow_table()
            rows = rows.take(pc.sort_indices(rows, [(name, "ascending") for name in order]))
            _finish(writing)
            writing = [pool.submit(_write, *each, rows) for each in zip(writers, outputs, strict=True)]
        _finish(writing)


def write_narrow(connection: duckdb.DuckDBPyConnection, table: str, order: tuple[str, str], output: Output) -> None:
    """Write columns of a DuckDB table to a file, in the order of two columns that identify a row together.

    Rows are sorted all at once: quicker, where they are narrow and lie in no order.
    """
    selected = ", ".join(f'"{name}"' for name in output.schema.names)
    query = f"SELECT {selected} FROM {table} ORDER BY {', '.join(order)}"
    with _writer(output) as writer:
        for batch in connection.execute(query).to_arrow_reader(ROWS_PER_GROUP):
            writer.write_table(pa.Table.from_batches([batch]).cast(output.schema), row_group_size=ROWS_PER_GROUP)


def _groups(
    connection: duckdb.DuckDBPyConnection, table: str, order: tuple[str, str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A condition and its values for each row group, in order."""
    first, second = order
    starts = connection.execute(
        f"SELECT {first}, {second} FROM (SELECT {first}, {second}, row_number() OVER (ORDER BY {first}, {second}) "
        f"AS place FROM {table}) WHERE place % {ROWS_PER_GROUP} = 1 ORDER BY place"
    ).fetchall()
    for low, high in zip_longest(starts, starts[1:]):
        condition = f"{first} >= $low AND ({first} > $low OR {second} >= $low_second)"
        values = {"low": low[0], "low_second": low[1]}
        if high:
            condition += f" AND {first} <= $high AND ({first} < $high OR {second} < $high_second)"
            values |= {"high": high[0], "high_second": high[1]}
        yield condition, values


def _writer(output: Output) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        output.file, output.schema, compression="zstd", use_dictionary=list(output.repeating), store_schema=False
    )


def _write(writer: pq.ParquetWriter, output: Output, rows: pa.Table) -> None:
    chosen = rows.select(output.schema.names).cast(output.schema).combine_chunks()
    writer.write_table(chosen, row_group_size=ROWS_PER_GROUP)


def _finish(writing: list[Future[None]]) -> None:
    for each in writing:
        each.result()

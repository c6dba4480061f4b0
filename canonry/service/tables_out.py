"""Released tables as a stream: Arrow for programs, JSON for the rest. A table is never whole in memory."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from canonry.release import LocalFiles, Release, ReleaseError, local_files
from canonry.service.problems import Problem

ARROW = "application/vnd.apache.arrow.stream"
_ROWS_AT_ONCE = 5_000


class OpenTable:
    """A released table that is open; it never changes."""

    def __init__(self, release: Release) -> None:
        self.version = release.version
        self.name = release.manifest.name
        paths = [path for path in sorted(release.manifest.files) if path.endswith(".parquet")]
        if not paths:
            raise ReleaseError(f"table {self.name} {self.version} has no Parquet file, so it is not a table")
        self._files: LocalFiles = local_files(release, paths)
        self._paths = [self._files[path] for path in paths]
        self.schema: pa.Schema = pq.read_schema(self._paths[0])

    def schema_of(self, columns: Sequence[str]) -> pa.Schema:
        """Of these columns, in this order; none means all. Raises Problem naming those that there are not."""
        unknown = [name for name in columns if name not in self.schema.names]
        if unknown:
            known = ", ".join(self.schema.names)
            raise Problem(422, f"table {self.name} {self.version} has no {', '.join(unknown)[:200]} (it has {known})")
        wanted = columns or self.schema.names
        return pa.schema([self.schema.field(name) for name in wanted])

    def batches(self, schema: pa.Schema, limit: int | None) -> Iterator[pa.RecordBatch]:
        """Its rows, at most `limit`."""
        left = math.inf if limit is None else limit
        for path in self._paths:
            with pq.ParquetFile(path, memory_map=True) as file:
                for batch in file.iter_batches(_ROWS_AT_ONCE, columns=schema.names):
                    if left <= 0:
                        return
                    part = batch.select(schema.names).slice(0, min(left, batch.num_rows))
                    left -= part.num_rows
                    yield part

    def arrow(self, schema: pa.Schema, limit: int | None) -> Iterator[bytes]:
        """An Arrow IPC stream."""
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, schema) as writer:
            for batch in self.batches(schema, limit):
                writer.write_batch(batch)
                yield _taken(sink)
        yield _taken(sink)

    def json(self, schema: pa.Schema, limit: int | None) -> Iterator[bytes]:
        """A JSON object with name, version and rows. Decimals are text, so that no digit is lost."""
        yield b'{"name":%b,"version":%b,"rows":[' % (orjson.dumps(self.name), orjson.dumps(self.version))
        first = True
        for batch in self.batches(schema, limit):
            rows = orjson.dumps(batch.to_pylist(), default=_plain)[1:-1]
            if rows:
                yield rows if first else b"," + rows
                first = False
        yield b"]}"


def _taken(sink: io.BytesIO) -> bytes:
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data


def _plain(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)

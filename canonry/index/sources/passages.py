"""Passages whose vectors a team already has: Parquet, or what Elasticsearch and OpenSearch export as NDJSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from canonry.catalog.specs import Vectors
from canonry.index.json_lines import Problems, Row, read_rows
from canonry.locations import stored_files

_BATCH = 1_024


def passage_rows(source: Vectors, location: str, dimension: int | None, problems: Problems) -> Iterator[Row]:
    """A row a passage, with its vector at length 1. What has none, or one of another length, is a problem."""
    for row in _rows(source, location, problems):
        values = _flat(
            row.values, (source.id, source.title, source.text, source.updated_at, source.access, *source.metadata)
        )
        found = row.vector if row.vector is not None else _at(row.values, source.vector)
        vector = _vector(found, dimension)
        if isinstance(vector, str):
            problems.add(row.place, f"{source.vector}: {vector}")
            continue
        yield Row(row.file, row.line, {**values, "format": "passage"}, vector)


def _rows(source: Vectors, location: str, problems: Problems) -> Iterator[Row]:
    if not any(entry.path.endswith((".parquet", ".pq")) for _, entry in stored_files(location)):
        yield from _hits(read_rows(location, problems), source.id)
        return
    for storage, entry in stored_files(location):
        name = f"{storage.url}/{entry.path}"
        with storage.local_copy(entry.path) as path:
            try:
                yield from _parquet_rows(name, pq.ParquetFile(path), source.vector)
            except (pa.ArrowException, OSError) as error:
                problems.add(name, f"is not Parquet that can be read: {error}")


def _parquet_rows(name: str, file: pq.ParquetFile, vector: str) -> Iterator[Row]:
    number = 0
    for batch in file.iter_batches(_BATCH):
        table = pa.Table.from_batches([batch])
        lists = vector in table.column_names and _is_list(table[vector].type)
        vectors = table[vector].combine_chunks() if lists else None
        rest = table.drop_columns([vector]) if lists else table
        for at, values in enumerate(rest.to_pylist()):
            number += 1
            cell = vectors[at].values if vectors is not None and vectors[at].is_valid else None
            found = None if cell is None else cell.to_numpy(zero_copy_only=False)
            yield Row(name, number, values, found)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _hits(rows: Iterator[Row], id_column: str) -> Iterator[Row]:
    """Rows of an export: of a search hit what is under `_source`, of a bulk file the line after each action."""
    action: dict[str, Any] | None = None
    for row in rows:
        values = row.values
        source = values.get("_source")
        if isinstance(source, dict):
            yield Row(row.file, row.line, _with_id(source, values.get("_id"), id_column))
        elif action is not None:
            yield Row(row.file, row.line, _with_id(values, action.get("_id"), id_column))
            action = None
        elif len(values) == 1 and isinstance(inner := values.get("index") or values.get("create"), dict):
            action = inner
        else:
            yield row


def _with_id(values: dict[str, Any], document_id: Any, id_column: str) -> dict[str, Any]:
    # The field of the document wins: `_id` is what the search engine calls it.
    return values if document_id is None or id_column in values else {**values, id_column: document_id}


def _flat(values: dict[str, Any], names: tuple[str | None, ...]) -> dict[str, Any]:
    missing = object()
    found = {name: _at(values, name, missing) for name in names if name}
    return {name: value for name, value in found.items() if value is not missing}


def _at(values: dict[str, Any], path: str, default: Any = None) -> Any:
    """The value at a dotted path; a key that is spelled so wins."""
    if path in values:
        return values[path]
    found: Any = values
    for part in path.split("."):
        if not isinstance(found, dict) or part not in found:
            return default
        found = found[part]
    return found


def _vector(found: Any, dimension: int | None) -> np.ndarray | str:
    """The vector at length 1, or what is wrong with it."""
    if found is None:
        return "expected a list of numbers, found nothing"
    try:
        vector = np.asarray(found, dtype=np.float32)
    except (TypeError, ValueError):
        return "expected a list of numbers, found other values"
    if vector.ndim != 1 or not vector.size or (dimension and len(vector) != dimension):
        return f"has {vector.size} values, expected {dimension or 'some'}, as the encoder gives"
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not np.isfinite(length) or length == 0:
        return "is zero, or not finite, so it points nowhere; embed the passage again"
    return (vector / np.float32(length)).astype(np.float32)

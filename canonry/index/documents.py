"""Documents of an index: rows of its sources in, one Arrow row a document out, sorted by id."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from canonry.catalog import IndexSpec
from canonry.catalog.specs import Files, GoldAnswers, JsonLines, Query, Source, Vectors
from canonry.index.columns import Columns
from canonry.index.erased import erased
from canonry.index.errors import IndexBuildError
from canonry.index.json_lines import Problems, Row, read_rows, text_of
from canonry.index.sources.files import file_rows
from canonry.index.sources.gold_answers import gold_rows
from canonry.index.sources.lake_query import query_rows
from canonry.index.sources.passages import passage_rows
from canonry.index.tables import DOCUMENTS, FORMAT, UPDATED_AT
from canonry.locations import LocationError, expand
from canonry.storage import Zones


@dataclass(frozen=True)
class Documents:
    """What an index's sources hold now."""

    table: pa.Table
    """Columns DOCUMENTS, then those of the spec; `updated_at` and `format` where some document has one."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Files that could not be read, by name, with the reason, where the spec says to leave them out."""
    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    """Vectors that came with passages, by document_id: float32 (dimension,)."""
    made_of: tuple[tuple[str, str | None], ...] = ()
    """Documents that are made of calls, and which; None where nobody can tell."""


def documents_of(name: str, spec: IndexSpec, zones: Zones, dimension: int | None = None) -> Documents:
    """Every document of the spec's sources; none only where the spec is optional. `dimension`: of the encoder.

    Raises IndexBuildError with every bad row's file, line and field.
    """
    reading = _Reading(name, spec, zones, dimension)
    for number, source in enumerate(spec.documents):
        reading.take(number, source)
    return reading.documents()


class _Reading:
    """Documents as they come; problems are collected so that all are seen at once."""

    def __init__(self, name: str, spec: IndexSpec, zones: Zones, dimension: int | None) -> None:
        self._where = f"assets/indexes/{name}.yaml: documents"
        self._spec, self._zones, self._dimension = spec, zones, dimension
        self._problems = Problems()
        self._own = Columns(spec.metadata, any(each.access for each in spec.documents))
        self._documents: dict[str, dict[str, Any]] = {}
        self._first: dict[str, str] = {}
        self._left_out: dict[str, str] = {}
        self._made_of: list[tuple[str, str | None]] = []
        self._erased = erased(zones)
        self._vectors: dict[str, np.ndarray] = {}

    def take(self, number: int, source: Source) -> None:
        where = self._where if len(self._spec.documents) == 1 else f"{self._where}.{number}"
        before = len(self._first) + len(self._problems.found) + len(self._left_out)
        location = ""
        if isinstance(source, JsonLines | Files | Vectors):
            try:
                location = expand(source.location, {"CANONRY_HOME": self._zones.home})
            except LocationError as error:
                if self._spec.optional:
                    return
                raise IndexBuildError(f"{where}.location: {error}") from None
        for row in self._rows(source, location, where):
            self._add(row, source)
        if len(self._first) + len(self._problems.found) + len(self._left_out) == before and not self._spec.optional:
            raise IndexBuildError(f"{where}{_nothing(source, location)}, or set `optional: true`")

    def documents(self) -> Documents:
        fields = self._own.fields(self._problems, self._where) if self._documents else []
        self._problems.raise_if_any()
        rows = [self._documents[document_id] for document_id in sorted(self._documents)]
        if any(row[UPDATED_AT.name] is not None for row in rows):
            fields.append(UPDATED_AT)
        if any(row[FORMAT.name] != "plain" for row in rows):
            fields.append(FORMAT)
        table = pa.Table.from_pylist(rows, schema=pa.schema([*DOCUMENTS, *fields]))
        return Documents(table, self._left_out, self._vectors, tuple(self._made_of))

    def _rows(self, source: Source, location: str, where: str) -> Iterator[Row]:
        match source:
            case JsonLines():
                return read_rows(location, self._problems)
            case Files():
                return file_rows(source, location, self._problems, self._left_out)
            case Query():
                return query_rows(source, self._zones.lake, where, self._erased)
            case GoldAnswers():
                return gold_rows(source, self._zones.published, where, self._erased)
            case Vectors():
                return passage_rows(source, location, self._dimension, self._problems)

    def _add(self, row: Row, source: Source) -> None:
        names = _names(source)
        problems = self._problems
        document_id = _id(row, names.id, problems)
        text = text_of(row, names.text, problems)
        title = None
        if names.title and row.values.get(names.title) is not None:
            title = text_of(row, names.title, problems)
        if document_id is None:
            return
        if document_id in self._first:
            problems.add(row.place, f"{names.id}: {document_id!r} is already the id of {self._first[document_id]}")
            return
        self._first[document_id] = row.place
        self._documents[document_id] = {
            "document_id": document_id,
            "title": title,
            "text": text,
            UPDATED_AT.name: _moment(row, names.updated_at, problems) if names.updated_at else None,
            FORMAT.name: names.format or row.values["format"],
            **self._own.of(row, source.metadata, names.access, problems),
        }
        self._made_of += [(document_id, call) for call in row.calls]
        if row.vector is not None:
            self._vectors[document_id] = row.vector


@dataclass(frozen=True)
class _Names:
    """Which of a row's columns is what; without `format` the row says it itself."""

    id: str = "document_id"
    title: str | None = "title"
    text: str = "text"
    updated_at: str | None = "updated_at"
    access: str | None = "access"
    format: str | None = None


def _names(source: Source) -> _Names:
    if isinstance(source, Files | GoldAnswers):
        return _Names()
    format_said = None if isinstance(source, Vectors) else source.format
    return _Names(source.id, source.title, source.text, source.updated_at, source.access, format_said)


def _nothing(source: Source, location: str) -> str:
    match source:
        case JsonLines():
            return f".location: no document at {location}; put JSON Lines there"
        case Files():
            return f".location: no file at {location}; put documents there"
        case Vectors():
            return f".location: no passage at {location}; put Parquet or NDJSON there"
        case Query():
            return ".sql: finds no row in the lake; look at what it asks for"
        case GoldAnswers():
            return f".gold: {source.gold} has no answer with {source.field}: {source.value} on {source.channel}"


def _id(row: Row, column: str, problems: Problems) -> str | None:
    value = row.values.get(column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    found = text_of(row, column, problems)
    if found is not None and not found.strip():
        problems.add(row.place, f"{column}: is empty; every document needs its own id")
        return None
    return found


def _moment(row: Row, column: str, problems: Problems) -> dt.datetime | None:
    value = row.values.get(column)
    if value is None:
        return None
    try:
        found = dt.datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
        if isinstance(found, dt.date) and not isinstance(found, dt.datetime):
            found = dt.datetime(found.year, found.month, found.day)
        if not isinstance(found, dt.datetime):
            raise ValueError
        return found if found.tzinfo is None else found.astimezone(dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        problems.add(row.place, f"{column}: expected a time such as 2026-01-31T12:00:00Z, found {str(value)[:80]!r}")
        return None

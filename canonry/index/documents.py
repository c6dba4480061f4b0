"""Documents of an index: JSON Lines in, one Arrow row a document out, sorted by id."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from canonry.catalog import IndexSpec
from canonry.index.columns import Columns
from canonry.index.errors import IndexBuildError
from canonry.index.json_lines import Problems, Row, read_rows, text_of
from canonry.index.tables import DOCUMENTS
from canonry.locations import LocationError, expand


def documents_of(name: str, spec: IndexSpec, home: str) -> pa.Table:
    """Every document at the spec's location: columns DOCUMENTS, then `metadata` and `access` of the spec.

    Empty only where the spec is optional.

    Raises IndexBuildError with every bad row's file, line and field.
    """
    where = f"assets/indexes/{name}.yaml: documents.location"
    try:
        location = expand(spec.documents.location, {"CANONRY_HOME": home})
    except LocationError as error:
        if spec.optional:
            return DOCUMENTS.empty_table()
        raise IndexBuildError(f"{where}: {error}") from None
    documents, own = _documents(location, spec)
    if not documents and not spec.optional:
        raise IndexBuildError(f"{where}: no document at {location}; put JSON Lines there, or set `optional: true`")
    if not documents:
        return DOCUMENTS.empty_table()
    ordered = [documents[document_id] for document_id in sorted(documents)]
    return pa.Table.from_pylist(ordered, schema=pa.schema([*DOCUMENTS, *own]))


def _documents(location: str, spec: IndexSpec) -> tuple[dict[str, dict[str, Any]], list[pa.Field]]:
    columns = spec.documents
    problems = Problems()
    documents: dict[str, dict[str, Any]] = {}
    own = Columns(columns.metadata, columns.access)
    first: dict[str, str] = {}
    for row in read_rows(location, problems):
        document_id = _id(row, columns.id, problems)
        text = text_of(row, columns.text, problems)
        title = None
        if columns.title and row.values.get(columns.title) is not None:
            title = text_of(row, columns.title, problems)
        if document_id is None:
            continue
        if document_id in first:
            problems.add(row.place, f"{columns.id}: {document_id!r} is already the id of {first[document_id]}")
            continue
        first[document_id] = row.place
        documents[document_id] = {"document_id": document_id, "title": title, "text": text, **own.of(row, problems)}
    fields = own.fields(problems, location) if documents else []
    problems.raise_if_any()
    return documents, fields


def _id(row: Row, column: str, problems: Problems) -> str | None:
    value = row.values.get(column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    found = text_of(row, column, problems)
    if found is not None and not found.strip():
        problems.add(row.place, f"{column}: is empty; every document needs its own id")
        return None
    return found

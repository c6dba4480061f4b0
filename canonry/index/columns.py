"""Columns that an index keeps beside its documents' text: to search by, and to say who may be shown them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from canonry.index.json_lines import Problems, Row
from canonry.search import ACCESS

_KINDS = {
    "text": pa.string(),
    "a whole number": pa.int64(),
    "a number": pa.float64(),
    "true or false": pa.bool_(),
    "a list of text": pa.list_(pa.string()),
}
_MOST = 1 << 63


class Columns:
    """The columns of an index's spec, one kind of value each, seen row by row."""

    def __init__(self, metadata: Sequence[str], restricted: bool) -> None:
        """`metadata` of every source; `restricted`: some source says who may read."""
        self._metadata = metadata
        self._restricted = restricted
        self._kinds: dict[str, tuple[str, str]] = {}

    def of(self, row: Row, metadata: Sequence[str], access: str | None, problems: Problems) -> dict[str, Any]:
        """A row's values by column; a value that is absent is null. `metadata` and `access`: of the row's source."""
        found = {name: self._value(row, name, problems) for name in metadata}
        if self._restricted:
            found[ACCESS] = [] if access is None else self._tags(row, access, problems)
        return found

    def fields(self, problems: Problems, where: str) -> list[pa.Field]:
        """The columns' types; a column that no row has is a problem."""
        for name in self._metadata:
            if name not in self._kinds:
                problems.add(where, f"{name}: no document has it; correct documents.metadata")
        found = [pa.field(name, _KINDS[self._kinds[name][0]]) for name in self._metadata if name in self._kinds]
        return [*found, pa.field(ACCESS, pa.list_(pa.string()))] if self._restricted else found

    def _value(self, row: Row, name: str, problems: Problems) -> Any:
        value = row.values.get(name)
        if value is None:
            return None
        kind = _kind(value)
        if kind is None or not _writable(value):
            problems.add(row.place, f"{name}: expected {', '.join(_KINDS)}, found {type(value).__name__}")
            return None
        before, place = self._kinds.setdefault(name, (kind, row.place))
        if {before, kind} == {"a whole number", "a number"}:
            self._kinds[name] = ("a number", place)
        elif before != kind:
            problems.add(row.place, f"{name}: found {kind}, but {place} has {before}; a column holds one kind")
            return None
        return value

    def _tags(self, row: Row, column: str, problems: Problems) -> list[str]:
        value = row.values.get(column)
        if value is None and column in row.values:
            return []
        if isinstance(value, str):
            value = [value]
        # A document that says nothing is not shown to everybody by mistake.
        fits = isinstance(value, list) and all(isinstance(tag, str) and tag.strip() and _writable(tag) for tag in value)
        if not fits or value is None:
            found = "nothing" if column not in row.values else repr(value)[:80]
            problems.add(row.place, f"{column}: expected tags, null or [] where everybody may read it, found {found}")
            return []
        return sorted(set(value))


def _kind(value: Any) -> str | None:
    match value:
        case bool():
            return "true or false"
        case str():
            return "text"
        case int():
            return "a whole number" if -_MOST <= value < _MOST else None
        case float():
            return "a number"
        case list() if all(isinstance(each, str) for each in value):
            return "a list of text"
    return None


def _writable(value: Any) -> bool:
    texts = value if isinstance(value, list) else [value]
    try:
        for text in texts:
            str(text).encode()
    except UnicodeEncodeError:
        return False
    return True

"""Conditions on chunks: which rows have these values, and which a reader with these access tags may see."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from canonry.search._errors import SearchError

ACCESS = "access"
"""Column of `chunks.parquet`, where an index has one: the tags that a reader needs, all of them, to see the chunk."""

Value = str | int | float | bool | None
Where = Mapping[str, Value | Sequence[Value]]
"""Value, or values of which one is enough, by column; every column must fit."""


def condition_key(where: Where) -> tuple[tuple[str, tuple[Value, ...]], ...]:
    """A condition as something that can be looked up: the same for the same condition. Raises SearchError."""
    try:
        return tuple(sorted((column, _values(column, wanted)) for column, wanted in where.items()))
    except (AttributeError, TypeError):
        raise SearchError(f"where is {where!r}, expected values by column, such as {{'product': 'site'}}") from None


def rows_with(column: pa.ChunkedArray, name: str, wanted: tuple[Value, ...]) -> np.ndarray:
    """Which rows have one of these values: bool (n,). A list has a value where one of its members is that."""
    kind = column.type
    is_list = pa.types.is_list(kind)
    member = kind.value_type if is_list else kind
    odd = [value for value in wanted if not _could_be(value, member)]
    try:
        values = pa.array(wanted, type=member)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        odd = list(wanted)
    if odd:
        raise SearchError(f"where: column {name} holds {member}, found {', '.join(map(repr, odd))}")
    if not is_list:
        return pc.is_in(column, value_set=values).to_numpy(zero_copy_only=False).astype(bool)
    return _rows_of_members(column, lambda members: pc.is_in(members, value_set=values))


def rows_readable(column: pa.ChunkedArray, tags: Collection[str]) -> np.ndarray:
    """Which rows a reader with these access tags may see: bool (n,)."""
    held = pa.array(sorted(tags), pa.string())
    return ~_rows_of_members(column, lambda members: pc.invert(pc.is_in(members, value_set=held)))


def tags_in(column: pa.ChunkedArray) -> frozenset[str]:
    """Every access tag that some row needs."""
    return frozenset(pc.unique(column.combine_chunks().flatten()).to_pylist())


def audiences_in(column: pa.ChunkedArray) -> int:
    """How many audiences the rows are for: the sets of tags that are needed, of which none at all is one."""
    return len({frozenset(tags) for tags in column.to_pylist()})


def _could_be(value: Value, kind: pa.DataType) -> bool:
    # Arrow would take True for 1, and cut 2020.5 to 2020.
    if isinstance(value, bool) or pa.types.is_boolean(kind):
        return value is None or (isinstance(value, bool) and pa.types.is_boolean(kind))
    return not (isinstance(value, float) and pa.types.is_integer(kind)) or value.is_integer()


def _rows_of_members(column: pa.ChunkedArray, fits) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Rows whose list has a member that fits."""
    found = np.zeros(len(column), bool)
    whole = column.combine_chunks()
    members = whole.flatten()
    if len(members):
        parents = pc.list_parent_indices(whole).to_numpy(zero_copy_only=False)
        found[parents[fits(members).to_numpy(zero_copy_only=False).astype(bool)]] = True
    return found


def _values(column: str, wanted: Value | Sequence[Value]) -> tuple[Value, ...]:
    values = (wanted,) if isinstance(wanted, str | int | float | Mapping | None) else tuple(wanted)
    for value in values:
        if not isinstance(value, str | int | float | None):
            raise SearchError(f"where: column {column}: {value!r} is no text, number, true, false or null")
    return values

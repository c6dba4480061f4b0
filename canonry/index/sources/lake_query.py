"""Documents that a query over the lake finds: in a DuckDB of its own, in memory, that sees nothing but the lake."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp

from canonry import lake
from canonry.catalog.specs import Query
from canonry.index.erased import Erased
from canonry.index.errors import IndexBuildError
from canonry.index.json_lines import Row
from canonry.storage import Storage


def query_rows(source: Query, lake_zone: Storage, where: str, erased: Erased) -> Iterator[Row]:
    """A row a row of the query's, which does not see what is erased.

    Raises IndexBuildError where it is no SELECT, or DuckDB refuses it.
    """
    with duckdb.connect(":memory:") as connection:
        for kind in _kinds(source.sql, where):
            days = lake.days(lake_zone, kind)[-source.days :]
            connection.register(kind, erased.without(lake.read(lake_zone, kind, days, with_day=True)))
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        try:
            found: pa.Table = connection.execute(source.sql).to_arrow_table()
        except duckdb.Error as error:
            told = " ".join(str(error).split("\n\n")[0].split())
            raise IndexBuildError(f"{where}.sql: {told}") from None
    for number, values in enumerate(found.to_pylist(), start=1):
        call = values.get(source.call)
        calls = tuple(call) if isinstance(call, list) and call else (call if isinstance(call, str) else None,)
        yield Row(f"{where}.sql", number, values, calls=calls)


def _kinds(sql: str, where: str) -> list[str]:
    """The lake's kinds that a query reads."""
    try:
        statements = [each for each in sqlglot.parse(sql, read="duckdb") if each is not None]
    except sqlglot.errors.SqlglotError as error:
        raise IndexBuildError(f"{where}.sql: is not SQL: {' '.join(str(error).split())}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise IndexBuildError(f"{where}.sql: expected one SELECT, found {len(statements)} statements")
    own = {each.alias for each in statements[0].find_all(exp.CTE)}
    names = sorted({table.name for table in statements[0].find_all(exp.Table)} - own)
    unknown = [name for name in names if name not in lake.SCHEMAS]
    if unknown:
        known = ", ".join(lake.SCHEMAS)
        raise IndexBuildError(f"{where}.sql: the lake has no {', '.join(map(repr, unknown))}; it has {known}")
    return names

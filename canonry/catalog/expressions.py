"""SQL expressions in YAML: one value from one row, and nothing else."""

from __future__ import annotations


def problem(expression: str) -> str | None:
    """Why an expression cannot be used, or None. It may name columns and call functions; it may not query."""
    import sqlglot
    from sqlglot import exp

    try:
        # In parentheses, as it is used: a comment or a second statement would swallow the closing one.
        trees = sqlglot.parse(f"SELECT ({expression})", read="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        found = getattr(error, "errors", None)
        return f"{expression!r} is not an SQL expression: {found[0]['description'] if found else error}"
    select = trees[0]
    values = select.expressions if isinstance(select, exp.Select) and len(trees) == 1 else []
    parts = {name for name, value in select.args.items() if value} if select else set()
    if len(values) != 1 or parts != {"expressions"} or not isinstance(values[0], exp.Paren | exp.Subquery):
        return f"{expression!r} is more than one expression"
    inner = values[0].this
    if isinstance(values[0], exp.Subquery) or inner.find(exp.Query, exp.Star, exp.Columns, exp.Values):
        return f"{expression!r} queries; an expression may only use columns of its row"
    if inner.find(exp.Alias, exp.Aliases):
        return f"{expression!r} names its result; the field's name does that"
    if inner.find(exp.Placeholder, exp.Parameter):
        return f"{expression!r} has a parameter; an expression may only use columns of its row"
    return None

"""SQL expressions in YAML: one value from one row, and nothing else."""

from __future__ import annotations


def problem(expression: str) -> str | None:
    """Why an expression cannot be used, or None. It may name columns and call functions; it may not query."""
    import sqlglot
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(f"SELECT {expression}", read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        found = getattr(error, "errors", None)
        return f"{expression!r} is not an SQL expression: {found[0]['description'] if found else error}"
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or set(_parts(tree)) - {"expressions", "kind"}:
        return f"{expression!r} is more than one expression"
    if tree.find(exp.Subquery) or len(list(tree.find_all(exp.Select))) > 1 or tree.find(exp.Star):
        return f"{expression!r} queries; an expression may only use columns of its row"
    if tree.find(exp.Alias):
        return f"{expression!r} names its result; the field's name does that"
    return None


def _parts(tree: object) -> list[str]:
    return [name for name, value in tree.args.items() if value]  # type: ignore[attr-defined]

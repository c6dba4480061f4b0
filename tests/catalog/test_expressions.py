"""Expressions in YAML: one value from one row, and nothing else."""

from __future__ import annotations

import pytest

from canonry.catalog.expressions import problem


@pytest.mark.parametrize(
    "expression",
    [
        "model",
        "'ragtruth-' || rows.source_id || '-' || model",
        "CAST(tokens AS BIGINT)",
        "tokens::int",
        "coalesce(info->>'question', info->>'$')",
        "[{'role': 'user', 'content': question}]",
        "if(len(labels) > 0, 'hallucinated', 'grounded')",
        "CASE WHEN a IS NULL THEN 1 ELSE 2 END",
        "list_transform(labels, lambda each: each.text)",
        "TIMESTAMP",
        "a IN ('x', 'y') AND NOT b",
        "'-- ; SELECT'",
    ],
)
def test_values_of_a_row_are_taken(expression):
    assert problem(expression) is None


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("(SELECT 1)", "queries"),
        ("SELECT 1", "queries"),
        ("a IN (SELECT b FROM t)", "queries"),
        ("EXISTS (SELECT 1)", "queries"),
        ("coalesce(a, (SELECT max(b) FROM rows))", "queries"),
        ("(FROM rows)", "queries"),
        ("(VALUES (1))", "queries"),
        ("*", "queries"),
        ("rows.*", "queries"),
        ("count(*)", "queries"),
        ("COLUMNS('.*')", "queries"),
        ("a AS b", "names its result"),
        ("a b", "names its result"),
        ("a, b", "more than one expression"),
        ("a), (b", "more than one expression"),
        ("", "more than one expression"),
        ("?", "has a parameter"),
        ("$1", "has a parameter"),
        ("1; DROP TABLE rows", "is not an SQL expression"),
        ("1); DROP TABLE rows; SELECT (1", "more than one expression"),
        ("a -- ", "is not an SQL expression"),
        ("a /*", "is not an SQL expression"),
        ("a FROM rows", "is not an SQL expression"),
        ("a) FROM rows WHERE (b", "more than one expression"),
        ("1 UNION SELECT 2", "is not an SQL expression"),
        ("DISTINCT a", "is not an SQL expression"),
        ("'unclosed", "is not an SQL expression"),
        ("a +", "is not an SQL expression"),
        ("(" * 5000 + "1" + ")" * 5000, "is not an SQL expression"),
    ],
)
def test_anything_else_is_refused_with_the_reason(expression, why):
    assert why in problem(expression)

"""Whether what a rule of a scorer says can be used: its pattern, its schema."""

from __future__ import annotations

from canonry.catalog.specs import IsJson, Matches, Rule


def rule_problem(rule: Rule) -> str | None:
    """What is wrong with a rule, or None."""
    if isinstance(rule, Matches):
        import re2

        try:
            re2.compile(rule.pattern)
        except re2.error as error:
            return f"pattern: is no RE2 expression: {error.args[0]!r}"
    if isinstance(rule, IsJson):
        import jsonschema

        try:
            jsonschema.Draft202012Validator.check_schema(rule.schema_)
        except jsonschema.SchemaError as error:
            return f"schema: is no JSON Schema: {error.message}"
    return None

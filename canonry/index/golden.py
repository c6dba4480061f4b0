"""Golden queries: questions whose right documents are known, from the YAML and from a file beside it."""

from __future__ import annotations

from dataclasses import dataclass

from canonry.catalog import IndexSpec
from canonry.index.errors import IndexBuildError
from canonry.index.json_lines import Problems, Row, read_rows, text_of
from canonry.locations import LocationError, expand


@dataclass(frozen=True)
class Golden:
    """A query and the ids of the documents that answer it."""

    query: str
    documents: frozenset[str]


def golden_queries(name: str, spec: IndexSpec, home: str) -> list[Golden]:
    """All of an index's golden queries, those of the YAML first. Raises IndexBuildError with every bad row."""
    queries = [Golden(each.query, frozenset(each.documents)) for each in spec.golden_queries]
    if spec.golden_file is None:
        return queries
    problems = Problems()
    try:
        location = expand(spec.golden_file, {"CANONRY_HOME": home})
        from_file = [golden for row in read_rows(location, problems) if (golden := _golden(row, problems))]
    except LocationError as error:
        problems.add(f"assets/indexes/{name}.yaml: golden_file", str(error))
        from_file = []
    problems.raise_if_any()
    if not from_file and not spec.optional:
        raise IndexBuildError(f"assets/indexes/{name}.yaml: golden_file: no query at {location}; write some there")
    return queries + from_file


def _golden(row: Row, problems: Problems) -> Golden | None:
    query = text_of(row, "query", problems)
    documents = row.values.get("documents")
    if not isinstance(documents, list) or not documents or not all(isinstance(each, str) for each in documents):
        problems.add(row.place, "documents: expected a list of at least one document id")
        return None
    return Golden(query, frozenset(documents)) if query is not None else None

"""Golden queries: questions whose right documents are known, from the YAML, a file, gold answers and feedback."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from canonry.catalog import IndexSpec
from canonry.index.asked import feedback_queries, labeled_queries
from canonry.index.errors import IndexBuildError
from canonry.index.json_lines import Problems, Row, read_rows, text_of
from canonry.locations import LocationError, expand
from canonry.storage import Zones

Provenance = Literal["spec", "file", "labels", "feedback"]


@dataclass(frozen=True)
class Golden:
    """A query and the ids of the documents that answer it."""

    query: str
    documents: frozenset[str]
    provenance: Provenance = "spec"

    @property
    def shown(self) -> str:
        """The query as reports and releases show it: what users asked is not for everyone who reads them."""
        if self.provenance in ("spec", "file"):
            return self.query
        return f"a question from {self.provenance} ({hashlib.sha256(self.query.encode()).hexdigest()[:8]})"


def golden_queries(name: str, spec: IndexSpec, zones: Zones) -> list[Golden]:
    """All of an index's golden queries, each once; those of the YAML first, then the file's, labels', feedback's.

    Raises IndexBuildError with every bad row.
    """
    written = [Golden(each.query, frozenset(each.documents)) for each in spec.golden_queries]
    from_file = _from_file(name, spec, zones.home)
    labels = [
        Golden(query, documents, "labels")
        for source in spec.golden_labels
        for query, documents in labeled_queries(source, name, zones).items()
    ]
    rated = feedback_queries(spec.golden_feedback, name, zones) if spec.golden_feedback else {}
    feedback = [Golden(query, documents, "feedback") for query, documents in rated.items()]
    seen = {_plain(each.query) for each in written + from_file}
    return written + from_file + _new(labels + feedback, seen)


def by_provenance(golden: Iterable[Golden]) -> dict[str, int]:
    """How many queries come from where."""
    return dict(sorted(Counter(each.provenance for each in golden).items()))


def _new(found: Sequence[Golden], seen: set[str]) -> list[Golden]:
    kept = []
    for each in found:
        if _plain(each.query) not in seen:
            seen.add(_plain(each.query))
            kept.append(each)
    return kept


def _plain(query: str) -> str:
    return " ".join(query.casefold().split())


def _from_file(name: str, spec: IndexSpec, home: str) -> list[Golden]:
    if spec.golden_file is None:
        return []
    problems = Problems()
    location = ""
    try:
        location = expand(spec.golden_file, {"CANONRY_HOME": home})
        found = [golden for row in read_rows(location, problems) if (golden := _golden(row, problems))]
    except LocationError as error:
        problems.add(f"assets/indexes/{name}.yaml: golden_file", str(error))
        found = []
    problems.raise_if_any()
    if not found and not spec.optional:
        raise IndexBuildError(f"assets/indexes/{name}.yaml: golden_file: no query at {location}; write some there")
    return found


def _golden(row: Row, problems: Problems) -> Golden | None:
    query = text_of(row, "query", problems)
    documents = row.values.get("documents")
    if not isinstance(documents, list) or not documents or not all(isinstance(each, str) for each in documents):
        problems.add(row.place, "documents: expected a list of at least one document id")
        return None
    return Golden(query, frozenset(documents), "file") if query is not None else None

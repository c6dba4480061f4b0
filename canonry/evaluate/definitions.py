"""Scorers that nobody trains, as releases: what they do is written out whole, so that each version can be run again."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canonry.catalog import Catalog
from canonry.catalog.specs import GroundednessSpec, JudgeSpec, RetrievalSpec, RulesSpec, ScorerSpec, SimilaritySpec
from canonry.locations import expand, stored_files
from canonry.release import Release

DEFINITION, KNOWN = "definition.json", "known.jsonl"

FORMAT_VERSION = 1

CODE_VERSION = {"rules": 1, "similarity": 1, "retrieval": 1, "judge": 1}
"""Raised when the same definition would give other figures: another version of the scorer."""


class DefinitionError(ValueError):
    """A scorer that cannot be defined, or a release that defines none; the message says where and what to do."""


@dataclass(frozen=True)
class Definition:
    """What a released scorer does."""

    kind: str
    settings: Mapping[str, Any]
    """All that its figures depend on, by the fields of its YAML; a judge's prompt with its text."""
    known: Mapping[str, Any]
    """By digest of a question: its right answer, or its right documents."""


def definition_files(name: str, spec: ScorerSpec, catalog: Catalog, home: str) -> dict[str, bytes]:
    """The payload of a scorer's release. Owner, products, budget and the like change no figure and are not in it.

    Raises DefinitionError for known answers or golden queries that cannot be read.
    """
    path = str(catalog.path("scorers", name))
    known: list[tuple[str, Any]] = []
    settings: dict[str, Any]
    if isinstance(spec, RulesSpec):
        settings = {"rules": [rule.model_dump(mode="json", by_alias=True) for rule in spec.rules]}
    elif isinstance(spec, SimilaritySpec):
        encoder = catalog.models[spec.encoder].encoder
        settings = {"metric": spec.metric, "encoder": spec.encoder, "reference": spec.reference}
        settings["encoder_sha256"] = encoder.sha256 if encoder else None
        known = list(_pairs(f"{path}: answers", spec.answers, home, "question", "answer", str)) if spec.answers else []
    elif isinstance(spec, RetrievalSpec):
        index = catalog.indexes[spec.index]
        settings = {"metrics": list(spec.metrics), "depth": spec.depth}
        known = [(each.query, sorted(each.documents)) for each in index.golden_queries]
        if index.golden_file:
            where = f"{catalog.path('indexes', spec.index)}: golden_file"
            known += list(_pairs(where, index.golden_file, home, "query", "documents", list))
    elif isinstance(spec, JudgeSpec):
        prompt = catalog.prompts[spec.prompt]
        text = {"template": prompt.versions[spec.prompt_version - 1].template, "variables": list(prompt.variables)}
        fields = ("metric", "model", "provider", "verdicts", "parameters", "response_format", "reference")
        settings = spec.model_dump(mode="json", include=set(fields))
        settings["prompt"] = {"name": spec.prompt, "version": spec.prompt_version, **text}
    else:
        raise DefinitionError(f"{path}: kind {spec.kind} is trained, not defined")
    document = {
        "format_version": FORMAT_VERSION,
        "kind": spec.kind,
        "code_version": CODE_VERSION[spec.kind],
        "settings": settings,
    }
    files = {DEFINITION: json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"}
    if isinstance(spec, RetrievalSpec) or (isinstance(spec, SimilaritySpec) and spec.answers):
        lines = sorted({json.dumps([question, right], ensure_ascii=False) for question, right in known})
        files[KNOWN] = "".join(f"{line}\n" for line in lines).encode()
    return files


def is_defined(spec: ScorerSpec) -> bool:
    """Whether a scorer is defined by its YAML alone, and not trained."""
    return not isinstance(spec, GroundednessSpec)


def read_definition(release: Release) -> Definition:
    """What a release of a defined scorer says. Raises DefinitionError, ReleaseError."""
    document = json.loads(release.read(DEFINITION))
    kind, code = document.get("kind"), document.get("code_version")
    if document.get("format_version") != FORMAT_VERSION or CODE_VERSION.get(kind) != code:
        raise DefinitionError(
            f"{release.folder}/{DEFINITION}: kind {kind!r} of code_version {code} is not what this version of Canonry "
            f"runs ({CODE_VERSION}); score with a version that it has released itself"
        )
    lines = release.read(KNOWN).splitlines() if KNOWN in release.manifest.files else []
    known: dict[str, Any] = {}
    for question, right in map(json.loads, lines):
        digest = question_digest(question)
        # A question that is listed twice has the documents of both; of two answers the first counts.
        if isinstance(right, list):
            known[digest] = sorted({*known.get(digest, ()), *right})
        known.setdefault(digest, right)
    return Definition(kind, document["settings"], known)


def question_digest(question: str) -> str:
    """The same for questions that differ by case and spaces alone."""
    return hashlib.sha256(" ".join(question.casefold().split()).encode()).hexdigest()[:16]


def _pairs(
    where: str, location: str, home: str, question: str, answer: str, kind: type[str] | type[list]
) -> Iterator[tuple[str, Any]]:
    for storage, entry in stored_files(expand(location, {"CANONRY_HOME": home})):
        data = storage.read(entry.path)
        text = gzip.decompress(data) if entry.path.endswith(".gz") else data
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            place = f"{where}: {storage.url}/{entry.path}: line {number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DefinitionError(f"{place}: is not JSON: {error}") from None
            if not isinstance(row, dict) or not isinstance(row.get(question), str):
                raise DefinitionError(f"{place}: {question}: expected a text")
            if not isinstance(row.get(answer), kind) or not row[answer]:
                expected = "a text" if kind is str else "a list of document ids"
                raise DefinitionError(f"{place}: {answer}: expected {expected}")
            yield row[question], row[answer]

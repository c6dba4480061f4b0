"""What an index was made from, for its manifest: everything but a clock."""

from __future__ import annotations

import hashlib
import importlib.metadata
from functools import cache
from typing import Any

import canonry
from canonry.catalog import IndexSpec
from canonry.index import tables
from canonry.storage import Zones

_LIBRARIES = (
    "beautifulsoup4",
    "bm25s",
    "datasketch",
    "docutils",
    "faiss-cpu",
    "markdown-it-py",
    "markdownify",
    "PyStemmer",
    "pypdf",
    "semantic-text-splitter",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
)


def lineage_of(zones: Zones, name: str, spec: IndexSpec) -> dict[str, Any]:
    """Sources and digests of the tables, how they were cut, and the versions of code that shaped the payload."""
    return {
        "sources": [each.model_dump(mode="json") for each in spec.documents],
        "documents_sha256": _digest(zones, tables.documents_path(name)),
        "chunks_sha256": _digest(zones, tables.chunks_path(name)),
        "chunking": spec.chunking.model_dump(mode="json"),
        "versions": {"canonry": canonry.__version__, **{each: _version(each) for each in _LIBRARIES}},
    }


def _digest(zones: Zones, path: str) -> str:
    return hashlib.sha256(zones.lake.read(path)).hexdigest()


@cache
def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None

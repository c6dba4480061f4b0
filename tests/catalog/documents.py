"""Documents of each kind that hold, and what loading a folder of them says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from canonry.catalog import CatalogError, load

PUSH = {"description": "A product that pushes.", "owner": "a-team", "type": "push"}
MODEL = {
    "description": "A model that answers.",
    "owner": "a-team",
    "role": "chat",
    "provider": "own",
    "stages": [{"stage": "candidate", "since": "2026-01-01", "reason": "first"}],
}
ENCODER = {"package": "p", "path": "m", "sha256": "0" * 64, "dimension": 3, "max_tokens": 100}
INDEX = {
    "description": "An index of pages.",
    "owner": "a-team",
    "documents": {"location": "pages.jsonl"},
    "encoder": "small",
}
SCHEME = {
    "description": "Is it grounded?",
    "owner": "a-team",
    "version": 1,
    "instructions": "Read, then answer.",
    "choices": [{"name": "grounded", "question": "Is it?", "choices": ["yes", "no"]}],
    "sampling": {"strata": ["product"], "per_stratum": 5},
}
EVAL = {
    "description": "How often it is not.",
    "owner": "a-team",
    "metric": "rate",
    "scheme": "grounded",
    "field": "grounded",
    "positive": "no",
    "slices": [["product"]],
}
MONITOR = {
    "description": "It stays low.",
    "owner": "a-team",
    "measure": "quality",
    "of": "rate",
    "slice": ["product"],
    "limit": {"at_most": 0.1},
    "runbook": "docs/runbooks.md#quality",
}


def put(root: Path, name: str, document: object) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


def problems(root: Path) -> list[tuple[str, str, str]]:
    with pytest.raises(CatalogError) as caught:
        load(root)
    assert str(caught.value).splitlines() == [
        f"{each.path}: {each.field}: {each.message}" for each in caught.value.problems
    ]
    return [(str(Path(each.path).relative_to(root)), each.field, each.message) for each in caught.value.problems]


def only(root: Path) -> tuple[str, str, str]:
    found = problems(root)
    assert len(found) == 1, found
    return found[0]

"""JSON Schemas of the specs in `assets/.schema/`, so that editors complete and check."""

from __future__ import annotations

import json
from pathlib import Path

from canonry.catalog.specs import KINDS


def schema_texts() -> dict[str, str]:
    """File name and text of every schema."""
    schemas = {f"{kind}.json": spec.schema_of_all() for kind, spec in KINDS.items()}
    return {name: json.dumps(schema, indent=2, sort_keys=True) + "\n" for name, schema in schemas.items()}


def write(root: Path) -> list[Path]:
    """Write the schemas that are missing or stale under `root/.schema`; returns those."""
    changed = []
    for name, text in schema_texts().items():
        path = root / ".schema" / name
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed.append(path)
    return changed

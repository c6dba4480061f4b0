"""Documents that are files of their own: each is parsed, and one that cannot be is named with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from canonry.catalog.specs import Files
from canonry.index.json_lines import Problems, Row
from canonry.index.sources.parsed import Unreadable, parse
from canonry.locations import stored_files
from canonry.progress import track


def file_rows(source: Files, location: str, problems: Problems, left_out: dict[str, str]) -> Iterator[Row]:
    """A row a file; its id is its path under the location's fixed part. `left_out` takes file and reason."""
    found = list(stored_files(location))
    names = [f"{storage.url}/{entry.path}" for storage, entry in found]
    root = _root(location, names)
    for (storage, entry), name in track(list(zip(found, names, strict=True)), f"reading {len(found)} files"):
        try:
            parsed = parse(name, storage.read(entry.path))
            values = {
                "document_id": name[len(root) :],
                "title": parsed.title,
                "text": parsed.text,
                "format": parsed.format,
                "updated_at": parsed.updated_at,
                "access": list(source.access),
                **{field: _plain(parsed.fields.get(field)) for field in source.metadata},
            }
        except Unreadable as error:
            if source.unreadable == "quarantine":
                left_out[name] = str(error)
            else:
                problems.add(name, f"{error}, or set `unreadable: quarantine` to leave it out")
            continue
        yield Row(name, None, values)


def _root(location: str, names: list[str]) -> str:
    is_url = "://" in location
    path = location if is_url else str(Path(location).absolute())
    parts = path.split("/")
    fixed = next((at for at, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    root = "/".join(parts[:fixed]).rstrip("/") + "/"
    # A location without wildcards is a folder, or the one file itself.
    if names and not names[0].startswith(root):
        root = names[0].rpartition("/")[0] + "/"
    return root


def _plain(value: Any) -> Any:
    # YAML reads a bare date as one; a column holds text.
    return value.isoformat() if hasattr(value, "isoformat") else value

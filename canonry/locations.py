"""Locations in YAML: `${NAME}` takes a variable, a folder or glob becomes files in order."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from canonry.storage import Entry, Storage, open_storage

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class LocationError(Exception):
    """A location that cannot be used; the message says what to set."""


def expand(text: str, variables: Mapping[str, str] | None = None) -> str:
    """Put variables in place of `${NAME}`: those given, then the environment's. Raises LocationError for one unset."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        found = (variables or {}).get(name) or os.environ.get(name)
        if not found:
            raise LocationError(f"{text}: the environment has no {name}; set it, or write the location out")
        return found

    return _VARIABLE.sub(value, text)


def local_files(location: str) -> list[Path]:
    """Files a folder, file or glob means, in order of name; none where nothing is there."""
    path = Path(location)
    if path.is_dir():
        found = [each for each in path.rglob("*") if each.is_file()]
    elif path.is_file():
        found = [path]
    else:
        anchor = Path(path.anchor or ".")
        pattern = str(path.relative_to(path.anchor)) if path.anchor else str(path)
        found = [each for each in anchor.glob(pattern) if each.is_file()]
    return sorted(each for each in found if not each.name.startswith("."))


def fingerprint(location: str) -> str:
    """Changes whenever a file of the location comes, goes or changes; no file is read."""
    seen = hashlib.sha256()
    for storage, entry in stored_files(location):
        seen.update(f"{storage.url}/{entry.path}\0{entry.etag}\0".encode())
    return seen.hexdigest()


def stored_files(location: str) -> Iterator[tuple[Storage, Entry]]:
    """Files a folder, file, glob or URL means, each with the storage it lies in, in order of path."""
    scheme, separator, rest = location.partition("://")
    if not separator:
        for path in local_files(location):
            storage = open_storage(str(path.parent))
            if entry := storage.head(path.name):
                yield storage, entry
        return
    parts = rest.rstrip("/").split("/")
    # The bucket and the folders above the last part, or above the first wildcard, are the storage.
    fixed = next((at for at, part in enumerate(parts) if at and set(part) & set("*?[")), len(parts) - 1)
    fixed = max(fixed, 1)
    storage = open_storage(f"{scheme}://{'/'.join(parts[:fixed])}")
    pattern = "/".join(parts[fixed:])
    if entry := storage.head(pattern) if pattern else None:
        yield storage, entry
        return
    for entry in storage.list():
        inside = not pattern or entry.path.startswith(f"{pattern}/") or fnmatchcase(entry.path, pattern)
        if inside and not entry.path.rsplit("/", 1)[-1].startswith("."):
            yield storage, entry

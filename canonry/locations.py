"""Locations in YAML: `${NAME}` takes a variable, a folder or glob becomes files in order."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

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

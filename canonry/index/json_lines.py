"""Rows of JSON Lines files, each with its file and line, and problems collected so that all are seen at once."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from canonry.index.errors import IndexBuildError
from canonry.locations import stored_files

_SHOWN = 20


@dataclass(frozen=True)
class Row:
    """One object of a file, or a whole file, which has no line."""

    file: str
    line: int | None
    values: dict[str, Any]
    vector: np.ndarray | None = None
    """Of a passage that came with one: float32 (dimension,)."""
    calls: tuple[str | None, ...] = ()
    """Of what is made of calls: which, None where nobody can tell."""

    @property
    def place(self) -> str:
        return self.file if self.line is None else f"{self.file}: line {self.line}"


@dataclass
class Problems:
    """What is wrong with the rows of some files."""

    found: list[str] = field(default_factory=list)

    def add(self, place: str, message: str) -> None:
        self.found.append(f"{place}: {message}")

    def raise_if_any(self) -> None:
        """Raises IndexBuildError with the first problems, a line each."""
        if self.found:
            more = [f"and {len(self.found) - _SHOWN} more"] if len(self.found) > _SHOWN else []
            raise IndexBuildError("\n".join(self.found[:_SHOWN] + more))


def read_rows(location: str, problems: Problems) -> Iterator[Row]:
    """Objects of every file at a location, plain or gzip, in order of file and line. Empty lines are passed over."""
    for storage, entry in stored_files(location):
        name = f"{storage.url}/{entry.path}"
        with storage.local_copy(entry.path) as path, _opened(path) as lines:
            try:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        yield from _row(name, number, line, problems)
            except (EOFError, OSError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
                problems.add(name, f"cannot be unpacked: {error}; write the file again")


def text_of(row: Row, column: str, problems: Problems) -> str | None:
    """A column's text, or None with a problem where it is no text that can be stored."""
    value = row.values.get(column)
    if not isinstance(value, str):
        found = "nothing" if column not in row.values else f"{type(value).__name__}"
        problems.add(row.place, f"{column}: expected text, found {found}")
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        problems.add(row.place, f"{column}: half a surrogate pair is not a character; remove it")
        return None
    return value


def _opened(path: Path) -> IO[bytes]:
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else open(path, "rb")  # type: ignore[return-value]


def _row(name: str, number: int, line: bytes, problems: Problems) -> Iterator[Row]:
    place = f"{name}: line {number}"
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        problems.add(place, f"is not JSON: {error}")
        return
    if isinstance(values, dict):
        yield Row(name, number, values)
    else:
        problems.add(place, f"expected an object, found {type(values).__name__}")

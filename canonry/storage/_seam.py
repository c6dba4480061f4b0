"""The storage seam: what every kind of storage can do, and nothing that only one can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class StorageError(Exception):
    """Something a storage could not do; the message names the path."""


class Unreachable(StorageError):
    """The storage does not answer at the moment; asking again later may help."""


class NotFound(StorageError):
    """There is nothing at this path."""


class Conflict(StorageError):
    """Another writer was there first."""


UNFINISHED = ".writing-"
"""Prefix of names that are a storage's own, for what is still being written."""

_UNWRITABLE = re.compile(r"[\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True, order=True)
class Entry:
    """One stored object: its path under the storage's root, its size in bytes, and a tag that changes with it."""

    path: str
    size: int
    etag: str


class Storage(Protocol):
    """A tree of byte objects. Paths are relative, with `/`; every write is durable when the call returns.

    A reader sees an object whole or not at all, except one that grows by `append`.
    """

    url: str
    """Where the root is, as a path or URL that other engines (DuckDB, a browser) understand."""

    appends: bool
    """Whether `append` can grow an object; where it cannot, each batch becomes an object of its own."""

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        """Bytes `start:end` of an object. Raises NotFound."""
        ...

    def head(self, path: str) -> Entry | None:
        """The object's entry, or None where there is none."""
        ...

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Entries under a folder (or all), in order of path."""
        ...

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Names of the folders right under a folder, in order, whatever lies in them; none where it is none."""
        ...

    def put(self, path: str, data: bytes) -> None:
        """Write or replace an object, at once for every reader."""
        ...

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write an object unless one is there; True when written."""
        ...

    def put_if_match(self, path: str, data: bytes, etag: str | None) -> None:
        """Replace an object that is still as `etag` says (None: still absent). Raises Conflict."""
        ...

    def put_file(self, path: str, source: Path) -> None:
        """Write or replace an object with a local file's bytes. The file is left where it is."""
        ...

    def copy(self, source: str, path: str) -> None:
        """Write or replace an object with another object's bytes, within the storage: no byte need move.

        On a folder both are names of one file. Objects are replaced and never changed in place, so that nobody can
        tell; an object that grows by `append` is not copied so. Raises NotFound.
        """
        ...

    def append(self, path: str, data: bytes) -> None:
        """Grow an object. A crash, or a full disk, leaves at most a part of `data` at its end."""
        ...

    def delete(self, path: str) -> None:
        """Remove an object; nothing happens where there is none."""
        ...

    def local_copy(self, path: str) -> AbstractContextManager[Path]:
        """A local file with the object's bytes, to be read only, for as long as the context lasts. Raises NotFound."""
        ...


def parts_of(path: str, url: str) -> list[str]:
    """A path's names. Raises StorageError for a path that leaves the root, has an empty name, or cannot be written."""
    parts = path.split("/")
    strange = any(part in ("", ".", "..") or part.startswith(UNFINISHED) for part in parts)
    if strange or _UNWRITABLE.search(path):
        raise StorageError(f"{path!r} is not a path inside {url}")
    return parts

"""Where the client finds what is published."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from canonry.release import Release, ReleaseError, resolve
from canonry.storage import open_zones

T = TypeVar("T")


def find(kind: str, name: str, channel: str, version: str | None, home: str | Path | None) -> Release:
    """The release with this version, or the one the channel points to. Raises NotReleased."""
    return resolve(open_zones(home).published, kind, name, version or channel)


def read_json(release: Release, path: str, adapter: TypeAdapter[T]) -> T:
    """One verified JSON file of a release. Raises Damaged, or ReleaseError naming each field that does not fit."""
    try:
        return adapter.validate_json(release.read(path))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ReleaseError(f"{release.folder}/{path}: {wrong}; it was published by another program") from None

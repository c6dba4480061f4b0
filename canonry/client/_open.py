"""Where the client finds what is published: a folder, an object store, or the service."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from canonry.release import Release
    from canonry.storage import Storage

T = TypeVar("T")


def find(kind: str, name: str, channel: str, version: str | None, home: str | Path | None) -> Release:
    """The release with this version, or the one the channel points to. Raises NotReleased, StorageError."""
    from canonry.release import resolve

    return resolve(published_at(home), kind, name, version or channel)


def published_at(home: str | Path | None) -> Storage:
    """What is published at a folder, `s3://…` or the `http(s)://…` of the service.

    Without `home` the environment says where: CANONRY_HOME, else the service at CANONRY_URL, else `./.canonry`. The
    service is asked with the key in CANONRY_API_KEY.
    """
    from canonry.storage import open_zones

    place = str(home or os.environ.get("CANONRY_HOME") or os.environ.get("CANONRY_URL") or "")
    if place.startswith(("http://", "https://")):
        return _service(place, os.environ.get("CANONRY_API_KEY"))
    return open_zones(place or None).published


def read_json(release: Release, path: str, adapter: TypeAdapter[T]) -> T:
    """One verified JSON file of a release. Raises Damaged, or ReleaseError naming each field that does not fit."""
    return parse_json(release.read(path), f"{release.folder}/{path}", adapter)


def parse_json(data: bytes, where: str, adapter: TypeAdapter[T]) -> T:
    """A value from JSON. Raises ReleaseError naming each field that does not fit."""
    from pydantic import ValidationError

    from canonry.release import ReleaseError

    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ReleaseError(f"{where}: {wrong}; it was published by another program") from None


@functools.lru_cache(maxsize=16)
def _service(url: str, key: str | None) -> Any:
    """One for each service and key, so that its connections are kept."""
    from canonry.client._service import ServiceStorage

    return ServiceStorage(url, key)

"""The five zones under CANONRY_HOME, and which storage each URL means."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from canonry.storage._local import LocalStorage
from canonry.storage._object import ObjectStorage
from canonry.storage._seam import Storage, StorageError

DEFAULT_HOME = ".canonry"


@dataclass(frozen=True)
class Zones:
    """Everything Canonry keeps. See the table of zones in the README for who writes and who reads what."""

    home: str
    landing: Storage
    journal: Storage
    lake: Storage
    published: Storage
    exchange: Storage
    """A door, not a zone: files passed by hand to and from Label Studio."""

    @property
    def warehouse(self) -> Path:
        """DuckDB's file: local even where the zones are not, since DuckDB writes local files only."""
        given = os.environ.get("CANONRY_WAREHOUSE")
        if given:
            return Path(given).absolute()
        if isinstance(self.lake, LocalStorage):
            return Path(self.home) / "warehouse.duckdb"
        return Path(DEFAULT_HOME).absolute() / "warehouse.duckdb"


def open_zones(home: str | Path | None = None) -> Zones:
    """The zones under `home`, a folder or an `s3://` URL; by default CANONRY_HOME, else `./.canonry`."""
    url = str(home or os.environ.get("CANONRY_HOME") or DEFAULT_HOME).rstrip("/").removeprefix("file://")
    if "://" not in url:
        url = str(Path(url).absolute())
    zone = {name: open_storage(f"{url}/{name}") for name in ("landing", "journal", "lake", "published", "exchange")}
    return Zones(home=url, **zone)


def open_storage(url: str) -> Storage:
    """The storage a folder or URL means. Raises StorageError for a scheme nobody implements."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        return LocalStorage(url)
    if scheme == "file":
        return LocalStorage(url.removeprefix("file://"))
    if scheme == "s3":
        return ObjectStorage(url)
    raise StorageError(f"{url}: scheme {scheme!r} is not supported; use a folder or s3://bucket/prefix")

"""A home that holds something in every zone, places to back it up to, and a storage that a test can interfere with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canonry.publish import release_and_promote
from canonry.storage import Storage, Zones, open_storage, open_zones
from tests.loop_home import send_events
from tests.s3 import bucket, s3_endpoint

__all__ = ["bucket", "home", "place", "s3_endpoint"]

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


def publish(zones: Zones, text: str, name: str = "costs") -> None:
    """Release a table and move its channel to it."""
    files = {"table.parquet": text.encode()}
    release_and_promote(zones, "tables", name, files, metadata={}, lineage={}, reason="a test", now=NOW)


def contents(zones: Zones) -> dict[str, bytes]:
    """Every object of every zone, by zone and path."""
    return {
        f"{zone}/{entry.path}": storage.read(entry.path)
        for zone in ("landing", "journal", "lake", "published", "exchange")
        for storage in [getattr(zones, zone)]
        for entry in storage.list()
    }


@pytest.fixture
def home(tmp_path: Path) -> Zones:
    """Events, two releases of a table, a draw, tasks, vectors, a candidate, and a partition computed from the rest."""
    zones = open_zones(tmp_path / "home")
    send_events(tmp_path / "home")
    publish(zones, "first")
    publish(zones, "second")
    zones.journal.put("draws/groundedness/v1/2026-11-02.json", b"{}")
    zones.exchange.put("label-studio/groundedness/out/2026-11-02.json", b"[]")
    zones.exchange.put("empty", b"")
    zones.lake.put("embeddings/encoder=e/1.parquet", b"vectors")
    zones.lake.put("candidates/indexes/docs/1/gate.json", b'{"passed": false}')
    zones.lake.put("candidates/indexes/docs/latest.json", b'{"version": "1"}')
    zones.lake.put("inferences/day=2026-11-02/part-0.parquet", b"computed from landing")
    return zones


@pytest.fixture(params=["folder", "object store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Where a backup goes: a folder, a prefix on an S3 emulator."""
    if request.param == "folder":
        return open_storage(str(tmp_path / "backups"))
    return open_storage(f"{request.getfixturevalue('bucket')}/backups")


class Watched:
    """A stand-in that calls back before each listing or reading, with the call's name."""

    def __init__(self, inner: Storage, before: Callable[[str], None]) -> None:
        self._inner, self._before = inner, before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in ("list", "read", "head"):
            return found

        def call(*arguments: Any) -> Any:
            self._before(name)
            return found(*arguments)

        return call

"""Small releases, a stand-in for the platform's service, and little patience with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from canonry.client import _sender
from canonry.storage import Zones, open_zones
from tests.client.stand_in_service import StandIn
from tests.released import chunks, release_all, release_index, vectors
from tests.s3 import bucket, s3_endpoint

__all__ = ["bucket", "s3_endpoint"]


@pytest.fixture
def home(tmp_path: Path) -> Zones:
    """Zones with an index `docs`, a prompt `answer` and a table `cost_daily` in production."""
    return release_all(open_zones(tmp_path / "home"))


@pytest.fixture
def released_index():  # type: ignore[no-untyped-def]
    """Releases another index: (published, vectors, chunks) -> Release."""
    return release_index


@pytest.fixture
def made_vectors():  # type: ignore[no-untyped-def]
    """Random vectors of length 1: (rows, seed) -> float32 (rows, 8)."""
    return vectors


@pytest.fixture
def made_chunks():  # type: ignore[no-untyped-def]
    """Chunks for so many rows."""
    return chunks


@pytest.fixture
def service() -> Iterator[StandIn]:
    """Takes events until it is told otherwise."""
    with StandIn() as found:
        yield found


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool of the test's own, and little patience between attempts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(_sender, "FIRST_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(_sender, "LONGEST_RETRY_SECONDS", 0.1)

"""The service's zones in a folder and on the object store's emulator, and a service over released things."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from canonry import lake
from canonry.storage import Zones, open_zones
from tests.released import release_all
from tests.s3 import bucket, s3_endpoint
from tests.service.reading import ALL, key_of
from tests.service.serving import build, serving

__all__ = ["bucket", "s3_endpoint"]


@pytest.fixture(params=["folder", "object store"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Zones:
    """Empty zones in a folder, and on the S3 emulator."""
    found = open_zones(tmp_path if request.param == "folder" else request.getfixturevalue("bucket"))
    lake.ensure_anchors(found.lake)
    return found


@pytest.fixture
def released(stored: Zones) -> Zones:
    """Zones with an index, a prompt, a model and a table in production."""
    return release_all(stored)


@pytest.fixture
def url(released: Zones) -> Iterator[str]:
    """Where they are served."""
    with serving(build(released)) as found:
        yield found


@pytest.fixture
def reader(url: str, released: Zones) -> Iterator[httpx.Client]:
    """With a key that may read, and has no access tag."""
    with httpx.Client(base_url=url, headers=key_of(released, *ALL)) as found:
        yield found

"""Where the service's zones lie: in a folder, and on the object store's emulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from canonry import lake
from canonry.storage import Zones, open_zones
from tests.s3 import bucket, s3_endpoint

__all__ = ["bucket", "s3_endpoint", "stored"]


@pytest.fixture(params=["folder", "object store"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Zones:
    """Empty zones in a folder, and on the S3 emulator."""
    found = open_zones(tmp_path if request.param == "folder" else request.getfixturevalue("bucket"))
    lake.ensure_anchors(found.lake)
    return found

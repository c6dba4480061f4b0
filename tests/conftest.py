"""What every test may use: the real data beside the checkout, and zones in a folder of the test's own."""

from __future__ import annotations

import functools
import os
import ssl
from pathlib import Path

import pytest

from canonry import lake
from canonry.storage import Zones, open_zones

ROOT = Path(__file__).parent.parent
MEMORY = Path("/dev/shm")
ROOM = 8 << 30

# Temporary folders lie in memory where there is room: syncing a file takes no time there, and no test is about the
# disk of whoever runs it. Those about power cuts bring disks of their own.
if os.access(MEMORY, os.W_OK):
    memory = os.statvfs(MEMORY)
    if memory.f_bavail * memory.f_frsize > ROOM and not memory.f_flag & os.ST_NOEXEC:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# Not the cache of whoever runs the tests; kept between runs, so that an encoder is exported once.
os.environ["CANONRY_CACHE"] = str(ROOT / ".pytest_cache" / "canonry")

# Every client reads the certificates of all authorities, which takes it longer than most tests.
ssl.create_default_context = functools.cache(ssl.create_default_context)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, ../shared/data. Tests that need it skip where it is absent, unless it is required."""
    folder = Path(os.environ.get("CANONRY_DATA", ROOT.parent / "shared" / "data"))
    if folder.is_dir():
        return folder
    if os.environ.get("CANONRY_REQUIRE_DATA") == "1":
        pytest.fail(f"{folder} is absent and CANONRY_REQUIRE_DATA=1: this test needs the real data")
    pytest.skip(f"needs the real data at {folder}")


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    """Empty zones, with the lake's anchors as the platform writes them."""
    found = open_zones(tmp_path / "home")
    lake.ensure_anchors(found.lake)
    return found

"""Released gold sets, read back."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from canonry.label.gold.build import DATASHEET, ITEMS_FILE
from canonry.release import NotReleased, Release, resolve
from canonry.storage import Storage


def read_items(release: Release) -> pa.Table:
    """The rows of a gold set, verified; columns as of `build.ITEMS`."""
    return pq.read_table(io.BytesIO(release.read(ITEMS_FILE)))


def read_datasheet(published: Storage, name: str, channel_or_version: str) -> dict[str, Any] | None:
    """The datasheet of a gold set, or None where nothing was released there, or before there were datasheets."""
    try:
        release = resolve(published, "gold", name, channel_or_version)
    except NotReleased:
        return None
    return json.loads(release.read(DATASHEET)) if DATASHEET in release.manifest.files else None

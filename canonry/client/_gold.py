"""Gold sets: items whose reviewers agree, to train, calibrate and test with."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from canonry.client._open import find
from canonry.release import PRODUCTION, ReleaseError

ITEMS, DATASHEET = "items.parquet", "datasheet.json"


@dataclass(frozen=True)
class GoldSet:
    """One version of a gold set. It never changes; say its `version` beside whatever was made with it."""

    name: str
    version: str
    """Version of the release: digest of its payload, 16 hex digits."""
    items: pa.Table
    """A row an item and field of the scheme: item_id, split, group, question, passages, answer, field, value, …"""
    datasheet: Mapping[str, Any]
    """Scheme, sampling, agreement with its interval, classes, splits, slices, known limits."""

    def split(self, name: str) -> pa.Table:
        """The rows of a split: `train`, `calibration` or `test`. Raises ValueError for a split that it has not.

        >>> read_gold("groundedness").split("test").select(["question", "value"]).to_pylist()
        [{'question': 'Why?', 'value': 'grounded'}]
        """
        if name not in self.datasheet["splits"]:
            raise ValueError(
                f"gold set {self.name}: split {name!r} is not one of {', '.join(self.datasheet['splits'])}"
            )
        return self.items.filter(pc.equal(self.items["split"], name))


def read_gold(
    name: str, channel: str = PRODUCTION, version: str | None = None, home: str | Path | None = None
) -> GoldSet:
    """The gold set a channel points to (`production`, `candidate`), or the one with this version.

    From the service it takes a key with the scope `admin`: a gold set holds what people asked. Raises NotReleased,
    Damaged, StorageError, or ReleaseError for what was released before gold sets had splits.

    >>> gold = read_gold("groundedness")
    >>> gold.items.num_rows, sorted(gold.datasheet["splits"])
    (2, ['calibration', 'test', 'train'])
    """
    release = find("gold", name, channel, version, home)
    if missing := [path for path in (ITEMS, DATASHEET) if path not in release.manifest.files]:
        raise ReleaseError(f"{release.folder}: has no {' and no '.join(missing)}, so it is not a gold set with splits")
    items = pq.read_table(io.BytesIO(release.read(ITEMS)))
    return GoldSet(name, release.version, items, json.loads(release.read(DATASHEET)))


async def aread_gold(
    name: str, channel: str = PRODUCTION, version: str | None = None, home: str | Path | None = None
) -> GoldSet:
    """`read_gold` in a thread: the event loop goes on meanwhile.

    >>> asyncio.run(aread_gold("groundedness")).name
    'groundedness'
    """
    return await asyncio.to_thread(read_gold, name, channel, version, home)

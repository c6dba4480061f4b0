"""Days of calls as the lake has them, and an embedding that knows words alone."""

from __future__ import annotations

import datetime as dt
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from canonry import lake
from canonry.storage import Storage

MONDAY = dt.date(2026, 11, 2)


def message(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def call(day: dt.date, number: int, question: str, answer: str = "As the manual says.", **other: Any) -> dict[str, Any]:
    """A call with its contents; `system` is what the product told the model."""
    system = other.pop("system", None)
    said = [*([message("system", system)] if system else []), message("user", question)]
    return {
        "inference_id": f"{day}-{number:04}",
        "started_at": dt.datetime.combine(day, dt.time(9)) + dt.timedelta(seconds=number),
        "product": "helper",
        "team": "a-team",
        "operation": "chat",
        "user_hash": f"user-{number}",
        "finish_reason": "stop",
        "source": "made",
        "schema_version": 1,
        "input_messages": json.dumps(said),
        "output_messages": json.dumps([message("assistant", answer)]),
        **other,
    }


def write_calls(lake_zone: Storage, day: dt.date, calls: Sequence[dict[str, Any]]) -> None:
    """Write a day's inferences and contents, as collecting leaves them."""
    for kind in ("inferences", "contents"):
        rows = [{name: each.get(name) for name in lake.SCHEMAS[kind].names} for each in calls]
        table = pa.Table.from_pylist(rows, lake.SCHEMAS[kind])
        lake.write(lake_zone, kind, day, table, {"segments": {}, "rows_of": [each["inference_id"] for each in calls]})


def by_words(texts: Sequence[str]) -> np.ndarray:
    """A stand-in for the encoder: each word is a direction, a text the mean of its words, of length 1."""
    vectors = np.zeros((len(texts), 64), np.float32)
    for row, text in enumerate(texts):
        for word in text.casefold().replace("?", " ").split():
            vectors[row, zlib.crc32(word.encode()) % 64] += 1
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

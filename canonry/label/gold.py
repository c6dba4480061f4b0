"""Gold sets: items whose reviewers agree, with their texts and how they were drawn, ready to be released."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.catalog import SchemeSpec
from canonry.consensus import consensus
from canonry.label.tasks import read_texts
from canonry.labels import read_draw
from canonry.storage import Storage

ITEMS = pa.schema(
    [
        ("item_id", pa.string()),
        ("inference_id", pa.string()),
        ("question", pa.string()),
        ("passages", pa.list_(pa.string())),
        ("answer", pa.string()),
        ("field", pa.string()),
        ("value", pa.string()),
        ("annotators", pa.int64()),
        ("draw_id", pa.string()),
        ("inclusion_probability", pa.float64()),
        ("stratum", pa.string()),
        ("simulated", pa.bool_()),
    ]
)
"""Columns of items.parquet: one row an item and field of the scheme."""


@dataclass(frozen=True)
class GoldSet:
    """The payload of a release of kind `gold`, and what its manifest says of it."""

    files: dict[str, bytes]
    metadata: dict[str, Any]
    lineage: dict[str, Any]

    @property
    def empty(self) -> bool:
        """Nothing is agreed yet; there is nothing to release."""
        return not self.metadata["items"]


def gold_set(lake_zone: Storage, journal: Storage, name: str, scheme: SchemeSpec, days: list[dt.date]) -> GoldSet:
    """The gold set of a scheme's current version over the draws of these days.

    Left out, and counted: items on which reviewers are tied, and items whose text is no longer kept.
    """
    rows: list[dict[str, Any]] = []
    unresolved = without_text = 0
    for day in sorted(days):
        labels = lake.read(lake_zone, "labels", [day])
        labels = labels.filter(
            pc.and_(pc.equal(labels["scheme"], name), pc.equal(labels["scheme_version"], str(scheme.version)))
        )
        draw = read_draw(journal, name, scheme.version, day)
        if not labels.num_rows or draw is None:
            continue
        texts = read_texts(lake_zone, draw)
        for choice in scheme.choices:
            for label in consensus(labels, choice.name, scheme.consensus, choice.choices):
                if label.value is None:
                    unresolved += 1
                elif label.inference_id not in texts:
                    without_text += 1
                else:
                    text = texts[label.inference_id]
                    rows.append(
                        {
                            "item_id": label.item_id,
                            "inference_id": label.inference_id,
                            "question": text.question,
                            "passages": [passage["text"] for passage in text.passages],
                            "answer": text.answer,
                            "field": choice.name,
                            "value": label.value,
                            "annotators": sum(label.votes.values()),
                            "draw_id": label.draw_id,
                            "inclusion_probability": label.inclusion_probability,
                            "stratum": label.stratum,
                            "simulated": label.simulated,
                        }
                    )
    rows.sort(key=lambda row: (row["item_id"], row["field"]))
    values = Counter(f"{row['field']}={row['value']}" for row in rows)
    metadata = {
        "scheme": name,
        "scheme_version": scheme.version,
        "items": len({row["item_id"] for row in rows}),
        "values": dict(sorted(values.items())),
        "unresolved": unresolved,
        "without_text": without_text,
        "simulated": sum(row["simulated"] for row in rows),
    }
    lineage = {"labels": {day.isoformat(): _digest(lake_zone, day) for day in sorted(days)}}
    items = lake.parquet_bytes(pa.Table.from_pylist(rows, ITEMS))
    return GoldSet({"items.parquet": items}, metadata, lineage)


def _digest(lake_zone: Storage, day: dt.date) -> str | None:
    path = f"{lake.folder('labels', day)}/{lake.MANIFEST}"
    return hashlib.sha256(lake_zone.read(path)).hexdigest() if lake_zone.head(path) else None

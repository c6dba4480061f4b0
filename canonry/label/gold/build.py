"""A gold set: items whose reviewers agree, with their texts, how they were drawn, and the split they are in."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.catalog import SchemeSpec
from canonry.consensus import ItemLabel, consensus
from canonry.label.agreement import CONFIDENCE, choice_alpha, judgements
from canonry.label.gold import datasheet
from canonry.label.gold.spans import agreed_spans
from canonry.label.gold.splits import Assigned, groups, key, settle
from canonry.label.tasks import Texts, read_texts
from canonry.labels import SLICE_FIELDS, Draw, DrawnItem, read_draw
from canonry.storage import Storage

ITEMS_FILE = "items.parquet"
DATASHEET = "datasheet.json"

ITEMS = pa.schema(
    [
        ("item_id", pa.string()),
        ("inference_id", pa.string()),
        ("split", pa.string()),
        ("group", pa.string()),
        ("question", pa.string()),
        ("passages", pa.list_(pa.string())),
        ("answer", pa.string()),
        ("field", pa.string()),
        ("value", pa.string()),
        ("annotators", pa.int64()),
        ("confidence", pa.float64()),
        ("method", pa.string()),
        ("spans", pa.list_(pa.struct({"start": pa.int64(), "end": pa.int64(), "label": pa.string()}))),
        ("draw_id", pa.string()),
        ("inclusion_probability", pa.float64()),
        ("stratum", pa.string()),
        ("simulated", pa.bool_()),
        ("day", pa.date32()),
        *((field, pa.string()) for field in SLICE_FIELDS),
    ]
)
"""Columns of items.parquet: one row an item and field of the scheme. `spans` are the item's: characters of `answer`
that more than half of its reviewers marked, empty where they marked nothing alike; null in a scheme without spans."""

LEFT_OUT = pa.schema([("item_id", pa.string()), ("field", pa.string()), ("reason", pa.string())])
"""Columns of left_out.parquet: answered, and not in the set. The reason is tied, without_text or between_splits."""


@dataclass(frozen=True)
class GoldSet:
    """The payload of a release of kind `gold`, and what its manifest says of it."""

    files: dict[str, bytes]
    metadata: dict[str, Any]
    lineage: dict[str, Any]
    datasheet: dict[str, Any]

    @property
    def empty(self) -> bool:
        """Nothing is agreed yet; there is nothing to release."""
        return not self.metadata["items"]


@dataclass(frozen=True)
class _Kept:
    label: ItemLabel
    field: str
    text: Texts


def gold_set(lake_zone: Storage, journal: Storage, name: str, scheme: SchemeSpec, days: list[dt.date]) -> GoldSet:
    """The gold set of a scheme's current version over the draws of these days; new groups' splits are journalled.

    Left out, and listed: answers that are tied, items whose text is no longer kept, items that would join two splits.
    """
    labels, draws = _read(lake_zone, journal, name, scheme, days)
    drawn = {item.item_id: (draw, item) for draw in draws for item in draw.items}
    texts: dict[str, Texts] = {}
    for draw in draws:
        texts |= read_texts(lake_zone, draw)
    kept: list[_Kept] = []
    left_out: list[dict[str, str]] = []
    answered: set[str] = set()
    for choice in scheme.choices:
        for label in consensus(labels, choice.name, scheme.consensus, choice.choices):
            if label.item_id not in drawn:
                continue
            answered.add(label.item_id)
            text = texts.get(label.inference_id)
            if label.value is None or text is None:
                reason = "tied" if label.value is None else "without_text"
                left_out.append({"item_id": label.item_id, "field": choice.name, "reason": reason})
            else:
                kept.append(_Kept(label, choice.name, text))
    sessions = _sessions(lake_zone, draws) if "session" in scheme.gold.group else {}
    keys = {each.label.item_id: _keys(each, drawn[each.label.item_id][1], scheme.gold.group, sessions) for each in kept}
    found = settle(journal, name, keys, scheme.gold.split)
    group = groups({item: keys[item] for item in found.split})
    left_out += [
        {"item_id": each.label.item_id, "field": each.field, "reason": "between_splits"}
        for each in kept
        if each.label.item_id in found.bridging
    ]
    spans = agreed_spans(labels, {each.label.item_id: each.text.answer for each in kept}, scheme)
    rows = [
        _row(each, *drawn[each.label.item_id], found, group, spans)
        for each in kept
        if each.label.item_id in found.split
    ]
    rows.sort(key=lambda row: (row["item_id"], row["field"]))
    left_out.sort(key=lambda row: (row["item_id"], row["field"]))
    sheet = _datasheet(name, scheme, labels, draws, answered, rows, left_out)
    files = {
        ITEMS_FILE: lake.parquet_bytes(pa.Table.from_pylist(rows, ITEMS)),
        "left_out.parquet": lake.parquet_bytes(pa.Table.from_pylist(left_out, LEFT_OUT)),
        DATASHEET: datasheet.to_json(sheet),
        "datasheet.md": datasheet.to_markdown(sheet),
    }
    lineage = {"labels": {day.isoformat(): _digest(lake_zone, day) for day in sorted(days)}}
    return GoldSet(files, _metadata(name, scheme, rows, sheet), lineage, sheet)


def _read(
    lake_zone: Storage, journal: Storage, name: str, scheme: SchemeSpec, days: Sequence[dt.date]
) -> tuple[pa.Table, list[Draw]]:
    """Labels of the scheme's version, and the draws that have any: others change nothing yet."""
    parts, draws = [lake.SCHEMAS["labels"].empty_table()], []
    for day in sorted(days):
        labels = lake.read(lake_zone, "labels", [day])
        ours = pc.and_(pc.equal(labels["scheme"], name), pc.equal(labels["scheme_version"], str(scheme.version)))
        labels = labels.filter(ours)
        draw = read_draw(journal, name, scheme.version, day)
        if labels.num_rows and draw is not None:
            parts.append(labels)
            draws.append(draw)
    return pa.concat_tables(parts), draws


def _keys(kept: _Kept, item: DrawnItem, group: Sequence[str], sessions: Mapping[str, str]) -> list[str]:
    """What the item must not share with one of another split, its own id first."""
    values = {
        "session": sessions.get(item.inference_id),
        "question": " ".join(kept.text.question.casefold().split()),
        "document": kept.text.passages[0]["chunk_id"].partition("#")[0] if kept.text.passages else None,
    }
    found = [key(kind, value) for kind in group if (value := values[kind])]
    same_text = [key("content", item.content_digest)] if item.content_digest else []
    return [key("item", item.item_id), *found, *same_text]


def _sessions(lake_zone: Storage, draws: Sequence[Draw]) -> dict[str, str]:
    found = {}
    for draw in draws:
        wanted = pa.array([item.inference_id for item in draw.items], pa.string())
        calls = lake.read(lake_zone, "inferences", [draw.day], ["inference_id", "session_id", "product"])
        for row in calls.filter(pc.is_in(calls["inference_id"], wanted)).to_pylist():
            if row["session_id"]:
                # Two products may number their sessions alike.
                found[row["inference_id"]] = f"{row['product']}\n{row['session_id']}"
    return found


def _row(
    kept: _Kept,
    draw: Draw,
    item: DrawnItem,
    found: Assigned,
    group: Mapping[str, str],
    spans: Mapping[str, list[dict[str, Any]]] | None,
) -> dict[str, Any]:
    label, text = kept.label, kept.text
    return {
        "item_id": label.item_id,
        "inference_id": label.inference_id,
        "split": found.split[label.item_id],
        "group": group[label.item_id],
        "question": text.question,
        "passages": [passage["text"] for passage in text.passages],
        "answer": text.answer,
        "field": kept.field,
        "value": label.value,
        "annotators": len(label.annotators),
        "confidence": label.confidence,
        "method": label.method,
        "spans": None if spans is None else spans.get(label.item_id, []),
        "draw_id": label.draw_id,
        "inclusion_probability": label.inclusion_probability,
        "stratum": label.stratum,
        "simulated": label.simulated,
        "day": draw.day,
        **{field: item.fields.get(field) for field in SLICE_FIELDS},
    }


def _datasheet(
    name: str,
    scheme: SchemeSpec,
    labels: pa.Table,
    draws: Sequence[Draw],
    answered: set[str],
    rows: list[dict[str, Any]],
    left_out: list[dict[str, str]],
) -> dict[str, Any]:
    agreement = []
    for choice in scheme.choices:
        found = choice_alpha(judgements(labels, choice, scheme), choice)
        figures = {"alpha": found.value, "low": found.low, "high": found.high, "confidence": CONFIDENCE}
        agreement.append({"field": choice.name, **figures, "items": found.items})
    standing = labels.select(["item_id", "annotator_hash", "deleted_at"]).to_pylist()
    seen = {row["item_id"] for row in standing if row["deleted_at"] is None}
    asked = {item.item_id for draw in draws for item in draw.items if item.same_as is None}
    reasons = Counter(row["reason"] for row in left_out)
    sheet: dict[str, Any] = {
        "format_version": 1,
        "name": name,
        "scheme": {
            "version": scheme.version,
            "description": scheme.description,
            "instructions": scheme.instructions,
            "choices": [choice.model_dump(mode="json") for choice in scheme.choices],
            "spans": list(scheme.spans),
        },
        "sampling": _sampling(draws),
        "labels": {
            "drawn": len(asked),
            "answered": len(answered & asked),
            "skipped": len((seen & asked) - answered),
            "unanswered": len(asked - answered),
        },
        "annotators": len({row["annotator_hash"] for row in standing if row["deleted_at"] is None}),
        "agreement": agreement,
        "classes": datasheet.classes(rows),
        "group": list(scheme.gold.group),
        "shares": scheme.gold.split.model_dump(),
        "splits": datasheet.splits(rows),
        "slices": datasheet.slices(rows),
        "left_out": {reason: reasons[reason] for reason in ("tied", "without_text", "between_splits")},
    }
    return {**sheet, "known_limits": datasheet.known_limits(sheet, rows)}


def _sampling(draws: Sequence[Draw]) -> list[dict[str, Any]]:
    found = []
    for design in sorted({draw.design for draw in draws}):
        of_design = [draw for draw in draws if draw.design == design]
        found.append(
            {
                "design": design,
                "draws": len(of_design),
                "first_day": min(draw.day for draw in of_design).isoformat(),
                "last_day": max(draw.day for draw in of_design).isoformat(),
                "population": sum(draw.population for draw in of_design),
                "drawn": sum(len(draw.items) for draw in of_design),
                "for_training_only": any(draw.for_training_only for draw in of_design),
            }
        )
    return found


def _metadata(name: str, scheme: SchemeSpec, rows: list[dict[str, Any]], sheet: dict[str, Any]) -> dict[str, Any]:
    values = Counter(f"{row['field']}={row['value']}" for row in rows)
    return {
        "scheme": name,
        "scheme_version": scheme.version,
        "items": len({row["item_id"] for row in rows}),
        "values": dict(sorted(values.items())),
        "splits": {split: found["items"] for split, found in sheet["splits"].items()},
        "unresolved": sheet["left_out"]["tied"],
        "without_text": sheet["left_out"]["without_text"],
        "between_splits": sheet["left_out"]["between_splits"],
        "simulated": sum(row["simulated"] for row in rows),
    }


def _digest(lake_zone: Storage, day: dt.date) -> str | None:
    path = f"{lake.folder('labels', day)}/{lake.MANIFEST}"
    return hashlib.sha256(lake_zone.read(path)).hexdigest() if lake_zone.head(path) else None

"""The datasheet of a gold set, for programs and for people: T. Gebru et al., Datasheets for Datasets (2021)."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from canonry.labels import SLICE_FIELDS

FEW = 10
"""Items of a slice or split below which it says little."""

LARGE_GROUP = 0.2
"""Share of all items in one group above which the splits cannot have the shares that were asked for."""

Row = Mapping[str, Any]


def classes(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Items by field and value."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        found[row["field"]][row["value"]] += 1
    return {field: dict(sorted(values.items())) for field, values in sorted(found.items())}


def splits(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Items, groups and classes by split."""
    found = {}
    for split in ("train", "calibration", "test"):
        inside = [row for row in rows if row["split"] == split]
        items, groups = ({row[name] for row in inside} for name in ("item_id", "group"))
        found[split] = {"items": len(items), "groups": len(groups), "classes": classes(inside)}
    return found


def slices(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Items by each field of a call that slices are made of."""
    found = []
    for field in SLICE_FIELDS:
        counts = Counter(value for value, _ in {(row[field], row["item_id"]) for row in rows})
        found += [{"field": field, "value": value, "items": counts[value]} for value in sorted(counts, key=str)]
    return found


def known_limits(sheet: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """What whoever uses the set must know, a sentence each."""
    labels, left_out = sheet["labels"], sheet["left_out"]
    items = {row["item_id"] for row in rows}
    simulated = len({row["item_id"] for row in rows if row["simulated"]})
    unknown = len({row["item_id"] for row in rows if row["inclusion_probability"] is None})
    groups = Counter(group for group, _ in {(row["group"], row["item_id"]) for row in rows})
    largest = max(groups.values(), default=0)
    few = [f"{each['field']} {each['value']}" for each in sheet["slices"] if each["items"] < FEW]
    thin = [split for split, found in sheet["splits"].items() if found["items"] < FEW]
    said = [
        (simulated, f"{simulated} of {len(items)} items have answers that a program made, which plays a reviewer."),
        (labels["unanswered"], f"Of {labels['drawn']} items drawn, {labels['unanswered']} have no answer "
         f"({labels['skipped']} were skipped): what is hard to judge may be missing."),
        (left_out["tied"], f"{left_out['tied']} answers are tied and left out: the set is easier than production."),
        (left_out["without_text"], f"{left_out['without_text']} answers are left out as their text is not kept."),
        (left_out["between_splits"], f"{left_out['between_splits']} items are left out as they would join splits."),
        (unknown, f"{unknown} items were chosen with unknown probability: no rate may be estimated from them."),
        (largest > LARGE_GROUP * len(items), f"The largest group has {largest} of {len(items)} items, so that splits "
         "differ from the shares asked for; see `gold.group` in the scheme."),
        (thin, f"Fewer than {FEW} items are in: {', '.join(thin)}."),
        (few, f"Fewer than {FEW} items have: {', '.join(few)}."),
    ]  # fmt: skip
    return [sentence for true, sentence in said if true]


def to_json(sheet: Mapping[str, Any]) -> bytes:
    """datasheet.json: the same bytes for the same sheet."""
    return json.dumps(sheet, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def to_markdown(sheet: Mapping[str, Any]) -> bytes:
    """datasheet.md, for people; whatever comes from outside is escaped."""
    scheme, sampling, labels = sheet["scheme"], sheet["sampling"], sheet["labels"]
    lines = [f"# Gold set {text(sheet['name'])}", "", text(scheme["description"]), ""]
    lines += ["## Known limits", "", *(f"- {text(each)}" for each in sheet["known_limits"] or ["None found."]), ""]
    lines += ["## Labels", ""]
    lines += [f"- Scheme {text(sheet['name'])}, version {scheme['version']}, answers of {sheet['annotators']} people"]
    lines += [f"- {labels['drawn']} items drawn, {labels['answered']} answered, {labels['skipped']} skipped", ""]
    lines += _table(("field", "answer", "items"), _class_rows(sheet["classes"]))
    lines += ["## Agreement (Krippendorff's alpha, 95 % interval)", ""]
    lines += _table(
        ("field", "alpha", "low", "high", "items with two answers"),
        [[row["field"], *(_figure(row[n]) for n in ("alpha", "low", "high")), row["items"]]
         for row in sheet["agreement"]],
    )  # fmt: skip
    lines += ["## Splits", "", f"By {text(', '.join(sheet['group']))}.", ""]
    lines += _table(
        ("split", "items", "groups"), [[name, each["items"], each["groups"]] for name, each in sheet["splits"].items()]
    )
    lines += ["## How items were chosen", ""]
    columns = ("design", "draws", "first_day", "last_day", "population", "drawn")
    lines += _table(columns, [[each[name] for name in columns] for each in sampling])
    lines += ["## Slices", ""]
    lines += _table(("field", "value", "items"), [[s["field"], s["value"], s["items"]] for s in sheet["slices"]])
    return ("\n".join(lines).rstrip() + "\n").encode()


def text(value: Any) -> str:
    """Text from outside as Markdown that shows it, in one line."""
    one_line = " ".join(str("" if value is None else value).split())[:500]
    return re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", one_line).replace("&", "&amp;").replace("<", "&lt;")


def _class_rows(found: Mapping[str, Mapping[str, int]]) -> list[list[Any]]:
    return [[field, value, count] for field, values in found.items() for value, count in values.items()]


def _figure(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    header = ["| " + " | ".join(text(column) for column in columns) + " |", "|" + "---|" * len(columns)]
    return [*header, *("| " + " | ".join(text(cell) for cell in row) + " |" for row in rows), ""]

"""What differs between two versions of a gold set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from canonry.label.gold.datasheet import classes
from canonry.label.gold.splits import SPLITS


@dataclass(frozen=True)
class Change:
    """An answer that is another one now."""

    item_id: str
    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Difference:
    """Items and answers that came, went or changed, with counts on both sides."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[Change, ...]
    moved: tuple[str, ...]
    """Items whose split is another one: none, as long as nobody wrote a set by hand."""
    splits: dict[str, tuple[int, int]]
    """Items by split, before and after."""
    classes: dict[str, tuple[int, int]]
    """Items by `field=answer`, before and after."""


def difference(before: pa.Table, after: pa.Table) -> Difference:
    """What `after` has that `before` has not, and the other way; both have the columns of a gold set's items."""
    one, other = before.to_pylist(), after.to_pylist()
    old, new = _split_of(one), _split_of(other)
    old_answers, new_answers = ({(r["item_id"], r["field"]): r["value"] for r in rows} for rows in (one, other))
    changed = [
        Change(*key, old_answers[key], new_answers[key])
        for key in sorted(old_answers.keys() & new_answers.keys())
        if old_answers[key] != new_answers[key]
    ]
    old_classes, new_classes = _flat(one), _flat(other)
    return Difference(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(changed),
        moved=tuple(sorted(item for item in old.keys() & new.keys() if old[item] != new[item])),
        splits={each: (list(old.values()).count(each), list(new.values()).count(each)) for each in SPLITS},
        classes={
            each: (old_classes.get(each, 0), new_classes.get(each, 0)) for each in sorted({*old_classes, *new_classes})
        },
    )


def _split_of(rows: list[dict[str, Any]]) -> dict[str, str]:
    # A set released before there were splits has none.
    return {row["item_id"]: row.get("split") or "" for row in rows}


def _flat(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {f"{field}={value}": count for field, values in classes(rows).items() for value, count in values.items()}

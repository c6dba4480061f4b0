"""Items of a gold set as both sides of a comparison are asked about them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq

from canonry.catalog.specs import ComparisonSpec
from canonry.release import Release, resolve
from canonry.storage import Storage

ITEMS_FILE = "items.parquet"
FACTS = ("product", "team", "feature", "response_model")


@dataclass(frozen=True)
class Item:
    """A question with the passages it had; items of one group change together."""

    item_id: str
    question: str
    passages: tuple[str, ...]
    group: str
    facts: Mapping[str, str | None]


@dataclass(frozen=True)
class Gold:
    """A gold set for one comparison: its items, and people's labels by question and answer."""

    version: str
    items: Sequence[Item]
    good: Mapping[tuple[str, str], bool]
    """Whether people called this answer to this question good."""
    simulated: frozenset[tuple[str, str]]
    """Those of them whose label a program gave."""


def read_gold(published: Storage, spec: ComparisonSpec) -> Gold:
    """The gold set that a comparison names: its version, or the one in production. Raises NotReleased."""
    assert spec.gold is not None
    return gold_of(resolve(published, "gold", spec.gold.scheme, spec.gold.version or "production"), spec)


def gold_of(release: Release, spec: ComparisonSpec) -> Gold:
    """Items of the wanted splits by id, each once; labels of every split."""
    assert spec.gold is not None
    field = spec.outcome.field if spec.outcome else None
    rows = pq.read_table(io.BytesIO(release.read(ITEMS_FILE))).to_pylist()
    rows = sorted((row for row in rows if field in (None, row["field"])), key=lambda row: row["item_id"])
    items = {
        row["item_id"]: Item(
            row["item_id"],
            row["question"] or "",
            tuple(text or "" for text in row["passages"]),
            row["group"],
            {name: row[name] for name in FACTS},
        )
        for row in rows
        if row["split"] in spec.gold.splits
    }
    good: dict[tuple[str, str], bool] = {}
    simulated = set()
    for row in rows if field else ():
        key = answer_key(row["question"] or "", row["answer"] or "")
        # People may have called the same words good once and not another time: then they do not settle it.
        called = row["value"] == spec.outcome.good  # type: ignore[union-attr]
        good[key] = called and good.get(key, True)
        if row["simulated"]:
            simulated.add(key)
    return Gold(release.version, list(items.values()), good, frozenset(simulated))


def answer_key(question: str, answer: str) -> tuple[str, str]:
    """The same for answers that differ by case and spaces alone."""
    return " ".join(question.casefold().split()), " ".join(answer.casefold().split())

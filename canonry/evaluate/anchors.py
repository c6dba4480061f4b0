"""Anchors: items that people labeled, scored again every day. Where their scores change, the scorer did.

`journal/anchors/SCORER/DAY-VERSION.json` is one reading of them, by the day it was taken.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow.parquet as pq

from canonry.catalog.specs import Anchors
from canonry.release import PRODUCTION, Release, resolve
from canonry.score import Answer, AnsweredCall, ScoreCalls
from canonry.stats.readings import find_shift
from canonry.storage import Storage, Zones

LEAST_READ = 0.8
"""A reading of a smaller share of the items is not kept: the endpoint was away, or the budget used up."""

FALSE_ALARMS = 0.05
"""Chance of any alarm, over any number of readings, where the scorer stays as it is."""

POSITIVE = 0.5
"""A score from here on calls an item positive."""


@dataclass(frozen=True)
class Reading:
    """One scoring of the anchors, by the scorer's version; `values` and `truth` by item."""

    scorer: str
    version: str
    gold: str
    day: str
    values: dict[str, float]
    truth: dict[str, bool]

    @property
    def agreement(self) -> float:
        """Share of the items that it calls what people called them."""
        return float(np.mean([(self.values[each] >= POSITIVE) == self.truth[each] for each in self.values]))


@dataclass(frozen=True)
class JudgeShift:
    """The scorer itself judges otherwise: the same items, other scores."""

    scorer: str
    what: str
    """`positive`: the share it calls positive; `agreement`: the share it calls what people do."""
    since: dt.date
    seen: dt.date
    """The reading after which it was sure."""
    before: float
    after: float
    value_before: float
    """Mean score of the items before and after."""
    value_after: float
    items: int
    probability: float
    versions: tuple[str, ...]
    """Versions of the scorer that took part: one, where its provider changed it unannounced."""

    @property
    def said(self) -> str:
        """In words."""
        word = "calls positive" if self.what == "positive" else "judges as people did"
        how = f"its version {self.versions[0]} is the same, so the model behind it is not"
        if len(self.versions) > 1:
            how = f"scorer_version went from {self.versions[0]} to {self.versions[-1]}"
        return (
            f"judge: of the same {self.items} labeled items {self.scorer} {word} {self.after:.0%} since {self.since}, "
            f"{self.before:.0%} before (p = {self.probability:.2g}); {how}"
        )


def take_reading(
    zones: Zones, name: str, version: str, anchors: Anchors, score: ScoreCalls, day: dt.date
) -> Reading | None:
    """The reading of a day: taken now unless it was before; None where too few items got a score.

    Raises NotReleased where there is no gold set yet.
    """
    path = f"anchors/{name}/{day.isoformat()}-{version}.json"
    if zones.journal.head(path):
        return _parse(zones.journal.read(path))
    pinned = anchors.version or next((each.gold for each in read_readings(zones.journal, name)), PRODUCTION)
    gold = resolve(zones.published, "gold", anchors.scheme, pinned)
    items = anchor_items(gold, anchors)
    figures = score([call for call, _ in items])
    found = {call.inference_id: said[0].value for (call, _), said in zip(items, figures, strict=True) if said}
    if not items or len(found) < LEAST_READ * len(items):
        return None
    truth = {call.inference_id: positive for call, positive in items if call.inference_id in found}
    reading = Reading(name, version, gold.version, day.isoformat(), found, truth)
    zones.journal.put_if_absent(path, json.dumps(asdict(reading), indent=1, sort_keys=True).encode() + b"\n")
    return _parse(zones.journal.read(path))


def anchor_items(gold: Release, anchors: Anchors) -> list[tuple[AnsweredCall, bool]]:
    """Items of a gold set as calls, named by item, and whether people called each positive; always the same ones."""
    rows = [
        row
        for row in pq.read_table(io.BytesIO(gold.read("items.parquet"))).to_pylist()
        if row["field"] == anchors.field and row["split"] == anchors.split
    ]
    rows.sort(key=lambda row: hashlib.sha256(row["item_id"].encode()).hexdigest())
    # Items that read the same would change their scores together, as if they were many.
    once = {json.dumps([row["question"], row["passages"], row["answer"]]): row for row in reversed(rows)}
    rows = list(reversed(once.values()))
    return [
        (
            AnsweredCall(
                row["item_id"],
                Answer(row["question"] or "", tuple(text or "" for text in row["passages"]), row["answer"] or ""),
                {fact: row.get(fact) for fact in ("product", "team", "feature", "response_model")},
            ),
            row["value"] == anchors.positive,
        )
        for row in rows[: anchors.most]
    ]


def read_readings(journal: Storage, name: str) -> list[Reading]:
    """All readings of a scorer's anchors, in order of day."""
    return [_parse(journal.read(entry.path)) for entry in journal.list(f"anchors/{name}")]


def judge_shifts(readings: Sequence[Reading], false_alarms: float = FALSE_ALARMS) -> list[JudgeShift]:
    """When a scorer surely began to judge otherwise, in order. Other items (another gold set) begin anew."""
    found: list[JudgeShift] = []
    start = 0
    while start < len(readings):
        same = [each for each in readings[start:] if each.gold == readings[start].gold]
        items = sorted(set.union(*(set(each.values) for each in same)))
        positive = np.array([[_positive(each, item) for item in items] for each in same])
        truth = np.array([next(float(each.truth[item]) for each in same if item in each.truth) for item in items])
        right = np.where(np.isnan(positive), np.nan, positive == truth)
        # Half of the promise for each of the two figures.
        seen = {what: find_shift(of, false_alarms / 2) for what, of in (("positive", positive), ("agreement", right))}
        first = min(
            ((shift, what) for what, shift in seen.items() if shift),
            key=lambda each: (each[0].look, each[0].probability),
            default=None,
        )
        if first is None:
            start += len(same)
            continue
        shift, what = first
        found.append(
            JudgeShift(
                same[0].scorer,
                what,
                dt.date.fromisoformat(same[shift.since].day),
                dt.date.fromisoformat(same[shift.look].day),
                shift.before,
                shift.after,
                _mean(same[: shift.since]),
                _mean(same[shift.since : shift.look + 1]),
                shift.items,
                shift.probability,
                tuple(dict.fromkeys(each.version for each in (same[shift.since - 1], same[shift.since]))),
            )
        )
        start += shift.since
    return found


def shifts_between(journal: Storage, scorers: Iterable[str], first: dt.date, last: dt.date) -> list[JudgeShift]:
    """Shifts of these scorers' anchors that began in these days, by readings until the last of them."""
    found = []
    for name in scorers:
        readings = [each for each in read_readings(journal, name) if each.day <= last.isoformat()]
        found += [each for each in judge_shifts(readings) if first <= each.since <= last]
    return found


def _mean(readings: Sequence[Reading]) -> float:
    return float(np.mean([value for each in readings for value in each.values.values()]))


def _positive(reading: Reading, item: str) -> float:
    return float(reading.values[item] >= POSITIVE) if item in reading.values else np.nan


def _parse(data: bytes) -> Reading:
    return Reading(**json.loads(data))

"""What reviewers' answers to an item come to, how sure that is, and which items somebody has to settle."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from canonry.catalog import Consensus
from canonry.stats.crowd import Crowd, Votes, dawid_skene, recall_interval


@dataclass(frozen=True)
class ItemLabel:
    """What reviewers made of one item, for one field of the scheme."""

    item_id: str
    inference_id: str
    draw_id: str
    stratum: str
    inclusion_probability: float
    value: str | None
    """One of the answers given; None where the votes are tied and what is known of the annotators does not decide."""
    votes: Mapping[str, int]
    simulated: bool
    """At least one of the votes was made by a program that plays a reviewer."""
    confidence: float
    """Of the likeliest of the answers given: its probability, or with the method `majority` its share of the votes."""
    method: str
    """`dawid_skene`, `majority`, or `adjudicated` where somebody who settles doubt has answered."""
    annotators: tuple[str, ...]
    """Who answered."""
    needs_adjudication: bool
    """Several answered, and their consensus is tied or less sure than the scheme asks."""

    @property
    def adjudicated(self) -> bool:
        """Somebody who settles doubt has answered, and that answer overrules the others."""
        return self.method == "adjudicated"


@dataclass(frozen=True)
class Recall:
    """How often an annotator gives an answer where it is the consensus."""

    annotator: str
    answer: str
    items: float
    """Items whose consensus it is, as an expected count."""
    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Adjudication:
    """An item that somebody has to settle."""

    item_id: str
    inference_id: str
    draw_id: str
    field: str
    reason: str
    confidence: float
    votes: Mapping[str, int]
    not_by: tuple[str, ...]
    """Annotators who have answered it already."""
    by: tuple[str, ...]
    """Whom the scheme names for it; empty where anybody else may."""


def consensus(
    labels: pa.Table, field: str, rule: Consensus | None = None, choices: Sequence[str] = ()
) -> list[ItemLabel]:
    """One label an item that anyone answered, by item; `labels` are rows of `lake/labels` of one scheme version.

    How good annotators are is learned from all rows given: give those of a day's past, and the label is what was known
    that day. Of each reviewer the latest annotation of an item counts; it counts for nothing where it was deleted or
    says that the reviewer skipped the item. An adjudicator's answer overrules; a tie that nothing decides stays open.
    """
    rule = rule or Consensus()
    answered = _Answered(labels, field, rule, choices)
    scores = answered.scores()
    return [
        _item_label(list(rows), dict(zip(answered.choices, score, strict=False)), rule)
        for (_, rows), score in zip(groupby(answered.rows, lambda row: row["item_id"]), scores, strict=True)
    ]


def annotator_recall(
    labels: pa.Table, field: str, rule: Consensus | None = None, choices: Sequence[str] = ()
) -> list[Recall]:
    """How often each annotator gives each answer where it is the consensus: sensitivity and specificity of two answers.

    By Dawid and Skene's model whatever the rule's method; by annotator, then answer. Adjudicators' answers are the
    truth here, and are not judged.
    """
    answered = _Answered(labels, field, rule or Consensus(), choices)
    if not answered.rows:
        return []
    counted = answered.crowd().counted
    found = []
    for annotator, rows in zip(answered.annotators, counted, strict=True):
        for place, answer in enumerate(answered.choices):
            right, of = float(rows[place, place]), float(rows[place].sum())
            low, high = recall_interval(right, of)
            found.append(Recall(annotator, answer, of, right / of if of else None, low, high))
    return found


def adjudication_queue(labels: Sequence[ItemLabel], field: str, rule: Consensus | None = None) -> list[Adjudication]:
    """Items to ask again, the least sure first, each with whom to ask and whom not to."""
    rule = rule or Consensus()
    queue = [
        Adjudication(
            item_id=label.item_id,
            inference_id=label.inference_id,
            draw_id=label.draw_id,
            field=field,
            reason="tied" if label.value is None else f"confidence {label.confidence:.2f}, below {rule.min_confidence}",
            confidence=label.confidence,
            votes=label.votes,
            not_by=label.annotators,
            by=tuple(each for each in rule.adjudicators if each not in label.annotators),
        )
        for label in labels
        if label.needs_adjudication
    ]
    return sorted(queue, key=lambda each: (each.confidence, each.item_id))


def standing_rows(labels: pa.Table, field: str, rule: Consensus) -> list[dict[str, Any]]:
    """The answer that stands of each item and annotator, as rows by item and annotator.

    Each row has the answer to the field under `answer`, and under `adjudicates` whether it settles the item.
    """
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(labels.to_pylist(), key=_order):
        if row["deleted_at"] is None:
            latest[row["item_id"], row["annotator_hash"] or ""] = row
    standing = []
    for (_, annotator), row in sorted(latest.items()):
        answer = json.loads(row["result"]).get(field) if row["result"] and not row["cancelled"] else None
        if answer is not None:
            adjudicates = annotator in rule.adjudicators or _says_adjudication(row)
            standing.append({**row, "annotator_hash": annotator, "answer": answer, "adjudicates": adjudicates})
    return standing


class _Answered:
    """The standing answers, as rows and as votes."""

    def __init__(self, labels: pa.Table, field: str, rule: Consensus, choices: Sequence[str]) -> None:
        self.rows = standing_rows(labels, field, rule)
        self.method = rule.method
        seen = {row["answer"] for row in self.rows}
        self.choices = [*choices, *sorted(seen - set(choices))]
        self.settled = {row["item_id"]: row["answer"] for row in sorted(self.rows, key=_order) if row["adjudicates"]}
        self.annotators = sorted({row["annotator_hash"] for row in self._voting()})

    def scores(self) -> np.ndarray:
        """(items, choices) probability of each answer, or its share of the votes."""
        if self.method == "majority":
            counts = self._votes(self.rows).counts()
            return counts / counts.sum(axis=1, keepdims=True)
        return self.crowd().posterior

    def crowd(self) -> Crowd:
        """Dawid and Skene's model of these answers; what is settled is known."""
        item_ids = list(dict.fromkeys(row["item_id"] for row in self.rows))
        known = [self.choices.index(self.settled[each]) if each in self.settled else -1 for each in item_ids]
        return dawid_skene(self._votes(self._voting()), known)

    def _voting(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if not row["adjudicates"]]

    def _votes(self, rows: list[dict[str, Any]]) -> Votes:
        items = {item_id: place for place, item_id in enumerate(dict.fromkeys(row["item_id"] for row in self.rows))}
        annotators = sorted({row["annotator_hash"] for row in rows})
        people = {each: place for place, each in enumerate(annotators)}
        places = {answer: place for place, answer in enumerate(self.choices)}
        return Votes(
            np.array([items[row["item_id"]] for row in rows], dtype=np.intp),
            np.array([people[row["annotator_hash"]] for row in rows], dtype=np.intp),
            np.array([places[row["answer"]] for row in rows], dtype=np.intp),
            len(items),
            len(annotators),
            # A field with one answer so far still has another: nothing is certain.
            max(len(self.choices), 2),
        )


def _says_adjudication(row: Mapping[str, Any]) -> bool:
    said = json.loads(row["attributes"]) if row["attributes"] else None
    return isinstance(said, dict) and said.get("adjudication") is True


def _item_label(rows: list[dict[str, Any]], score: Mapping[str, float], rule: Consensus) -> ItemLabel:
    row = rows[0]
    settling = [each for each in rows if each["adjudicates"]]
    if settling:
        value, confidence, method = max(settling, key=_order)["answer"], 1.0, "adjudicated"
    else:
        counts = Counter(each["answer"] for each in rows).most_common()
        likeliest = max(sorted(answer for answer, _ in counts), key=lambda answer: score[answer])
        tied = len(counts) > 1 and counts[0][1] == counts[1][1]
        confidence, method = float(score[likeliest]), rule.method
        value = None if tied and confidence < rule.min_confidence else likeliest
    return ItemLabel(
        item_id=row["item_id"],
        inference_id=row["inference_id"],
        draw_id=row["draw_id"],
        stratum=row["stratum"],
        inclusion_probability=row["inclusion_probability"],
        value=value,
        votes=dict(sorted(Counter(each["answer"] for each in rows).items())),
        simulated=any(each["simulated"] for each in rows),
        confidence=confidence,
        method=method,
        annotators=tuple(each["annotator_hash"] for each in rows),
        needs_adjudication=not settling and len(rows) > 1 and (value is None or confidence < rule.min_confidence),
    )


def _order(row: Mapping[str, Any]) -> tuple[Any, str]:
    return _changed_at(row), row["annotation_id"]


def _changed_at(row: Mapping[str, Any]) -> Any:
    return row["updated_at"] or row["created_at"]

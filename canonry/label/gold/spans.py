"""Spans that reviewers agree on: words and signs of the answer that more than half of its readers marked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from canonry.catalog import SchemeSpec
from canonry.consensus import standing_rows
from canonry.label.config import SPANS
from canonry.label.marks import TOKEN


def agreed_spans(
    labels: pa.Table, answers: Mapping[str, str], scheme: SchemeSpec
) -> dict[str, list[dict[str, Any]]] | None:
    """Agreed spans by item, for the items in `answers`: start, end (characters of the answer) and label, in order.

    Neighbouring tokens make one span. An adjudicator's marks overrule. None where the scheme has no spans.
    """
    if not scheme.spans:
        return None
    read: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in standing_rows(labels, SPANS, scheme.consensus):
        read[row["item_id"]].append(row)
    found = {}
    for item, rows in read.items():
        if item in answers:
            settling = [row for row in rows if row["adjudicates"]]
            found[item] = majority([row["answer"] for row in settling or rows], answers[item])
    return found


def majority(readings: list[list[dict[str, Any]]], answer: str) -> list[dict[str, Any]]:
    """Spans of an answer that more than half of the readings mark with one label."""
    tokens = [match.span() for match in TOKEN.finditer(answer)]
    times: Counter[tuple[str, int]] = Counter()
    for spans in readings:
        times.update(
            {
                (span["label"], place)
                for span in spans
                for place, (start, end) in enumerate(tokens)
                if start < span["end"] and end > span["start"]
            }
        )
    found: list[dict[str, Any]] = []
    before: tuple[str, int] | None = None
    for label, place in sorted(each for each, count in times.items() if 2 * count > len(readings)):
        if before == (label, place - 1):
            found[-1]["end"] = tokens[place][1]
        else:
            found.append({"start": tokens[place][0], "end": tokens[place][1], "label": label})
        before = label, place
    return sorted(found, key=lambda span: (span["start"], span["end"], span["label"]))

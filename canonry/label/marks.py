"""Marked passages as tokens: which reviewers marked which, in the texts that several of them read."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from canonry.catalog import SchemeSpec
from canonry.consensus import standing_rows
from canonry.label.config import SPANS

TOKEN = re.compile(r"\w+|[^\w\s]")
"""A word, or a sign: what spans are compared by."""

Passage = tuple[int, int]


@dataclass(frozen=True)
class PairOfMarkers:
    """What two reviewers marked: for each, (texts,) in common, by the first, by the second."""

    annotator: str
    other_annotator: str
    tokens: tuple[npt.NDArray[np.int64], ...]
    spans: tuple[npt.NDArray[np.int64], ...]
    """A passage is in common where both begin and end it alike."""


@dataclass(frozen=True)
class Marks:
    """Tokens of the texts that several reviewers read."""

    counts: npt.NDArray[np.int64]
    """(tokens, 2) how many left it unmarked, and how many marked it."""
    cluster: npt.NDArray[np.int64]
    """(tokens,) position of its text."""
    pairs: tuple[PairOfMarkers, ...]
    annotators: int
    answers: int
    """Readings of those texts."""
    without_text: int
    """Texts that several read and that are no longer kept."""
    simulated: bool


def read_marks(labels: pa.Table, texts: Mapping[str, str], label: str, scheme: SchemeSpec) -> Marks:
    """Marks of one label, from annotations of one version of a scheme; `texts` by inference_id."""
    read: dict[str, dict[str, list[Passage]]] = defaultdict(dict)
    inference: dict[str, str] = {}
    simulated = False
    for row in standing_rows(labels, SPANS, scheme.consensus):
        if row["annotator_hash"] and not row["adjudicates"]:
            read[row["item_id"]][row["annotator_hash"]] = _passages(row["answer"], label)
            inference[row["item_id"]] = row["inference_id"]
            simulated = simulated or bool(row["simulated"])
    several = [item for item, readers in read.items() if len(readers) > 1]
    kept = [item for item in several if texts.get(inference[item])]
    return mark_tokens(
        [texts[inference[item]] for item in kept],
        [read[item] for item in kept],
        without_text=len(several) - len(kept),
        simulated=simulated,
    )


def mark_tokens(
    texts: Sequence[str],
    readings: Sequence[Mapping[str, Sequence[Passage]]],
    *,
    without_text: int = 0,
    simulated: bool = False,
) -> Marks:
    """Tokens (words and signs) of each text, and who marked them: passages [start, end) of characters, by reader."""
    counts: list[npt.NDArray[np.int64]] = [np.empty((0, 2), dtype=np.int64)]
    cluster: list[npt.NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    compared: dict[tuple[str, str], list[list[list[int]]]] = defaultdict(list)
    for place, (text, by_reader) in enumerate(zip(texts, readings, strict=True)):
        tokens = np.array([match.span() for match in TOKEN.finditer(text)], dtype=np.int64).reshape(-1, 2)
        marked = {reader: _marked(tokens, passages) for reader, passages in by_reader.items()}
        times = np.sum(list(marked.values()), axis=0, dtype=np.int64)
        counts.append(np.stack([len(marked) - times, times], axis=1))
        cluster.append(np.full(len(tokens), place))
        for one, other in combinations(sorted(by_reader), 2):
            spans = set(by_reader[one]), set(by_reader[other])
            tokens_of = marked[one], marked[other]
            found = [
                [int(np.sum(tokens_of[0] & tokens_of[1])), *(int(each.sum()) for each in tokens_of)],
                [len(spans[0] & spans[1]), *map(len, spans)],
            ]
            compared[one, other].append(found)
    return Marks(
        np.concatenate(counts),
        np.concatenate(cluster),
        tuple(_pair(*names, np.array(found)) for names, found in sorted(compared.items())),
        len({reader for by_reader in readings for reader in by_reader}),
        sum(len(by_reader) for by_reader in readings),
        without_text,
        simulated,
    )


def _pair(one: str, other: str, found: npt.NDArray[np.int64]) -> PairOfMarkers:
    return PairOfMarkers(one, other, tuple(found[:, 0].T), tuple(found[:, 1].T))


def _marked(tokens: npt.NDArray[np.int64], passages: Sequence[Passage]) -> npt.NDArray[np.bool_]:
    marked = np.zeros(len(tokens), dtype=bool)
    for start, end in passages:
        marked |= (tokens[:, 0] < end) & (tokens[:, 1] > start)
    return marked


def _passages(spans: Any, label: str) -> list[Passage]:
    found = {(each.get("start"), each.get("end")) for each in _list(spans) if each.get("label") == label}
    return sorted((start, end) for start, end in found if isinstance(start, int) and isinstance(end, int))


def _list(spans: Any) -> list[dict[str, Any]]:
    found = json.loads(spans) if isinstance(spans, str) else spans
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

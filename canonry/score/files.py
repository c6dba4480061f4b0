"""A scorer as the files of a release: JSON, and Parquet tables that every engine reads. No code is in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from canonry.lake import parquet_bytes
from canonry.score.features import COLUMNS, SHAPE, Rarity
from canonry.score.groundedness import ANSWER_COLUMNS, LAST, SENTENCE_COLUMNS, Scorer
from canonry.score.linear import WordModel
from canonry.score.pooling import POOLED, Logistic
from canonry.score.ridge import Ridge
from canonry.score.trees import Forest

FORMAT_VERSION = 2
SCORER, NODES, WORDS, DIRECTIONS = "scorer.json", "nodes.parquet", "words.parquet", "directions.parquet"

_NODES = {"feature": np.int16, "threshold": np.float64, "left": np.int32, "right": np.int32, "value": np.float32}
_COLUMNS = {"sentence": len(SENTENCE_COLUMNS), "answer": len(ANSWER_COLUMNS)}
_PARTS = ("rarity", "sentence", "answer")


class ScorerError(Exception):
    """Files that are no scorer this version reads; the message says which file, what was found and expected."""


def to_files(scorer: Scorer) -> dict[str, bytes]:
    """The payload of a release: the same bytes for the same scorer."""
    last = scorer.last
    forests = {"sentence": scorer.sentence_forest, "answer": scorer.answer_forest}
    about = {
        "format_version": FORMAT_VERSION,
        "columns": list(COLUMNS),
        "shape": list(SHAPE),
        "pooled": list(POOLED),
        "roots": {name: forest.roots.tolist() for name, forest in forests.items()},
        "intercepts": {
            "sentence": scorer.sentence_words.intercept,
            "answer": scorer.answer_words.intercept,
            "directions": scorer.sentence_ridge.intercept,
        },
        "rarity_most": scorer.rarity.most,
        "last": {
            "columns": list(last.columns),
            "mean": last.mean.tolist(),
            "scale": last.scale.tolist(),
            "weights": last.weights.tolist(),
            "intercept": last.intercept,
        },
        "facts": [list(each) for each in scorer.facts],
        "threshold": scorer.threshold,
    }
    nodes = pa.concat_tables(
        pa.table({"forest": [name] * len(forest.left), **{column: getattr(forest, column) for column in _NODES}})
        for name, forest in forests.items()
    )
    words = {
        "rarity": scorer.rarity.weights,
        "sentence": dict(zip(scorer.sentence_words.features, scorer.sentence_words.weights.tolist(), strict=True)),
        "answer": dict(zip(scorer.answer_words.features, scorer.answer_words.weights.tolist(), strict=True)),
    }
    rows = [(part, word, weight) for part, weights in words.items() for word, weight in weights.items()]
    return {
        SCORER: json.dumps(about, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n",
        NODES: parquet_bytes(nodes),
        DIRECTIONS: parquet_bytes(pa.table({"weight": pa.array(scorer.sentence_ridge.weights, pa.float64())})),
        WORDS: parquet_bytes(
            pa.table(
                {
                    "part": pa.array([row[0] for row in rows], pa.string()),
                    "word": pa.array([row[1] for row in rows], pa.string()),
                    "weight": pa.array([row[2] for row in rows], pa.float64()),
                }
            )
        ),
    }


def from_files(read: Callable[[str], bytes]) -> Scorer:
    """The scorer whose files `read` gives by name. Raises ScorerError."""
    try:
        about = json.loads(read(SCORER))
        _check(about)
        nodes = pq.read_table(pa.BufferReader(read(NODES)))
        words = pq.read_table(pa.BufferReader(read(WORDS)))
        directions = pq.read_table(pa.BufferReader(read(DIRECTIONS)))["weight"].to_numpy()
        return _scorer(about, {name: _nodes(name, about, nodes) for name in _COLUMNS}, directions, words)
    except (KeyError, TypeError, ValueError, AttributeError, pa.ArrowInvalid) as error:
        raise ScorerError(f"the scorer's files do not fit together: {type(error).__name__}: {error}") from None


def _check(about: Mapping[str, Any]) -> None:
    if about.get("format_version") != FORMAT_VERSION:
        found = about.get("format_version")
        raise ScorerError(f"{SCORER}: format_version: found {found}, expected {FORMAT_VERSION}; train the scorer again")
    for name, expected in (("columns", COLUMNS), ("shape", SHAPE), ("pooled", POOLED)):
        if tuple(about[name]) != tuple(expected):
            raise ScorerError(f"{SCORER}: {name}: these signals are not those of this version; train the scorer again")


def _nodes(name: str, about: Mapping[str, Any], whole: pa.Table) -> Forest:
    table = whole.filter(pc.equal(whole["forest"], name))
    forest = Forest(
        np.array(about["roots"][name], dtype=np.int32),
        *(table[column].to_numpy().astype(kind) for column, kind in _NODES.items()),
    )
    size, columns = table.num_rows, _COLUMNS[name]
    inner = forest.left >= 0
    # A child lies behind its parent, so that no walk goes on for ever.
    behind = np.arange(size)[inner]
    for side in ("left", "right"):
        children = getattr(forest, side)[inner]
        if not ((children > behind) & (children < size)).all():
            raise ScorerError(f"{NODES}: {side}: names nodes that are not behind their own")
    if not ((forest.feature[inner] >= 0) & (forest.feature[inner] < columns)).all():
        raise ScorerError(f"{NODES}: feature: expected 0 to {columns - 1}")
    if not len(forest.roots) or not ((forest.roots >= 0) & (forest.roots < size)).all():
        raise ScorerError(f"{SCORER}: roots: expected nodes of {NODES}")
    return forest


def _scorer(about: Mapping[str, Any], forests: Mapping[str, Forest], directions: np.ndarray, words: pa.Table) -> Scorer:
    by_part: dict[str, dict[str, float]] = {part: {} for part in _PARTS}
    for part, word, weight in zip(*(words[name].to_pylist() for name in ("part", "word", "weight")), strict=True):
        by_part[part][word] = weight

    def word_model(part: str) -> WordModel:
        weights = by_part[part]
        return WordModel(tuple(weights), np.array(list(weights.values())), float(about["intercepts"][part]))

    last = about["last"]
    mean, scale, weights = (np.array(last[name], dtype=np.float64) for name in ("mean", "scale", "weights"))
    facts = tuple((str(name), str(value)) for name, value in about["facts"])
    columns = (*LAST, *(f"{name}={value}" for name, value in facts))
    if tuple(last["columns"]) != columns or any(
        len(last[each]) != len(columns) for each in ("mean", "scale", "weights")
    ):
        raise ScorerError(f"{SCORER}: last: expected a weight for each of {', '.join(columns)}")
    return Scorer(
        Rarity(by_part["rarity"], float(about["rarity_most"])),
        word_model("sentence"),
        Ridge(directions.astype(np.float64), float(about["intercepts"]["directions"])),
        forests["sentence"],
        word_model("answer"),
        forests["answer"],
        Logistic(columns, mean, scale, weights, float(last["intercept"])),
        facts,
        float(about["threshold"]),
    )

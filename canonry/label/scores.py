"""Scores of a day's calls before a draw: how much each would teach, for the design `poisson`."""

from __future__ import annotations

import datetime as dt
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import mean
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from canonry import lake
from canonry.catalog import SchemeSpec
from canonry.catalog.specs import SampleScore
from canonry.label.known import HISTORY_DAYS
from canonry.label.tasks import read_texts
from canonry.labels import list_draws, read_draw
from canonry.messages import answer_text, question_text
from canonry.storage import Storage, Zones

DIMENSIONS = 1 << 18
"""Words are hashed into so many columns."""

_ROWS = 2_000
"""Texts that are compared at a time, so that a day of any size fits into memory."""


def read_scores(
    zones: Zones, name: str, scheme: SchemeSpec, day: dt.date, frame: pa.Table
) -> tuple[np.ndarray | None, dict[str, Any]]:
    """Scores by row of the frame, or None where the design has none; and what is to be said of them in the draw."""
    sampling = scheme.sampling
    by = "negative_feedback" if sampling.design == "negative_feedback_first" else sampling.score and sampling.score.by
    if by is None:
        return None, {}
    identifiers = frame["inference_id"].to_pylist()
    if by == "novelty":
        return _novelty(zones, name, day, identifiers)
    opinions = {} if by == "uncertainty" else _opinions(zones.lake, day)
    if by == "negative_feedback":
        known = {each: 1.0 for each, values in opinions.items() if min(values) < 0}
        scores = np.array([known.get(each, 0.0) for each in identifiers])
        return scores, {"score": by, "scored": int(scores.sum())}
    wanted = sampling.score
    assert wanted is not None
    given = _scored(zones.lake, wanted, day)
    if by == "uncertainty":
        known = {each: 1 - abs(2 * value - 1) for each, value in given.items()}
    else:
        bad = {each: value if wanted.high_means == "bad" else 1 - value for each, value in given.items()}
        known = {each: abs(bad[each] - (1 - mean(opinions[each])) / 2) for each in bad.keys() & opinions.keys()}
    said: dict[str, Any] = {"score": by, "scorer": wanted.scorer, "metric": wanted.metric, "scored": len(known)}
    if not known:
        missing = f"lake/scores of {day} has no {wanted.metric} by {wanted.scorer}"
        missing = f"{missing} of a call with feedback" if given else missing
        said["without_score"] = f"{missing}: drawn at random alone"
    return np.array([known.get(each, 0.0) for each in identifiers]), said


def novelty(texts: Sequence[str], earlier: Sequence[str]) -> np.ndarray:
    """(texts,) 1 - cosine of each text to the nearest earlier one, 0 to 1; 1 where there are none.

    Texts are bags of words, each weighed 1 + log of its count, times log((1 + N) / (1 + n)) + 1 of the N texts of which
    n have it (Salton and Buckley 1988): what is new are words, not what is meant.
    """
    if not texts or not earlier:
        return np.ones(len(texts))
    counts = _counts([*texts, *earlier])
    holding = np.bincount(counts.indices, minlength=DIMENSIONS)
    weights = counts.multiply(np.log((1 + counts.shape[0]) / (1 + holding)) + 1).tocsr()
    length = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1)).ravel())
    unit = (sparse.diags_array(1 / np.where(length > 0, length, 1)) @ weights).tocsr()
    known = unit[len(texts) :].T.tocsc()
    starts = range(0, len(texts), _ROWS)
    nearest = [(unit[start : min(start + _ROWS, len(texts))] @ known).max(axis=1).toarray().ravel() for start in starts]
    return np.clip(1 - np.concatenate(nearest), 0, 1)


def _novelty(zones: Zones, name: str, day: dt.date, identifiers: Sequence[str]) -> tuple[np.ndarray, dict[str, Any]]:
    """Of what is asked and answered, against items of any version of the scheme that were drawn in the weeks before."""
    earlier: list[str] = []
    for version, drawn in list_draws(zones.journal, name):
        draw = read_draw(zones.journal, name, version, drawn) if 0 < (day - drawn).days <= HISTORY_DAYS else None
        if draw:
            earlier += [f"{each.question}\n{each.answer}" for each in read_texts(zones.lake, draw).values()]
    contents = lake.read(zones.lake, "contents", [day], ["inference_id", "input_messages", "output_messages"])
    contents = contents.filter(pc.is_in(contents["inference_id"], pa.array(identifiers, pa.string())))
    texts = {
        row["inference_id"]: f"{question_text(row['input_messages'])}\n{answer_text(row['output_messages'])}"
        for row in contents.to_pylist()
    }
    said: dict[str, Any] = {"score": "novelty", "compared_with": len(earlier)}
    if not earlier:
        said["without_score"] = f"no item of the {HISTORY_DAYS} days before {day} is kept: drawn at random alone"
    return novelty([texts.get(each, "") for each in identifiers], earlier), said


def _counts(texts: Sequence[str]) -> sparse.csr_array:
    """(texts, DIMENSIONS) 1 + log of how often each word is in each text."""
    starts, columns, values = [0], list[int](), list[float]()
    for text in texts:
        found = Counter(zlib.crc32(word.encode()) % DIMENSIONS for word in re.findall(r"\w+", text.casefold()))
        columns += found.keys()
        values += map(float, found.values())
        starts.append(len(columns))
    shape = (len(texts), DIMENSIONS)
    return sparse.csr_array((1 + np.log(np.array(values)), columns, starts), shape=shape)


def _scored(lake_zone: Storage, wanted: SampleScore, day: dt.date) -> dict[str, float]:
    rows = lake.read(lake_zone, "scores", [day], ["inference_id", "scorer", "metric", "value"])
    rows = rows.filter(pc.and_(pc.equal(rows["scorer"], wanted.scorer), pc.equal(rows["metric"], wanted.metric)))
    pairs = zip(rows["inference_id"].to_pylist(), rows["value"].to_pylist(), strict=True)
    return {each: value for each, value in pairs if value is not None and 0 <= value <= 1}


def _opinions(lake_zone: Storage, day: dt.date) -> dict[str, list[float]]:
    """What users said of calls, -1 to 1, that day and the next."""
    rows = lake.read(lake_zone, "feedback", [day, day + dt.timedelta(days=1)], ["inference_id", "value"])
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows.filter(rows["value"].is_valid()).to_pylist():
        found[row["inference_id"]].append(min(max(row["value"], -1.0), 1.0))
    return found

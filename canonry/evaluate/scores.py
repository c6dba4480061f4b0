"""What a scorer says of every call that a window's draws were made from, beside the sample of those with labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.catalog import EvalSpec
from canonry.catalog.specs import EvalScorer
from canonry.evaluate.frame import Frame, manifest_digests
from canonry.evaluate.sample import Sample
from canonry.storage import Zones

LEAST_SCORED = 0.95
"""Least share of a slice's calls, and of its labeled ones, that must have a score; the others count as the mean."""


@dataclass(frozen=True)
class Scores:
    """Scores of a frame's calls by one version of a scorer, or why they cannot be used."""

    scorer: str
    version: str | None
    refused: str | None = None
    values: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """(N,) 0 to 1; NaN of calls without a score."""
    of_items: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """(items,) the same of the drawn items."""
    made_from: Mapping[str, str] = field(default_factory=dict)
    """Digest by path of every partition read."""

    def refusal(self, inside: np.ndarray, items: np.ndarray) -> str | None:
        """Why scores of these calls (N,) and labeled items (items,) cannot be used, or None."""
        if self.refused:
            return self.refused
        for of, values in (("calls", self.values[inside]), ("labeled calls", self.of_items[items])):
            missing = float(np.isnan(values).mean()) if len(values) else 1.0
            if missing > 1 - LEAST_SCORED:
                return f"{self.scorer} {self.version}: usable scores are missing for {missing:.0%} of the {of}"
        return None


def read_scores(zones: Zones, spec: EvalSpec, sample: Sample, frame: Frame | None) -> Scores | None:
    """Scores by the scorer that the eval names, of one version; None for an eval that names none.

    A score whose version learnt from a label of the call, or of its group, would make the labels look better predicted
    than other calls are; it is left out, as is one of which that is not known (`seen_in_training` of `lake/scores`).
    """
    wanted = spec.scorer
    if wanted is None or frame is None:
        return None
    made_from = manifest_digests(zones, ("scores",), sample.days)
    if frame.refused:
        return Scores(wanted.name, wanted.version, frame.refused, made_from=made_from)
    rows = lake.read(zones.lake, "scores", sample.days)
    rows = rows.filter(pc.and_(pc.equal(rows["scorer"], wanted.name), pc.equal(rows["metric"], wanted.metric)))
    version = wanted.version or _newest(rows)
    found, problem = _by_call(rows.filter(pc.equal(rows["scorer_version"], version)) if version else rows, wanted)
    if not len(rows):
        problem = f"lake/scores has no {wanted.metric} by {wanted.name} for these days"
    identifiers = frame.calls["inference_id"].to_pylist()
    values = np.array([found.get(each, np.nan) for each in identifiers], dtype=float)
    return Scores(wanted.name, version, problem, values, values[frame.place], made_from)


def _newest(rows: pa.Table) -> str | None:
    """The version whose scores were made last."""
    made = zip(rows["scored_at"].to_pylist(), rows["scorer_version"].to_pylist(), strict=True)
    return max(((at, version) for at, version in made if at is not None), default=(None, None))[1]


def _by_call(rows: pa.Table, wanted: EvalScorer) -> tuple[dict[str, float], str | None]:
    """The last score of each call that may be used, and what is wrong with them all."""
    columns = ["inference_id", "value", "seen_in_training", "scored_at"]
    found: dict[str, float] = {}
    outside = 0
    for row in rows.select(columns).sort_by([("scored_at", "ascending"), ("value", "ascending")]).to_pylist():
        if row["seen_in_training"] is False and row["value"] is not None:
            outside += not 0 <= row["value"] <= 1
            found[row["inference_id"]] = row["value"]
    problem = f"{outside:,} values of {wanted.metric} by {wanted.name} lie outside 0 to 1" if outside else None
    return found, problem

"""Coverage gaps: what users ask again and again that nothing in the released index is near to.

For the content owners, not for everyone: the table stays in the lake, under `coverage_gaps/index=NAME`, and is not
published. Examples are masked, and a gap is told only where enough questions fall into it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake, release
from canonry.catalog import IndexSpec
from canonry.catalog.redaction import FINDINGS
from canonry.embedded import embed
from canonry.encode import EncoderFiles
from canonry.index import candidate, tables
from canonry.index.asked import Asked, asked_of
from canonry.index.erased import erased
from canonry.index.errors import IndexBuildError
from canonry.redact import Mask
from canonry.storage import Zones

GAPS = pa.schema(
    [
        ("gap", pa.int64()),
        ("questions", pa.int64()),
        ("share", pa.float64()),
        ("similarity", pa.float64()),
        ("liked", pa.int64()),
        ("disliked", pa.int64()),
        ("cost_usd", lake.MONEY),
        ("unpriced", pa.int64()),
        ("examples", pa.list_(pa.string())),
        ("first_day", pa.date32()),
        ("last_day", pa.date32()),
        ("index_version", pa.string()),
    ]
)
"""Columns of the table, a row a gap, the one with most questions first. `share`: of all questions that were looked at;
`similarity`: the median of its questions' best matches; gap 0 holds the far questions that are like too few others."""

GAPS_FOLDER = "coverage_gaps"

_TOGETHER = 0.45
"""Mean cosine distance up to which questions are said to ask for the same."""

_MOST = 3_000
_EXAMPLES = 3


@dataclass(frozen=True)
class Gaps:
    """What was found: the table GAPS, and how many questions were looked at, and how many of them are far."""

    table: pa.Table
    questions: int
    far: int
    threshold: float


def coverage_gaps(zones: Zones, name: str, spec: IndexSpec) -> Gaps:
    """Cluster recent questions whose best match is far, and keep the table. Raises NotReleased, IndexBuildError.

    Best matches are computed in the version that is released now: what was added since is no gap any more.
    """
    if spec.gaps is None:
        raise IndexBuildError(f"assets/indexes/{name}.yaml: gaps: is not set; set it to look for coverage gaps")
    found = release.resolve(zones.published, "indexes", name)
    encoder = EncoderFiles.from_metadata(found.manifest.metadata["encoder"])
    days = lake.days(zones.lake, "inferences")[-spec.gaps.days :]
    asked = _asked(zones, name, days)
    ids = list(asked)
    vectors = embed(zones.lake, encoder, [asked[each][1].question for each in ids]).vectors
    files = {path: found.read(path) for path in candidate.OWN_FILES if path in found.manifest.files}
    scores, rows = candidate.opened(files).vectors.nearest(vectors, 1)
    best = np.where(rows[:, 0] >= 0, scores[:, 0], -1.0) if rows.shape[1] else np.full(len(ids), -1.0)
    far = np.flatnonzero(best < spec.gaps.similarity)
    # The latest, where there are more than can be compared with each other.
    group = clusters(vectors[far[-_MOST:]], spec.gaps.smallest)
    group = np.concatenate([np.zeros(len(far) - len(group), np.int64), group])
    table = _table(zones, asked, [ids[row] for row in far], best[far], group, len(ids), found.version)
    tables.put_table(zones.lake, gaps_path(name), table)
    return Gaps(table, len(ids), len(far), spec.gaps.similarity)


def gaps_path(name: str) -> str:
    """Path in the lake of an index's coverage gaps."""
    return f"{GAPS_FOLDER}/index={name}/part-0.parquet"


def clusters(vectors: np.ndarray, smallest: int) -> np.ndarray:
    """Number of each question's cluster, int64 (n,): 1 the largest; 0 where it has fewer than `smallest` members."""
    if len(vectors) < 2:
        return np.where(np.ones(len(vectors), bool) & (smallest <= 1), 1, 0).astype(np.int64)
    from sklearn.cluster import AgglomerativeClustering

    cutter = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=_TOGETHER)
    labels = cutter.fit_predict(vectors.astype(np.float64))
    sizes = np.bincount(labels)
    first = {label: int(np.argmax(labels == label)) for label in range(len(sizes))}
    ranked = sorted((label for label in first if sizes[label] >= smallest), key=lambda at: (-sizes[at], first[at]))
    number = {label: place for place, label in enumerate(ranked, start=1)}
    return np.array([number.get(int(label), 0) for label in labels], np.int64)


def _asked(zones: Zones, name: str, days: Sequence[dt.date]) -> dict[str, tuple[dt.date, Asked]]:
    found = {}
    gone = erased(zones)
    for day in days:
        calls = gone.without(lake.read(zones.lake, "inferences", [day], ["inference_id", "index_name"]))
        own = calls.filter(pc.equal(calls["index_name"], name))["inference_id"].to_pylist()
        for inference_id, asked in sorted(asked_of(zones.lake, day, own).items() if own else ()):
            if asked.question.strip():
                found[inference_id] = (day, asked)
    return found


def _table(
    zones: Zones,
    asked: dict[str, tuple[dt.date, Asked]],
    ids: list[str],
    best: np.ndarray,
    group: np.ndarray,
    total: int,
    version: str,
) -> pa.Table:
    mask = Mask(FINDINGS, {}, ("US",))
    thumbs, costs = _thumbs(zones, asked), _costs(zones, asked)
    rows = []
    for gap in sorted(set(group.tolist()), key=lambda each: (each == 0, each)):
        members = np.flatnonzero(group == gap)
        own = [ids[row] for row in members]
        # What only few asked could tell who they are.
        examples = dict.fromkeys(mask.text(asked[each][1].question)[:300] for each in own) if gap else {}
        days = [asked[each][0] for each in own]
        rows.append(
            {
                "gap": gap,
                "questions": len(own),
                "share": round(len(own) / total, 6),
                "similarity": round(float(np.median(best[members])), 6),
                "liked": sum(thumbs.get(each, 0) > 0 for each in own),
                "disliked": sum(thumbs.get(each, 0) < 0 for each in own),
                "cost_usd": sum((costs[each] for each in own if each in costs), start=Decimal(0)),
                "unpriced": sum(each not in costs for each in own),
                "examples": list(examples)[:_EXAMPLES],
                "first_day": min(days),
                "last_day": max(days),
                "index_version": version,
            }
        )
    return pa.Table.from_pylist(rows, schema=GAPS)


def _thumbs(zones: Zones, asked: dict[str, tuple[dt.date, Asked]]) -> dict[str, float]:
    """Mean of what was said of each answer, by inference_id."""
    first = min((day for day, _ in asked.values()), default=None)
    days = [day for day in lake.days(zones.lake, "feedback") if first and day >= first]
    feedback = lake.read(zones.lake, "feedback", days, ["inference_id", "signal", "value"])
    feedback = feedback.filter(pc.and_(pc.equal(feedback["signal"], "thumb"), pc.is_valid(feedback["value"])))
    means = feedback.group_by("inference_id").aggregate([("value", "mean")])
    return dict(zip(means["inference_id"].to_pylist(), means["value_mean"].to_pylist(), strict=True))


def _costs(zones: Zones, asked: dict[str, tuple[dt.date, Asked]]) -> dict[str, Decimal]:
    """US dollars of each call whose charges are all priced, by inference_id."""
    found: dict[str, Decimal] = {}
    unpriced: set[str] = set()
    charges = lake.read(
        zones.lake, "charges", sorted({day for day, _ in asked.values()}), ["inference_id", "amount", "status"]
    )
    for row in charges.to_pylist():
        if row["amount"] is None or row["status"] not in ("priced", "free"):
            unpriced.add(row["inference_id"])
        else:
            found[row["inference_id"]] = found.get(row["inference_id"], Decimal(0)) + row["amount"]
    return {each: amount for each, amount in found.items() if each not in unpriced}

"""An index's candidate beside the version in production: both are asked the golden queries."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

import numpy as np

from canonry.catalog import IndexSpec
from canonry.catalog.specs import ComparisonSpec
from canonry.comparisons import CODE_VERSION, Comparison, Flip, spec_digest
from canonry.index import store
from canonry.index.answers import answers
from canonry.index.golden import Golden
from canonry.index.judge import contenders
from canonry.regressions.sides import NothingToCompare
from canonry.release import resolve
from canonry.stats.verdicts import judge_means, judge_pairs
from canonry.storage import Zones

GOLDEN = "golden queries"


def compare_indexes(zones: Zones, name: str, spec: ComparisonSpec, index: IndexSpec, now: dt.datetime) -> Comparison:
    """The candidate built last beside production. Raises NothingToCompare, NotReleased, IndexBuildError."""
    of = spec.candidate.name
    candidate, released = store.latest_version(zones.lake, of), resolve(zones.published, "indexes", of).version
    if candidate is None or candidate == released:
        raise NothingToCompare(f"indexes/{of}: no candidate waits beside {released}")
    golden, first, second = contenders(zones, of, index, released, candidate)
    before, after = answers(first, golden), answers(second, golden)
    if spec.metric == "hit_rate_at_10":
        values = before.hit.astype(float), after.hit.astype(float)
        verdict = judge_pairs(
            before.hit, after.hit, spec.margin, confidence=spec.confidence, power=spec.power, what=spec.metric
        )
    else:
        values = before.measures[spec.metric], after.measures[spec.metric]
        verdict = judge_means(*values, spec.margin, confidence=spec.confidence, power=spec.power, what=spec.metric)
    changed = np.flatnonzero(values[0] != values[1]).tolist()
    flips = [Flip(query_id(golden[at]), float(values[0][at]), float(values[1][at]), GOLDEN) for at in changed]
    return Comparison(
        name=name,
        kind="indexes",
        of=of,
        candidate=candidate,
        released=released,
        metric=spec.metric,
        verdict=verdict,
        made_from={"spec": spec_digest(spec), "code": str(CODE_VERSION), "golden": _digest(golden)},
        compared_at=now,
        before=float(values[0].mean()),
        after=float(values[1].mean()),
        items=len(golden),
        unchanged=len(golden) - len(changed),
        judged_by={GOLDEN: len(changed)},
        flips=tuple(sorted(flips, key=lambda flip: (flip.after - flip.before, flip.item))),
    )


def query_id(golden: Golden) -> str:
    """A golden query's id: it has no other, and its words stay where they are."""
    return hashlib.blake2b(golden.query.encode(), digest_size=8, person=b"canonry.golden").hexdigest()


def _digest(golden: list[Golden]) -> str:
    told = sorted([each.query, *sorted(each.documents)] for each in golden)
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

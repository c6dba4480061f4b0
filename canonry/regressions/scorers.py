"""Scorers, compared with each other on gold items that neither learned from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np

from canonry.catalog import Catalog
from canonry.catalog.specs import ComparisonSpec, GroundednessSpec
from canonry.comparisons import CODE_VERSION, Comparison, Flip, spec_digest
from canonry.evaluate.crossed import read_questions, read_scorer
from canonry.evaluate.definitions import question_digest
from canonry.evaluate.ready import encoder_of
from canonry.evaluate.scorers import GoldItem, read_gold
from canonry.regressions.judging import PEOPLE
from canonry.regressions.sides import NothingToCompare
from canonry.release import Release, resolve
from canonry.stats.verdicts import judge_pairs
from canonry.storage import Zones

KIND, CANDIDATE = "scorers", "candidate"


def compare_scorers(zones: Zones, catalog: Catalog, name: str, spec: ComparisonSpec, now: dt.datetime) -> Comparison:
    """The scorer trained last beside the one in production: which calls each gets right. Raises NothingToCompare."""
    assert spec.gold is not None
    of = spec.candidate.name
    trained = _trained(catalog, of)
    released, candidate = (resolve(zones.published, KIND, of, channel) for channel in ("production", CANDIDATE))
    if released.version == candidate.version:
        raise NothingToCompare(f"scorers/{of}: no candidate waits beside {released.version}")
    gold = resolve(zones.published, "gold", spec.gold.scheme, spec.gold.version or "production")
    learned = read_questions(released) | read_questions(candidate)
    items = [
        item
        for item in read_gold(gold, trained)
        if item.split in spec.gold.splits and question_digest(item.labeled.answer.question) not in learned
    ]
    before, after = (_right(catalog, release, items) for release in (released, candidate))
    verdict = judge_pairs(
        before,
        after,
        spec.margin,
        confidence=spec.confidence,
        power=spec.power,
        groups=[item.labeled.source for item in items],
        what=spec.metric,
    )
    flips = [
        Flip(item.inference_id, float(was), float(is_now), PEOPLE)
        for item, was, is_now in zip(items, before, after, strict=True)
        if was != is_now
    ]
    return Comparison(
        name=name,
        kind=KIND,
        of=of,
        candidate=candidate.version,
        released=released.version,
        metric=spec.metric,
        verdict=verdict,
        made_from={
            "spec": spec_digest(spec),
            "code": str(CODE_VERSION),
            "gold": f"{spec.gold.scheme} {gold.version}",
        },
        compared_at=now,
        before=float(before.mean()) if len(items) else None,
        after=float(after.mean()) if len(items) else None,
        items=len(items),
        unchanged=len(items) - len(flips),
        judged_by={PEOPLE: len(flips)},
        simulated=sum(item.simulated for item in items),
        flips=tuple(sorted(flips, key=lambda flip: (flip.after - flip.before, flip.item))),
    )


def _trained(catalog: Catalog, name: str) -> GroundednessSpec:
    spec = catalog.scorers[name]
    assert isinstance(spec, GroundednessSpec), "the catalog lets nothing else be compared"
    return spec


def _right(catalog: Catalog, release: Release, items: Sequence[GoldItem]) -> np.ndarray:
    if not items:
        return np.zeros(0, dtype=bool)
    scorer, encode = read_scorer(release), encoder_of(catalog, release.manifest.metadata["encoder"])
    labeled = [item.labeled for item in items]
    scores = scorer.score([each.answer for each in labeled], [each.facts for each in labeled], encode)
    truth = np.array([each.hallucinated for each in labeled], dtype=bool)
    return (np.array([score.value for score in scores]) >= scorer.threshold) == truth

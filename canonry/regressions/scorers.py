"""Scorers, compared with each other on gold items that neither learned from; and as judges of answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np

from canonry.catalog import Catalog
from canonry.catalog.specs import ComparisonSpec, GroundednessSpec
from canonry.comparisons import CODE_VERSION, Comparison, Flip, spec_digest
from canonry.encode import exported, files_of, load_onnx
from canonry.evaluate.crossed import read_crossed, read_questions, read_scorer
from canonry.evaluate.definitions import question_digest
from canonry.evaluate.scorers import GoldItem, read_gold
from canonry.regressions.items import Item
from canonry.regressions.judging import PEOPLE, Judge
from canonry.regressions.sides import NothingToCompare
from canonry.release import Release, resolve
from canonry.score import Answer, AnsweredCall, Encode
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


def judge_of(zones: Zones, catalog: Catalog, name: str, good: str) -> Judge:
    """The scorers in production as a judge of which answers are `good`. Raises NotReleased."""
    release = resolve(zones.published, KIND, name)
    crossed, encode = read_crossed(release), _encode(catalog, release)
    positive_is_good = _trained(catalog, name).positive == good

    def judged(answers: Sequence[tuple[Item, str]]) -> list[bool]:
        asked = [_call(at, item, text) for at, (item, text) in enumerate(answers)]
        scores = crossed.score(asked, crossed.folds(asked), encode)
        return [(score.value >= crossed.scorer.threshold) == positive_is_good for score in scores]

    return Judge(f"{name} {release.version}", judged, lambda item: bool(crossed.seen([_call(0, item, "")])))


def _call(at: int, item: Item, text: str) -> AnsweredCall:
    """An answer that nobody has called: no scorer has learned it, but perhaps another one to its question."""
    return AnsweredCall(f"answer {at}", Answer(item.question, item.passages, text), item.facts)


def _trained(catalog: Catalog, name: str) -> GroundednessSpec:
    spec = catalog.scorers[name]
    assert isinstance(spec, GroundednessSpec), "the catalog lets nothing else be compared, or judge a comparison"
    return spec


def _right(catalog: Catalog, release: Release, items: Sequence[GoldItem]) -> np.ndarray:
    if not items:
        return np.zeros(0, dtype=bool)
    scorer = read_scorer(release)
    labeled = [item.labeled for item in items]
    scores = scorer.score(
        [each.answer for each in labeled], [each.facts for each in labeled], _encode(catalog, release)
    )
    truth = np.array([each.hallucinated for each in labeled], dtype=bool)
    return (np.array([score.value for score in scores]) >= scorer.threshold) == truth


def _encode(catalog: Catalog, release: Release) -> Encode | None:
    name = release.manifest.metadata["encoder"]
    if name is None:
        return None
    files = files_of(name, catalog.models[name])
    return load_onnx(files, exported(files), files.tokenizer_file).encode

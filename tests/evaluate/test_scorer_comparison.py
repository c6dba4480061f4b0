"""A scorer's candidate compared with production by an eval, on gold items that neither learned from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from canonry import release
from canonry.catalog import Catalog, ComparisonSpec
from canonry.catalog.specs import Outcome
from canonry.evaluate.crossed import read_crossed, read_scorer
from canonry.evaluate.definitions import question_digest
from canonry.evaluate.scorers import KIND, train_candidate
from canonry.regressions import compare, standing_now
from canonry.regressions.items import Item
from canonry.regressions.judges import judge_of
from canonry.score import to_files, trees
from canonry.storage import Zones
from tests.evaluate.test_scorers import NOW, SPEC, TEST_SOURCES, publish_gold
from tests.score.made import made_answers

COMPARISON = ComparisonSpec.model_validate(
    {
        "kind": "comparison",
        "description": "Made for this test only.",
        "owner": "a-team",
        "candidate": {"kind": "scorers", "name": "risk"},
        "metric": "accuracy",
        "margin": 0.05,
        "gold": {"scheme": "groundedness"},
    }
)
CATALOG = Catalog(Path("assets"), scorers={"risk": SPEC}, comparisons={"c": COMPARISON})


def test_a_scorer_that_calls_everything_bad_is_held_back(zones: Zones, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "TREES", 8)
    gold = publish_gold(zones.published, made_answers(), TEST_SOURCES)
    release.promote(zones.published, "gold", "groundedness", gold.version, reason="test", now=NOW)
    good = train_candidate(SPEC, gold, None, None, None)

    def put(files: dict[str, bytes], channel: str) -> release.Release:
        found = release.publish(
            zones.published, KIND, "risk", files, metadata=good.metadata, lineage=good.lineage, now=NOW
        )
        release.promote(zones.published, KIND, "risk", found.version, channel=channel, reason="test", now=NOW)
        return found

    before = put(good.files, "production")
    seeded = dataclasses.replace(read_scorer(before), threshold=0.0)
    after = put({**good.files, **to_files(seeded)}, "candidate")
    found = compare(zones, CATALOG, "c", now=NOW)
    tested = [each for each in made_answers() if each.source in TEST_SOURCES]
    assert found.items == len(tested) == 16
    bad = sum(each.hallucinated for each in tested) / len(tested)
    assert found.verdict.word == "worse" and found.after == bad < 0.5 < (found.before or 0)
    assert found.verdict.lost == sum(flip.after < flip.before for flip in found.flips) > 4
    verdict = standing_now(zones, CATALOG, KIND, "risk", after.version)
    assert verdict and not verdict.passed and verdict.message.startswith("c: accuracy -")

    judge = judge_of(zones, CATALOG, Outcome(field="groundedness", good="grounded", scorer="risk"), NOW)
    assert judge
    items = [Item("i", each.answer.question, each.answer.passages, each.source, each.facts) for each in made_answers()]
    assert all(judge.may_judge(item) for item in items), "of each question a scorer was trained without its fold"
    said = judge.good([(item, each.answer.answer) for item, each in zip(items, made_answers(), strict=True)])
    right = [good == (not each.hallucinated) for good, each in zip(said, made_answers(), strict=True)]
    assert sum(right) / len(right) > 0.7
    crossed = read_crossed(before)
    fold = {each.question: each.fold for each in crossed.learned.values()}
    unseeing = [
        crossed.without_fold[fold[digest]]
        if (digest := question_digest(each.answer.question)) in fold
        else crossed.scorer
        for each in made_answers()
    ]
    assert sum(each is not crossed.scorer for each in unseeing) == len(made_answers()) - len(tested)
    scores = [
        scorer.score([each.answer], [each.facts], None)[0].value
        for scorer, each in zip(unseeing, made_answers(), strict=True)
    ]
    assert said == [score < crossed.scorer.threshold for score in scores]

"""The scorer on made answers: it finds what is made up and where, repeats itself, and never sees what it scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from canonry.score import trees
from canonry.score.features import rarity, signals
from canonry.score.groundedness import Trained, best_threshold, cross_fitted, train
from canonry.score.labeled import Labeled, TooFewLabels
from canonry.score.measure import calibration, calibration_error
from canonry.score.trees import LEAST_LEAF, fit_forest
from tests.score.made import letters, made_answers


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "TREES", 15)
        yield


@pytest.fixture(scope="module")
def labeled() -> list[Labeled]:
    return made_answers()


@pytest.fixture(scope="module")
def trained(labeled: list[Labeled]) -> Trained:
    return train(labeled, letters)


def test_lies_are_found_where_they_are(labeled: list[Labeled], trained: Trained) -> None:
    fresh = made_answers(sources=12, seed=7)
    scores = trained.scorer.score([each.answer for each in fresh], [each.facts for each in fresh], letters)
    called = [score.value >= trained.scorer.threshold for score in scores]
    assert np.mean([each.hallucinated == call for each, call in zip(fresh, called, strict=True)]) > 0.9
    for each, score in zip(fresh, scores, strict=True):
        if each.hallucinated:
            likeliest = max(score.spans, key=lambda span: span.probability)
            assert (likeliest.start, likeliest.end) == each.spans[0]


def test_the_same_labels_give_the_same_scores(labeled: list[Labeled], trained: Trained) -> None:
    again = train(labeled, letters)
    assert again.out_of_fold == trained.out_of_fold
    assert again.scorer.threshold == trained.scorer.threshold


def test_a_score_does_not_depend_on_its_company(labeled: list[Labeled], trained: Trained) -> None:
    answers, facts = [each.answer for each in labeled], [each.facts for each in labeled]
    whole = trained.scorer.score(answers, facts, letters)
    alone = trained.scorer.score(answers[:1], facts[:1], letters)
    assert alone[0].value == pytest.approx(whole[0].value, abs=1e-12)


def test_no_label_of_a_source_reaches_its_own_cross_fitted_score(labeled: list[Labeled]) -> None:
    answers = [each.answer for each in labeled]
    rare = rarity(answers)
    found = signals(answers, rare, letters)
    before = cross_fitted(labeled, found, rare).scores
    turned = [
        dataclasses.replace(each, hallucinated=not each.hallucinated, spans=()) if each.source == "source-5" else each
        for each in labeled
    ]
    after = cross_fitted(turned, found, rare).scores
    own = [place for place, each in enumerate(labeled) if each.source == "source-5"]
    assert [after[place] for place in own] == [before[place] for place in own]
    assert after != before


def test_governance_features_are_used_only_where_they_are_asked_for(labeled: list[Labeled], trained: Trained) -> None:
    knowing = train(labeled, letters, facts=("response_model",)).scorer
    answer = [labeled[0].answer]
    assert trained.scorer.facts == ()
    assert knowing.facts == (("response_model", "careful"), ("response_model", "reckless"))
    careful, reckless = (
        knowing.score(answer, [{"response_model": model}], letters)[0].value for model in ("careful", "reckless")
    )
    assert careful < reckless
    # A model that it never saw is neither.
    assert careful < knowing.score(answer, [{"response_model": "new"}], letters)[0].value < reckless


def test_too_few_labels_are_refused(labeled: list[Labeled]) -> None:
    with pytest.raises(TooFewLabels, match=r"^6 hallucinated answers from 6 sources: at least 10 from 5 are needed$"):
        train([each for each in labeled if not each.hallucinated] + [x for x in labeled if x.hallucinated][:6], letters)


def test_labels_without_spans_still_train(labeled: list[Labeled]) -> None:
    found = train([dataclasses.replace(each, spans=()) for each in labeled], letters)
    truth = np.array([each.hallucinated for each in labeled])
    values = np.array([score.value for score in found.out_of_fold])
    assert values[truth].mean() > values[~truth].mean() + 0.3


def test_trees_give_what_scikit_learn_gives() -> None:
    from sklearn.ensemble import ExtraTreesClassifier

    draw = np.random.default_rng(0)
    rows = draw.normal(size=(300, 5))
    positive = rows[:, 0] + draw.normal(size=300) > 0.5
    model = ExtraTreesClassifier(trees.TREES, min_samples_leaf=LEAST_LEAF, max_features=0.3, random_state=3)
    expected = model.fit(rows, positive).predict_proba(rows)[:, 1]
    assert fit_forest(rows, positive, 3).probability(rows) == pytest.approx(expected, abs=1e-6)
    assert fit_forest(rows, np.zeros(300, dtype=bool), 3).probability(rows).max() == 0


def test_the_threshold_gives_the_greatest_f1_of_answers_whose_probabilities_hold() -> None:
    draw = np.random.default_rng(1)
    probability = draw.random(200_000).round(2)
    positive = draw.random(200_000) < probability

    def f1(threshold: float) -> float:
        called = probability >= threshold
        return 2 * (positive & called).sum() / (positive.sum() + called.sum())

    assert f1(best_threshold(probability[:500])) == pytest.approx(
        max(f1(each) for each in np.unique(probability)), abs=3e-3
    )
    assert best_threshold(np.array([0.7, 0.7])) == 0.35


def test_calibration_error_is_the_distance_of_said_and_seen() -> None:
    said = np.r_[np.full(50, 0.2), np.full(50, 0.7)]
    seen = np.r_[np.arange(50) < 15, np.arange(50) < 35]
    assert calibration_error(said, seen, bins=2) == pytest.approx(0.05)
    assert [each.observed for each in calibration(said, seen, bins=2)] == [0.3, 0.7]

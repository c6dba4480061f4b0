"""A scorer from a gold set to the scores of a day: gate, card, release, and rows that another version leaves alone."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from canonry import lake, release
from canonry.catalog.specs import GroundednessSpec
from canonry.evaluate.crossed import Learned, read_crossed
from canonry.evaluate.scorers import (
    CANDIDATE,
    ITEMS_FILE,
    KIND,
    Candidate,
    gate,
    read_gold,
    train_candidate,
    why_train,
)
from canonry.evaluate.scoring import Ready, marks, score_day, trained_scorer
from canonry.release import Release
from canonry.score import AnsweredCall, Labeled, Score, Scorer, Span, TooFewLabels, trees
from canonry.storage import Storage, Zones, open_zones
from tests.score.made import letters, made_answers

NOW = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
DAY = dt.date(2026, 11, 19)
SPEC = GroundednessSpec(
    description="Made for this test only.",
    owner="ai-quality",
    metric="risk",
    scheme="groundedness",
    field="groundedness",
    positive="hallucinated",
    facts=("response_model",),
)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "TREES", 8)


def publish_gold(published: Storage, labeled: Sequence[Labeled], test_sources: Sequence[str] = ()) -> Release:
    rows = [
        {
            "item_id": f"item-{place:03d}",
            "inference_id": f"call-{place:03d}",
            "split": "test" if each.source in test_sources else "train",
            "group": each.source,
            "question": each.answer.question,
            "passages": list(each.answer.passages),
            "answer": each.answer.answer,
            "field": "groundedness",
            "value": "hallucinated" if each.hallucinated else "grounded",
            "spans": [{"start": start, "end": end, "label": "unsupported"} for start, end in each.spans],
            "simulated": True,
            **{name: each.facts.get(name) for name in ("product", "team", "feature", "response_model")},
        }
        for place, each in enumerate(labeled)
    ]
    items = lake.parquet_bytes(pa.Table.from_pylist(rows))
    return release.publish(published, "gold", "groundedness", {ITEMS_FILE: items}, metadata={}, lineage={}, now=NOW)


def publish_scorer(published: Storage, made: Candidate) -> Release:
    return release.publish(published, KIND, "risk", made.files, metadata=made.metadata, lineage=made.lineage, now=NOW)


def ready(released: Release) -> Ready:
    return trained_scorer("risk", released, NOW, SPEC.metric, SPEC.mark, letters)


def write_day(lake_zone: Storage, labeled: Sequence[Labeled]) -> None:
    calls, contents = [], []
    for place, each in enumerate(labeled):
        inference_id = f"call-{place:03d}"
        calls.append(
            {"inference_id": inference_id, "operation": "chat", "response_model": each.facts["response_model"]}
        )
        contents.append(
            {
                "inference_id": inference_id,
                "input_messages": json.dumps([{"role": "user", "content": each.answer.question}]),
                "output_messages": json.dumps([{"role": "assistant", "content": each.answer.answer}]),
                "retrieved": [{"chunk_id": "c", "score": None, "text": text} for text in each.answer.passages],
            }
        )
    calls += [{"inference_id": "failed", "operation": "chat", "error_type": "timeout"}]
    calls += [{"inference_id": each, "operation": "chat"} for each in ("bare", "again")]
    contents += [{**contents[0], "inference_id": "bare", "retrieved": []}, {**contents[2], "inference_id": "again"}]
    for kind, rows in (("inferences", calls), ("contents", contents)):
        table = pa.Table.from_pylist(rows, lake.SCHEMAS[kind])
        lake.write(lake_zone, kind, DAY, table, {})


TEST_SOURCES = [f"source-{each}" for each in range(0, 40, 5)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "TREES", 8)
        published = open_zones(tmp_path_factory.mktemp("trained")).published
        return train_candidate(SPEC, publish_gold(published, made_answers(), TEST_SOURCES), letters, None, None)


@pytest.fixture
def made(zones: Zones, trained: Candidate) -> tuple[Release, Candidate]:
    return publish_gold(zones.published, made_answers(), TEST_SOURCES), trained


def test_the_test_split_is_not_learned_and_the_card_says_what_was(
    zones: Zones, made: tuple[Release, Candidate]
) -> None:
    gold, candidate = made
    crossed = read_crossed(publish_scorer(zones.published, candidate)).learned
    of_split = {each.inference_id: each.split for each in read_gold(gold, SPEC)}
    assert {of_split[each] for each in crossed} == {"train"}
    assert len(crossed) == list(of_split.values()).count("train") == 64
    card = json.loads(candidate.files["card.json"])
    assert card["gold"] == {"name": "groundedness", "version": gold.version}
    assert (card["cross_fitted"]["items"], card["test"]["items"], card["simulated"]) == (64, 16, 80)
    assert card["cross_fitted"]["auroc"]["low"] > 0.5
    assert sum(each["answers"] for each in card["cross_fitted"]["calibration"]) == 64
    text = candidate.files["card.md"].decode()
    assert gold.version in text and "80 labels were made by a program" in text
    assert candidate.verdict.word == "first"


def test_items_without_passages_teach_nothing(zones: Zones) -> None:
    first, *others = made_answers(sources=2)
    bare = dataclasses.replace(first, answer=dataclasses.replace(first.answer, passages=()))
    gold = publish_gold(zones.published, [bare, *others])
    assert [each.inference_id for each in read_gold(gold, SPEC)] == ["call-001", "call-002", "call-003"]


def test_the_same_gold_gives_the_same_release(zones: Zones, made: tuple[Release, Candidate]) -> None:
    gold, candidate = made
    assert train_candidate(SPEC, gold, letters, None, None).files == candidate.files


def test_a_scorer_is_trained_where_its_gold_set_or_what_it_may_know_is_new(
    zones: Zones, made: tuple[Release, Candidate]
) -> None:
    assert why_train(zones.published, "risk", SPEC) is None
    release.promote(zones.published, "gold", "groundedness", made[0].version, reason="made for this test", now=NOW)
    assert why_train(zones.published, "risk", SPEC) == "risk was never trained"
    version = publish_scorer(zones.published, made[1]).version
    release.promote(zones.published, KIND, "risk", version, channel=CANDIDATE, reason="made for this test", now=NOW)
    assert why_train(zones.published, "risk", SPEC) is None
    assert why_train(zones.published, "risk", SPEC.model_copy(update={"facts": ()})) == "risk has another facts"
    gold = publish_gold(zones.published, made_answers(seed=1))
    release.promote(zones.published, "gold", "groundedness", gold.version, reason="made for this test", now=NOW)
    assert why_train(zones.published, "risk", SPEC) == f"risk does not know the gold set {gold.version}"


def test_what_cannot_be_read_any_more_is_no_rival(zones: Zones, made: tuple[Release, Candidate]) -> None:
    gold, candidate = made
    about = json.dumps({**json.loads(candidate.files["scorer.json"]), "format_version": 0}).encode()
    old = publish_scorer(
        zones.published, dataclasses.replace(candidate, files={**candidate.files, "scorer.json": about})
    )
    verdict = train_candidate(SPEC, gold, letters, old, letters).verdict
    assert verdict.word == "first"
    assert "cannot be read any more (scorer.json: format_version: found 0, expected 2" in verdict.message


def test_a_version_that_lost_more_than_the_margin_is_not_promoted(
    zones: Zones, made: tuple[Release, Candidate]
) -> None:
    gold, candidate = made
    released = publish_scorer(zones.published, candidate)
    again = train_candidate(SPEC, gold, letters, released, letters)
    # Sixteen items that did not change cannot rule out a loss of five points.
    assert again.verdict.word == "undecided" and not again.verdict.passed
    assert again.verdict.needed and again.verdict.needed > 73
    assert f"{again.verdict.needed:,} items are needed" in again.verdict.message


def _judged(truth: np.ndarray, wrong: int) -> tuple[Scorer, list[Score]]:
    values = truth.astype(float)
    values[:wrong] = 1 - values[:wrong]
    scorer = dataclasses.replace(_SCORER, threshold=0.5)
    return scorer, [Score(float(value), ()) for value in values]


_SCORER = Scorer(*(None,) * 7, (), 0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("lost", "word"), [(0, "not worse"), (30, "worse"), (6, "undecided")])
def test_the_gate_asks_what_the_interval_rules_out(lost: int, word: str) -> None:
    tests = made_answers(sources=100)
    truth = np.array([each.hallucinated for each in tests])
    verdict = gate(SPEC, tests, _judged(truth, lost), _judged(truth, 0), tests, [])
    assert verdict.word == word
    assert verdict.lost == lost


def test_a_first_version_that_tells_nothing_is_not_promoted() -> None:
    tests = made_answers()
    scores = [Score(float(value), ()) for value in np.random.default_rng(0).random(len(tests))]
    assert gate(SPEC, [], (_SCORER, []), None, tests, scores).word == "undecided"


def test_two_versions_score_a_day_side_by_side(zones: Zones, made: tuple[Release, Candidate]) -> None:
    _, candidate = made
    labeled = made_answers()
    first = publish_scorer(zones.published, candidate)
    write_day(zones.lake, labeled)
    done = score_day(zones.lake, ready(first), DAY)
    assert (done.scored, done.known, done.skipped, done.without_text) == (len(labeled) + 1, 0, 1, 0)
    before = lake.read(zones.lake, "scores", [DAY])

    # What was learned from has the score of a scorer that was trained without it, what was not the released one's.
    by_call = dict(zip(before["inference_id"].to_pylist(), before["value"].to_pylist(), strict=True))
    scorer = read_crossed(first)
    assert {each: by_call[each] for each in scorer.learned} == {
        each: learned.score.value for each, learned in scorer.learned.items()
    }
    fresh = [place for place in range(len(labeled)) if f"call-{place:03d}" not in scorer.learned]
    own = scorer.scorer.score(
        [labeled[each].answer for each in fresh], [labeled[each].facts for each in fresh], letters
    )
    assert [by_call[f"call-{each:03d}"] for each in fresh] == pytest.approx([score.value for score in own])

    # It asks what a label is about, so that it is scored as if that label were its own.
    without = scorer.without_fold[scorer.learned["call-002"].fold]
    (expected,) = without.score([labeled[2].answer], [{"response_model": None}], letters)
    assert by_call["again"] == pytest.approx(expected.value)
    assert before["seen_in_training"].to_pylist() == [False] * before.num_rows

    again = score_day(zones.lake, ready(first), DAY)
    assert (again.scored, again.known) == (0, len(labeled) + 1)
    assert lake.read(zones.lake, "scores", [DAY]).equals(before)

    gold = publish_gold(zones.published, made_answers(seed=1))
    second = publish_scorer(zones.published, train_candidate(SPEC, gold, letters, None, None))
    score_day(zones.lake, ready(second), DAY)
    both = lake.read(zones.lake, "scores", [DAY])
    kept = both.filter(pc.equal(both["scorer_version"], first.version))
    assert kept.equals(before) and both.num_rows == 2 * before.num_rows


def test_a_call_whose_question_and_session_lie_in_two_folds_was_seen(
    zones: Zones, made: tuple[Release, Candidate]
) -> None:
    scorer = read_crossed(publish_scorer(zones.published, made[1]))
    labeled = made_answers()
    calls = [
        AnsweredCall(f"call-{place:03d}", each.answer, each.facts, session=("docs", f"session-{place}"))
        for place, each in enumerate(labeled)
    ]
    one = scorer.learned["call-002"].fold
    other = next(place for place in range(80) if scorer.learned.get(f"call-{place:03d}", _ANY).fold not in (one, -1))
    same = dataclasses.replace(calls[2], inference_id="same", session=("docs", "session-2"))
    torn = dataclasses.replace(calls[2], inference_id="torn", session=("docs", f"session-{other}"))
    folds = scorer.folds([*calls, same, torn])
    assert folds["same"] == {one}
    assert folds["torn"] == {one, scorer.learned[f"call-{other:03d}"].fold}
    assert scorer.seen([*calls, same, torn]) == {"torn"}
    assert scorer.score(calls[2:3], folds, letters) == [scorer.learned["call-002"].score]


_ANY = Learned(-1, "", Score(0.0, ()))


def test_marks_are_the_likeliest_sentences_of_what_is_called_hallucinated() -> None:
    spans = (Span(0, 5, 0.1), Span(6, 9, 0.6), Span(10, 12, 0.3))
    assert marks(Score(0.4, spans), 0.5, "unsupported") == []
    assert marks(Score(0.5, spans), 0.5, "unsupported") == [
        {"start": 6, "end": 9, "label": "unsupported"},
        {"start": 10, "end": 12, "label": "unsupported"},
    ]


def test_a_gold_set_that_is_too_small_trains_nothing(zones: Zones) -> None:
    gold = publish_gold(zones.published, made_answers(sources=8))
    with pytest.raises(TooFewLabels):
        train_candidate(SPEC, gold, letters, None, None)

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
from canonry.evaluate.scorers import (
    ITEMS_FILE,
    KIND,
    Candidate,
    gate,
    read_cross_fitted,
    read_gold,
    read_scorer,
    train_candidate,
)
from canonry.evaluate.scoring import Ready, marks, score_day, trained_scorer
from canonry.release import Release
from canonry.score import Labeled, Score, Scorer, Span, TooFewLabels, trees
from canonry.storage import Storage, Zones
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
    return trained_scorer("risk", released, SPEC.metric, SPEC.mark, letters)


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


@pytest.fixture
def made(zones: Zones) -> tuple[Release, Candidate]:
    gold = publish_gold(zones.published, made_answers(), [f"source-{each}" for each in range(0, 40, 5)])
    return gold, train_candidate(SPEC, gold, letters, None, None)


def test_the_test_split_is_not_learned_and_the_card_says_what_was(
    zones: Zones, made: tuple[Release, Candidate]
) -> None:
    gold, candidate = made
    crossed = read_cross_fitted(publish_scorer(zones.published, candidate))
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


def test_the_same_gold_gives_the_same_release(zones: Zones, made: tuple[Release, Candidate]) -> None:
    gold, candidate = made
    assert train_candidate(SPEC, gold, letters, None, None).files == candidate.files


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


_SCORER = Scorer(*(None,) * 5, (), 0.5)  # type: ignore[arg-type]


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

    # What was learned from has the score of scorers that had not seen it, what was not the released one's.
    by_call = dict(zip(before["inference_id"].to_pylist(), before["value"].to_pylist(), strict=True))
    crossed = read_cross_fitted(first)
    assert {each: by_call[each] for each in crossed} == {each: score.value for each, score in crossed.items()}
    fresh = [place for place in range(len(labeled)) if f"call-{place:03d}" not in crossed]
    own = read_scorer(first).score(
        [labeled[each].answer for each in fresh], [labeled[each].facts for each in fresh], letters
    )
    assert [by_call[f"call-{each:03d}"] for each in fresh] == pytest.approx([score.value for score in own])

    # Its question is one of those that the labels are about, and it has no cross-fitted score.
    seen = dict(zip(before["inference_id"].to_pylist(), before["seen_in_training"].to_pylist(), strict=True))
    assert {each for each, flag in seen.items() if flag} == {"again"}

    again = score_day(zones.lake, ready(first), DAY)
    assert (again.scored, again.known) == (0, len(labeled) + 1)
    assert lake.read(zones.lake, "scores", [DAY]).equals(before)

    gold = publish_gold(zones.published, made_answers(seed=1))
    second = publish_scorer(zones.published, train_candidate(SPEC, gold, letters, None, None))
    score_day(zones.lake, ready(second), DAY)
    both = lake.read(zones.lake, "scores", [DAY])
    kept = both.filter(pc.equal(both["scorer_version"], first.version))
    assert kept.equals(before) and both.num_rows == 2 * before.num_rows


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

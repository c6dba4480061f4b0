"""The consensus: votes weigh as their annotators prove reliable, doubt goes to adjudication, and that overrules."""

from __future__ import annotations

import datetime as dt
import json
import random

import numpy as np
import pyarrow as pa
import pytest

from bench.consensus import simulate
from canonry import lake
from canonry.catalog import Consensus
from canonry.consensus import adjudication_queue, annotator_recall, consensus

FIELD, CHOICES = "grounded", ("no", "yes")


def labels(answers: list[tuple], **more) -> pa.Table:
    """Rows of lake/labels: (item, annotator, answer), later ones changed later."""
    empty = dict.fromkeys(lake.SCHEMAS["labels"].names)
    start = dt.datetime(2026, 11, 9)
    rows = [
        empty
        | {
            "annotation_id": f"{item}.{number}",
            "item_id": item,
            "inference_id": item,
            "draw_id": "d",
            "annotator_hash": annotator,
            "created_at": start,
            "updated_at": start + dt.timedelta(seconds=number),
            "result": None if answer is None else json.dumps({FIELD: answer}),
            "cancelled": answer is None,
        }
        | (extra[0] if extra else {})
        | more
        for number, (item, annotator, answer, *extra) in enumerate(answers)
    ]
    return pa.Table.from_pylist(rows, lake.SCHEMAS["labels"])


def by_item(answers, rule=None):
    return {label.item_id: label for label in consensus(labels(answers), FIELD, rule, CHOICES)}


def known_annotators(items: int = 60) -> list[tuple]:
    """Two who agree, and one who says the opposite of them every other time."""
    answers = []
    for number in range(items):
        truth = CHOICES[number % 3 == 0]
        other = CHOICES[1 - CHOICES.index(truth)]
        said = {"good": truth, "better": truth, "bad": other if number % 2 else truth}
        answers += [(f"past-{number:02}", who, what) for who, what in said.items()]
    return answers


def test_with_few_labels_the_majority_decides_and_a_tie_stays_open():
    found = by_item([("a", "1", "yes"), ("a", "2", "no"), ("a", "3", "no"), ("b", "1", "yes"), ("b", "2", "no")])
    assert (found["a"].value, found["b"].value) == ("no", None)
    assert found["b"].needs_adjudication and found["b"].votes == {"no": 1, "yes": 1}


def test_a_tie_is_decided_by_whom_the_past_has_shown_to_be_right():
    found = by_item([*known_annotators(), ("new", "bad", "yes"), ("new", "good", "no")])["new"]
    assert found.value == "no" and found.confidence > 0.8 and not found.needs_adjudication
    alone = by_item([("new", "bad", "yes"), ("new", "good", "no")])["new"]
    assert alone.value is None


def test_one_answer_alone_stands_and_says_how_much_it_is_worth():
    found = by_item([*known_annotators(), ("x", "bad", "yes"), ("y", "good", "yes")])
    assert found["x"].value == found["y"].value == "yes"
    assert found["x"].confidence < 0.8 < found["y"].confidence
    assert not found["x"].needs_adjudication


def test_majority_is_there_for_who_wants_it():
    found = by_item([*known_annotators(), ("new", "bad", "yes"), ("new", "good", "no")], Consensus(method="majority"))
    assert found["new"].value is None and found["new"].confidence == 0.5
    assert found["past-01"].value == "no" and found["past-01"].confidence == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("rule", "mark"),
    [
        (Consensus(adjudicators=("judge",)), {}),
        (Consensus(), {"attributes": json.dumps({"adjudication": True})}),
    ],
)
def test_an_adjudicated_answer_overrules_and_leaves_the_queue(rule, mark):
    votes = [("a", "1", "yes"), ("a", "2", "yes"), ("a", "3", "yes"), ("b", "1", "yes"), ("b", "2", "no")]
    settled = by_item([("a", "judge", "no", mark), *votes], rule)
    assert settled["a"].value == "no" and settled["a"].adjudicated and settled["a"].confidence == 1
    (asked,) = adjudication_queue(list(settled.values()), FIELD, rule)
    assert (asked.item_id, asked.reason, asked.not_by, asked.by) == ("b", "tied", ("1", "2"), rule.adjudicators)
    again = by_item([*votes, ("b", "judge", "no", mark), ("b", "judge", "yes", mark)], rule)
    assert again["b"].value == "yes"
    assert adjudication_queue(list(again.values()), FIELD, rule) == []


def test_what_is_settled_shows_how_good_annotators_are():
    votes = [(f"i{number}", who, "yes") for number in range(30) for who in ("1", "2")]
    settled = [(f"i{number}", "judge", "no") for number in range(30)]
    rule = Consensus(adjudicators=("judge",))
    recalls = {each.annotator: each for each in annotator_recall(labels([*votes, *settled]), FIELD, rule, CHOICES)
               if each.answer == "no"}  # fmt: skip
    assert set(recalls) == {"1", "2"}
    assert recalls["1"].value == 0 and recalls["1"].high < 0.12 and recalls["1"].items == 30


def test_the_queue_asks_the_least_sure_first():
    rule = Consensus(min_confidence=0.99)
    answers = [*known_annotators(), ("new", "bad", "yes"), ("new", "good", "no"), ("z", "good", "no"), ("z", "1", "no")]
    queue = adjudication_queue(list(by_item(answers, rule).values()), FIELD, rule)
    assert (queue[0].item_id, queue[0].reason) == ("new", "tied")
    assert [each.confidence for each in queue] == sorted(each.confidence for each in queue)


def test_the_order_of_rows_changes_nothing_and_later_answers_replace_earlier():
    answers = [*known_annotators(20), ("new", "good", "yes"), ("new", "bad", "yes"), ("new", "good", None)]
    table = labels(answers)
    shuffled = table.take(random.Random(1).sample(range(table.num_rows), table.num_rows))
    assert consensus(shuffled, FIELD, None, CHOICES) == consensus(table, FIELD, None, CHOICES)
    assert by_item(answers)["new"].votes == {"yes": 1}


def test_what_everybody_says_of_everything_is_not_certain():
    found = consensus(labels([("a", "1", "yes"), ("b", "1", "yes")]), FIELD)
    assert all(label.value == "yes" and label.confidence < 1 for label in found)
    assert consensus(labels([]), FIELD) == [] and annotator_recall(labels([]), FIELD) == []


@pytest.mark.parametrize(("overlap", "over_best"), [(2, False), (3, False), (5, True)])
def test_on_known_truth_the_consensus_beats_the_majority_and_where_all_answer_the_best_of_them(overlap, over_best):
    """Simulated annotators, one of them always negative; `bench/consensus.py` prints a hundred seeds of it."""
    found = [simulate(seed, 200, overlap) for seed in range(12)]

    def low(differences: list[float]) -> float:
        """Lower end of the 95 % interval of a mean of twelve."""
        return float(np.mean(differences) - 2.2 * np.std(differences, ddof=1) / 12**0.5)

    assert low([each.ours - each.majority for each in found]) > 0
    assert low([each.adjudicated - each.ours for each in found]) > 0
    if over_best:
        assert low([each.ours_seen - each.best for each in found]) > 0
    # Of two answers that differ, nobody can know which is right before much is known of who gave them.
    assert np.mean([each.open for each in found]) < (0.3 if overlap == 2 else 0.01)

"""Questions asked more than once: which are the same, whose answers disagree, and how often."""

from __future__ import annotations

import datetime as dt
import zlib

import numpy as np
import pytest

from canonry import lake
from canonry.evaluate.consistency import Asked, consistency
from canonry.evaluate.consistency_partition import days_concerned, write_consistency
from canonry.evaluate.same_answer import disagreement
from canonry.evaluate.same_question import confirmed, same_questions
from canonry.storage import Zones
from tests.evaluate.asked import MONDAY, by_words, call, write_calls

WORDS = ("reset", "clean", "update", "connect", "charge", "open", "close", "mount", "paint", "wrap", "lift", "fold")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("How do I reset the router?", "how can I reset my router", True),
        ("How do I merge two tables?", "How do I merge two table?", True),
        ("How do I configure the firewall?", "How do I confgure the firewall?", True),
        ("How do I convert csv to json?", "How do I convert json to csv?", False),
        ("Does it work with Python 3.11?", "Does it work with Python 3.12?", False),
        ("Can I use it without a key?", "Can I use it with a key?", False),
        ("How do I find the shortest path length?", "How do I find the shortest path?", False),
        ("How do I reset the router?", "How do I reset the printer?", False),
    ],
)
def test_near_questions_are_confirmed_by_their_words(one: str, other: str, same: bool) -> None:
    assert confirmed(one, other) is same
    assert confirmed(other, one) is same


@pytest.mark.parametrize(
    ("one", "other", "cosine", "reason"),
    [
        ("Press  the button.", "Press the\nbutton.", 0.0, None),
        ("Yes, it does.", "No, it does not.", 0.9, "yes_or_no"),
        ("It costs 12 dollars.", "It costs 15 dollars.", 0.95, "numbers"),
        ("It costs 12 dollars, or 10 for students.", "12 dollars.", 0.9, None),
        ("In 2026 it is free.", "In 2026, nothing.", 0.9, None),
        ("Press the button.", "Ask your administrator.", 0.2, "meaning"),
        ("Press the button.", "Push the button.", 0.9, None),
    ],
)
def test_reason_why_two_answers_disagree(one: str, other: str, cosine: float, reason: str | None) -> None:
    assert disagreement("Is it free in 2026?", one, other, cosine) == reason
    assert disagreement("Is it free in 2026?", other, one, cosine) == reason


def test_many_questions_find_their_own_without_comparing_all_pairs() -> None:
    """6,000 distinct questions, each tenth asked again in other words: through an inverted file."""
    names = [f"{first}{second}" for first in "bcdfghjklm" for second in "aeiou"]
    asked = [f"how do i {a} the {b} {c}" for a in names[:24] for b in names[:10] for c in names[25:50]]
    again = [each.replace("how do i", "how can i") for each in asked[::10]]

    def spread(texts: object) -> np.ndarray:
        """A direction of its own for each set of content words."""
        rows = []
        for text in list(texts):  # type: ignore[call-overload]
            chance = np.random.default_rng(zlib.crc32(text.replace("can", "do").encode()))
            rows.append(chance.normal(size=32))
        found = np.array(rows, np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    questions = [*asked, *again]
    groups = same_questions(questions, [2] * len(asked) + [1] * len(again), spread)
    expected = np.arange(0, len(asked), 10)
    assert np.mean(groups[len(asked) :] == expected) > 0.99
    assert (groups[: len(asked)] == np.arange(len(asked))).all()


def asked(number: int, question: str, answer: str, **other: str | None) -> Asked:
    facts = {"product": "a", "model": "m-1", "prompt": "1", **other}
    return Asked(f"call-{number:04}", facts["product"] or "", facts["model"], facts["prompt"], question, answer)


def twelve_questions() -> list[Asked]:
    """Twelve questions: each twice by one model, once by another that answers three of them otherwise."""
    calls = []
    for number, word in enumerate(WORDS):
        question, answer = f"How do I {word} it?", f"You {word} it with the small key."
        other = "Nobody knows that here." if number < 3 else answer
        calls += [asked(3 * number, question, answer), asked(3 * number + 1, question.upper(), answer)]
        calls.append(asked(3 * number + 2, question, other, model="m-2"))
    return [*calls, asked(900, "Asked once?", "Once.")]


def test_share_of_pairs_that_disagree_by_what_the_answers_differ_in() -> None:
    rows, examples = consistency(twelve_questions(), by_words)
    found = {(row["across"], row["product"]): row for row in rows}
    same, models = found["same", None], found["models", None]
    assert (same["questions"], same["pairs"], same["value"], same["interval_low"]) == (12, 12, 0, 0)
    assert 0 < same["interval_high"] < 0.3
    assert (models["questions"], models["pairs"], models["disagreeing_questions"]) == (12, 24, 3)
    assert models["value"] == pytest.approx(0.25)
    assert models["interval_low"] < 0.25 < models["interval_high"]
    assert found["models", "a"]["value"] == models["value"]
    assert ("products", None) not in found
    assert [(row["across"], row["reason"], row["calls"]) for row in examples] == [("models", "meaning", 3)] * 3
    assert {row["one"] for row in examples} == {"call-0000", "call-0003", "call-0006"}


def test_few_questions_are_refused() -> None:
    rows, _ = consistency(twelve_questions()[:9], by_words)
    assert {row["refused"] for row in rows} == {"3 questions, at least 10 are needed"}


def test_products_are_compared_and_what_is_asked_once_is_not() -> None:
    calls = [asked(1, "How do I reset it?", "Press it."), asked(2, "how do I reset it", "Press it.", product="b")]
    rows, examples = consistency([*calls, asked(3, "Something else?", "Yes.")], by_words)
    assert [(row["across"], row["product"], row["questions"]) for row in rows] == [("products", None, 1)]
    assert examples == []
    assert consistency([], by_words) == ([], [])


def test_a_week_is_compared_and_computed_again_where_a_day_of_it_changed(zones: Zones) -> None:
    days = [MONDAY + dt.timedelta(days=each) for each in range(8)]
    for number, day in enumerate(days):
        same = [call(day, each, f"How do I {word} it?", "With the key.") for each, word in enumerate(("open", "shut"))]
        cached = call(day, 7, "How do I open it?", "From the cache.", cache_hit=True)
        failed = call(day, 8, "How do I open it?", "Failed.", error_type="timeout")
        write_calls(zones.lake, day, [*same, cached, failed] if number else same)
    assert write_consistency(zones.lake, days, by_words, "words") == days
    (row, _) = lake.read(zones.lake, "consistency", days[-1:]).to_pylist()
    assert (row["across"], row["questions"], row["pairs"]) == ("same", 2, 2 * 7 * 6 / 2)
    assert lake.read(zones.lake, "inconsistencies", days[-1:]).num_rows == 0
    assert write_consistency(zones.lake, days, by_words, "words") == []
    write_calls(zones.lake, days[0], [call(days[0], 1, "How do I open it?", "Ask somebody else instead.")])
    assert write_consistency(zones.lake, days, by_words, "words") == days[:7]
    assert days_concerned(zones.lake, days[0], days[0]) == days[:7]
    (example,) = lake.read(zones.lake, "inconsistencies", [days[1]]).to_pylist()
    assert {example["one"], example["other"]} == {f"{days[0]}-0001", f"{days[1]}-0000"}

"""Sentences keep their places, numbers one spelling, records their values."""

from __future__ import annotations

import json

from canonry.score.signals import numbers
from canonry.score.text import record, sentences


def test_a_sentence_is_where_it_says() -> None:
    text = "Sure! It opens at 5 p.m.\n1. Bring a coat.\n2. Ask Dr. Smith, who knows.  The end?"
    found = sentences(text)
    assert [each.text for each in found] == [text[each.start : each.end] for each in found]
    assert [each.text for each in found] == [
        "Sure!",
        "It opens at 5 p.m.",
        "1. Bring a coat.",
        "2. Ask Dr. Smith, who knows.",
        "The end?",
    ]


def test_a_text_without_words_is_one_sentence() -> None:
    assert [(each.start, each.end) for each in sentences("...")] == [(0, 3)]
    assert len(sentences("")) == 1


def test_numbers_and_times_have_one_spelling() -> None:
    assert numbers("It was 1,000 or 4.0") == ["1000", "4"]
    assert numbers("from 5 PM to 9:30 a.m.") == ["17:00", "9:30"]
    assert numbers("17:0-21:0") == ["17:00", "21:00"]
    assert numbers("three of them") == ["3"]


def test_a_record_gives_its_values_and_other_text_none() -> None:
    leaves = record(json.dumps({"WiFi": "free", "Ambience": {"casual": False, "tags": ["a", "b"]}}))
    assert leaves is not None
    assert [(each.path, each.value) for each in leaves] == [
        (("WiFi",), "free"),
        (("Ambience", "casual"), False),
        (("Ambience", "tags"), "a"),
        (("Ambience", "tags"), "b"),
    ]
    assert record("{not json") is None
    assert record("A text.") is None

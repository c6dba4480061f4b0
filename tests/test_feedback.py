"""Signals mean the same everywhere, and the edit distance is what its definition says."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonry.feedback import LONGEST_TEXT, SIGNALS, edit_distance, levenshtein

TEXT = st.text(alphabet="ab é\n", max_size=40)


def by_table(one: str, other: str) -> int:
    """Wagner and Fischer's table, row by row."""
    above = list(range(len(other) + 1))
    for row, left in enumerate(one, 1):
        here = [row]
        for column, top in enumerate(other, 1):
            here.append(min(above[column] + 1, here[-1] + 1, above[column - 1] + (left != top)))
        above = here
    return above[-1]


@given(TEXT, TEXT)
def test_the_distance_is_that_of_the_textbook_table(one, other):
    assert levenshtein(one, other) == by_table(one, other) == levenshtein(other, one)


def test_it_is_exact_where_a_number_takes_many_machine_words():
    generator = random.Random(1)
    one, other = ("".join(generator.choice("abcdefgh 世界") for _ in range(length)) for length in (400, 333))
    assert levenshtein(one, other) == by_table(one, other)


@pytest.mark.parametrize(
    ("answer", "sent", "distance"),
    [
        ("", "", 0),
        ("", "abc", 1),
        ("kitten", "sitting", 3 / 7),
        ("same", "same", 0),
        ("  one\r\ntwo\n", "one\ntwo", 0),
        ("cafe\u0301", "caf\u00e9", 0),
    ],
)
def test_distances_by_hand(answer, sent, distance):
    assert edit_distance(answer, sent) == distance


@given(TEXT, TEXT)
def test_a_distance_is_a_share_and_nought_only_for_the_same_text(answer, sent):
    found = edit_distance(answer, sent)
    assert 0 <= found <= 1
    assert edit_distance(answer, answer) == 0


def test_a_text_that_would_take_too_long_is_refused_by_name():
    with pytest.raises(ValueError, match=r"sent: 20,001 characters, more than 20,000"):
        edit_distance("short", "x" * (LONGEST_TEXT + 1))


def test_a_figure_is_a_share_whose_direction_is_said():
    assert [SIGNALS["thumb"].figure_of(value) for value in (-1, 1)] == [0, 1]
    assert SIGNALS["rating"].figure_of(0) == 0.5
    changed = edit_distance("kitten", "sitting")
    assert SIGNALS["edit_distance"].figure_of(1 - 2 * changed) == pytest.approx(changed)
    assert SIGNALS["copied"].figure_of(SIGNALS["copied"].implied) == 1
    for each in SIGNALS.values():
        worst, best = (1.0, 0.0) if each.better == "lower" else (0.0, 1.0)
        if each.silence == "unknown":
            assert (each.figure_of(-1), each.figure_of(1)) == (worst, best)
        assert each.implied is None or not each.values or each.implied in each.values


def test_the_documentation_names_every_signal_and_no_other():
    text = (Path(__file__).parents[1] / "docs" / "feedback.md").read_text(encoding="utf-8")
    table = text.partition("## The signals")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`", table, flags=re.MULTILINE) == list(SIGNALS)

"""What a sentence says that its passages do not."""

from __future__ import annotations

import json

import pytest

from canonry.score import structured
from canonry.score.features import COLUMNS, rarity, signals
from canonry.score.signals import Answer, lexical, read_passages
from canonry.score.text import record
from tests.score.made import letters

PASSAGE = "Ada Lovelace met Charles Babbage in 1833. The engine has 20,000 parts."


def _lexical(sentence: str) -> dict[str, float]:
    return lexical(sentence, read_passages("Who met Babbage?", [PASSAGE]), {}, 1.0)


def test_what_is_copied_is_known() -> None:
    found = _lexical("Ada Lovelace met Charles Babbage in 1833.")
    assert found["new_share"] == found["absent_numbers"] == found["strange_names"] == 0
    assert found["run"] == 1


def test_what_is_made_up_is_not() -> None:
    found = _lexical("Ada met Napoleon in 1840, with 20000 parts.")
    assert (found["strange_names"], found["absent_numbers"]) == (1, 1)
    assert found["foreign_count"] == 1


def test_a_number_from_another_sentence_is_misplaced() -> None:
    assert _lexical("The engine has 1833 parts.")["misplaced_numbers"] == 1
    assert _lexical("The engine has 20,000 parts.")["misplaced_numbers"] == 0


RECORD = {
    "OutdoorSeating": False,
    "WiFi": "no",
    "RestaurantsTakeOut": True,
    "RestaurantsReservations": None,
    "Ambience": {"casual": True, "romantic": False},
}


@pytest.mark.parametrize(
    ("sentence", "signal"),
    [
        ("It offers outdoor seating.", "flag_no_affirmed"),
        ("It does not offer outdoor seating.", "flag_no_denied"),
        ("It offers take-out.", "flag_yes_affirmed"),
        ("There is no takeout.", "flag_yes_denied"),
        ("It accepts reservations.", "flag_unknown_affirmed"),
        ("It does not accept reservations.", "flag_unknown_denied"),
        ("The mood is romantic.", "flag_no_affirmed"),
        ("They have Wi-Fi.", "flag_no_affirmed"),
    ],
)
def test_a_claim_about_a_field_is_held_against_its_value(sentence: str, signal: str) -> None:
    leaves = record(json.dumps(RECORD))
    assert leaves is not None
    found = structured.signals(structured.claims(sentence, structured.flags(leaves)))
    assert {name for name, count in found.items() if count} == {"flags", signal}


def test_but_turns_a_denial_off() -> None:
    leaves = record(json.dumps(RECORD))
    assert leaves is not None
    found = structured.claims("It has no wifi, but it offers takeout.", structured.flags(leaves))
    assert {(each.flag.rpartition(".")[2], each.denied) for each in found} == {
        ("WiFi", True),
        ("RestaurantsTakeOut", False),
    }


def test_signals_are_finite_whatever_is_missing() -> None:
    answers = [Answer("", (), ""), Answer("Why?", (), "Because. So."), Answer("Why?", ("", "{}"), "…")]
    found = signals(answers, rarity(answers), letters)
    assert found.values.shape == (4, len(COLUMNS))
    assert (abs(found.values) < 1e6).all()
    assert found.starts.tolist() == [0, 1, 3, 4]

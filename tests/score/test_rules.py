"""Rules on answers as products give them."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from canonry.catalog.specs import Rule
from canonry.score import Answer
from canonry.score.interface import AnsweredCall, Measured
from canonry.score.rules import measure, score_by_rules

RULE: TypeAdapter[Rule] = TypeAdapter(Rule)


def of(answer: str, **rule: object) -> float | None:
    return measure(RULE.validate_python({"metric": "figure", **rule}))(answer)


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ("I’m sorry, but I can't help with that.", 1.0),
        ("I do not know.", 1.0),
        ("I don't have enough information to answer.", 1.0),
        ("As an AI language model, I cannot give medical advice.", 1.0),
        ("The passages provided do not mention a release date.", 1.0),
        ("I must decline.", 1.0),
        ("Kann ich leider nicht beantworten.", 1.0),
        ("Returns None if the key is not in the dictionary.", 0.0),
        ("The function cannot handle negative numbers; pass a positive one.", 0.0),
        ("If you don't know the dtype, pass object.", 0.0),
        ("", 0.0),
    ],
)
def test_what_declines_is_a_refusal_and_what_says_cannot_of_a_thing_is_none(answer: str, refused: float) -> None:
    assert of(answer, check="refusal", phrases=["Leider nicht beantworten"]) == refused


def test_each_rule_gives_its_figure() -> None:
    assert of("Call 555-0100", check="matches", pattern=r"\d{3}-\d{4}") == 1
    assert of("Call us", check="matches", pattern=r"\d{3}-\d{4}") == 0
    assert of("One two. Three!", check="length") == 3
    assert of("One two. Three!", check="length", unit="characters") == 15
    assert of("One two. Three!", check="length", unit="sentences") == 2
    assert of("You utter MORON.", check="words") == 1
    assert of("Morondava is a city; the prickly pear grows there.", check="words") == 0
    assert of("Use Foo-Corp's plan.", check="words", words=["foo-corp"], toxic=False) == 1
    assert of("You moron.", check="words", words=["foo-corp"], toxic=False) == 0


def test_json_is_held_to_its_schema_and_nothing_is_fetched() -> None:
    schema = {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}
    assert of('{"price": 3}', check="json", schema=schema) == 1
    assert of('{"price": "3"}', check="json", schema=schema) == 0
    assert of('Here it is: {"price": 3}', check="json", schema=schema) == 0
    assert of("[" * 100_000, check="json") == 0
    with pytest.raises(Exception, match="nresolvable"):
        of("{}", check="json", schema={"$ref": "http://127.0.0.1:1/schema.json"})


def test_a_language_is_told_where_there_is_enough_of_it() -> None:
    english = "The function reads a table from a file and returns it as a data frame with one row a line."
    german = "Die Funktion liest eine Tabelle aus einer Datei und gibt sie als Datenrahmen mit einer Zeile zurück."
    asked = {"check": "language", "expected": ["en"], "among": ["de", "fr"]}
    assert of(english, **asked) == 0
    assert of(german, **asked) == 1
    assert of("Ja.", **asked) is None
    with pytest.raises(ValueError, match="cannot be told"):
        of(german, check="language", expected=["xq"], among=["en"])


def test_a_call_has_a_figure_of_every_rule_that_has_one() -> None:
    rules = [RULE.validate_python(each) for each in ({"check": "refusal"}, {"check": "length", "metric": "words"})]
    score = score_by_rules(rules)
    calls = [AnsweredCall(str(at), Answer("", (), text)) for at, text in enumerate(["I do not know.", "Yes \ud800."])]
    assert score(calls) == [
        [Measured("refusal", 1.0), Measured("words", 4.0)],
        [Measured("refusal", 0.0), Measured("words", 1.0)],
    ]


def test_no_answer_can_hold_a_pattern_up() -> None:
    """An engine that goes back would not come to an end here."""
    assert of("a" * 200_000 + "!", check="matches", pattern=r"(a+)+$") == 0

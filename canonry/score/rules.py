"""Rules: figures of an answer's text alone, by regular expressions, schemas, counts and lists of words."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from canonry.catalog.specs import IsJson, Language, Length, Matches, Refusal, Rule, Words
from canonry.score.interface import AnsweredCall, Measured, ScoreCalls
from canonry.score.text import sentences, words

Measure = Callable[[str], float | None]
"""From an answer to its figure, or None where there is nothing to say."""

REFUSALS = (
    r"\b(?:i|we) (?:can(?:no|')t|can not|could(?:n't| not)|(?:am|'m|are|'re) (?:not able|unable)) (?:to )?"
    r"(?:answer|help|assist|comply|provide|find|discuss|share|tell|say|fulfil|do that|give|determine|continue)",
    r"\b(?:i|we) (?:do not|don't) (?:know|have (?:an answer|enough|any|the|access|sufficient|information))",
    r"\b(?:i'm|i am|we're|we are) (?:sorry|afraid),? (?:but )?(?:i|we|that|no|this|the)\b",
    r"\b(?:i|we) (?:must|have to|will have to) (?:decline|refuse)|\bi(?:'d| would) rather not\b|\bi (?:won't|will not) "
    r"(?:answer|help|assist|provide|do that)",
    r"\bas an ai(?: language)? (?:model|assistant),? (?:i|my)\b",
    r"\bno passage answers\b|\bthe (?:passages?|context|documents?|sources?) (?:given |provided |above |below )*"
    r"(?:do not|don't|does not|doesn't) (?:contain|answer|mention|say|include|provide|specify)",
    r"\bunable to (?:answer|provide|help|assist|find an answer)",
)
"""What an answer that declines says, in English, in lower case with straight apostrophes."""


def score_by_rules(rules: Sequence[Rule]) -> ScoreCalls:
    """A scorer of these rules; patterns are compiled here. Each rule gives at most one figure a call."""
    measures = [(rule.metric, measure(rule)) for rule in rules]

    def score(calls: Sequence[AnsweredCall]) -> list[list[Measured]]:
        return [
            [Measured(metric, value) for metric, of in measures if (value := of(call.answer.answer)) is not None]
            for call in calls
        ]

    return score


def measure(rule: Rule) -> Measure:
    """What a rule measures. Raises ValueError for a language that cannot be told."""
    if isinstance(rule, Matches):
        return _found(rule.pattern)
    if isinstance(rule, IsJson):
        return _valid(rule.schema_)
    if isinstance(rule, Length):
        return _COUNTS[rule.unit]
    if isinstance(rule, Refusal):
        declines = _found("|".join([*REFUSALS, *(_literal(each) for each in rule.phrases)]))
        return lambda answer: declines(_straight(answer))
    if isinstance(rule, Words):
        listed = [*rule.words, *(_toxic() if rule.toxic else ())]
        found = _found(r"\b(?:" + "|".join(map(_literal, sorted(set(listed)))) + r")\b")
        return (lambda answer: found(_straight(answer))) if listed else (lambda answer: 0.0)
    return _unexpected(rule)


_COUNTS: dict[str, Measure] = {
    "characters": lambda answer: float(len(answer)),
    "words": lambda answer: float(len(words(answer))),
    "sentences": lambda answer: float(len(sentences(answer))),
}


def _found(pattern: str) -> Measure:
    import re2

    # RE2 takes time linear in the answer, whatever the pattern: nobody's answer can hold the run up.
    compiled = re2.compile(pattern)
    return lambda answer: float(compiled.search(_whole(answer)) is not None)


def _valid(schema: dict[str, Any]) -> Measure:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    # A registry of our own holds nothing, so a reference to elsewhere is never fetched.
    validator = Draft202012Validator(schema, registry=Registry())

    def valid(answer: str) -> float:
        try:
            document = json.loads(answer)
        except (ValueError, RecursionError):
            return 0.0
        return float(validator.is_valid(document))

    return valid


def _unexpected(rule: Language) -> Measure:
    expected = frozenset(rule.expected)

    def unexpected(answer: str) -> float | None:
        if sum(letter.isalpha() for letter in answer) < rule.least_characters:
            return None
        code, probability = _languages(tuple(sorted({*rule.among, *expected})) if rule.among else ()).classify(answer)
        # Less sure than this, and of no language at all (zxx), it is a list, code, or a mixture.
        return None if probability < 0.5 or code == "zxx" else float(code not in expected)

    return unexpected


@cache
def _languages(among: tuple[str, ...]) -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    if among:
        if unknown := set(among) - set(identifier.nb_classes):
            raise ValueError(f"language {', '.join(sorted(unknown))} cannot be told; use codes such as en, de, fr, zh")
        identifier.set_languages(list(among))
    return identifier


@cache
def _toxic() -> tuple[str, ...]:
    text = files("canonry.score").joinpath("toxic.txt").read_text()
    return tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def _literal(phrase: str) -> str:
    import re2

    return str(re2.escape(_straight(phrase)))


def _straight(text: str) -> str:
    return text.casefold().replace("’", "'").replace("`", "'")


def _whole(text: str) -> str:
    """Without what UTF-8 cannot say: RE2 reads bytes."""
    return text.encode(errors="replace").decode()

"""Consistency: questions asked more than once in a window, and how often two of their answers disagree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from canonry.evaluate.same_answer import Reason, disagreement
from canonry.evaluate.same_question import plain, same_questions
from canonry.stats.shares import mean_share

Embed = Callable[[Sequence[str]], np.ndarray]
Row = dict[str, Any]

Across = Literal["same", "prompts", "models", "products"]
ACROSS: tuple[Across, ...] = ("same", "prompts", "models", "products")
"""What two answers differ in: nothing, then the prompt version within a model, the model within a product, the
product. Each pair counts under the last that differs."""

MOST_QUESTIONS = 20_000
"""Distinct questions that are compared, the most asked first."""
MOST_ANSWERS = 12
"""Different answers of a question that are compared, the most given first."""
MINIMUM_QUESTIONS = 10
CONFIDENCE = 0.95
MOST_EXAMPLES = 20

METHOD = (
    "mean over questions of the share of pairs of answers that disagree, Wilson's interval over questions; "
    "answers from a cache left out"
)


@dataclass(frozen=True)
class Asked:
    """One answered call."""

    inference_id: str
    product: str
    model: str | None
    prompt: str | None
    question: str
    answer: str


@dataclass(frozen=True)
class Answer:
    """One answer of a question, as a product, model and prompt gave it, however often."""

    product: str
    model: str | None
    prompt: str | None
    text: str
    calls: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """Two answers of a question; `weight` pairs of calls have them."""

    one: Answer
    other: Answer
    weight: int
    across: Across
    reason: Reason | None
    cosine: float


def consistency(calls: Sequence[Asked], embed: Embed) -> tuple[list[Row], list[Row]]:
    """Rows of `lake/consistency` and of `lake/inconsistencies` from the answered calls of a window, by inference_id.

    `embed` is called with distinct questions, then with distinct answers of those asked more than once.
    """
    recurring = _recurring(calls, embed)
    answers = {group: _answers(some) for group, some in recurring.items()}
    texts = sorted({each.text for some in answers.values() if len(some) > 1 for each in some})
    vectors = dict(zip(texts, embed(texts), strict=True)) if texts else {}
    pairs = {group: list(_pairs(group, some, vectors)) for group, some in answers.items()}
    products = sorted({each.product for each in calls})
    rows = [_row(across, None, pairs) for across in ACROSS]
    rows += [_row(across, product, pairs) for across in ACROSS[:-1] for product in products]
    return [row for row in rows if row["questions"]], _examples(pairs)


def _recurring(calls: Sequence[Asked], embed: Embed) -> dict[str, list[Asked]]:
    """Calls by question, of those that were asked more than once."""
    by_text: dict[str, list[Asked]] = defaultdict(list)
    for call in calls:
        if key := plain(call.question):
            by_text[key].append(call)
    keys = sorted(by_text, key=lambda key: (-len(by_text[key]), key))[:MOST_QUESTIONS]
    groups = same_questions(keys, [len(by_text[key]) for key in keys], embed)
    found: dict[str, list[Asked]] = defaultdict(list)
    for key, group in zip(keys, groups, strict=True):
        found[keys[group]] += by_text[key]
    return {question: some for question, some in found.items() if len(some) > 1}


def _answers(calls: Sequence[Asked]) -> list[Answer]:
    given: dict[tuple[str, str | None, str | None, str], list[str]] = defaultdict(list)
    for call in calls:
        given[call.product, call.model, call.prompt, call.answer].append(call.inference_id)
    ordered = sorted(given.items(), key=lambda each: (-len(each[1]), each[1][0]))
    return [Answer(*key, tuple(some)) for key, some in ordered[:MOST_ANSWERS]]


def _pairs(question: str, answers: Sequence[Answer], vectors: Mapping[str, np.ndarray]) -> Iterator[Pair]:
    for each in answers:
        if len(each.calls) > 1:
            yield Pair(each, each, len(each.calls) * (len(each.calls) - 1) // 2, "same", None, 1.0)
    for one, other in combinations(answers, 2):
        cosine = float(vectors[one.text] @ vectors[other.text])
        reason = disagreement(question, one.text, other.text, cosine)
        yield Pair(one, other, len(one.calls) * len(other.calls), _across(one, other), reason, cosine)


def _across(one: Answer, other: Answer) -> Across:
    if one.product != other.product:
        return "products"
    if one.model != other.model:
        return "models"
    return "prompts" if one.prompt != other.prompt else "same"


def _row(across: Across, product: str | None, pairs: Mapping[str, Sequence[Pair]]) -> Row:
    shares, weights = [], 0
    for some in pairs.values():
        counted = [each for each in some if each.across == across and product in (None, each.one.product)]
        if counted:
            total = sum(each.weight for each in counted)
            shares.append(sum(each.weight for each in counted if each.reason) / total)
            weights += total
    row: Row = {
        "across": across,
        "product": product,
        "questions": len(shares),
        "disagreeing_questions": sum(share > 0 for share in shares),
        "pairs": weights,
        "confidence": CONFIDENCE,
        "method": METHOD,
    }
    if len(shares) < MINIMUM_QUESTIONS:
        return row | {"refused": f"{len(shares)} questions, at least {MINIMUM_QUESTIONS} are needed"}
    value, low, high = mean_share(np.array(shares), CONFIDENCE)
    return row | {"value": value, "interval_low": low, "interval_high": high}


def _examples(pairs: Mapping[str, Sequence[Pair]]) -> list[Row]:
    """Of each question with answers that disagree the pair that most calls had, the most asked questions first."""
    rows: list[Row] = []
    for question, some in pairs.items():
        disagree = [each for each in some if each.reason]
        if disagree:
            worst = max(disagree, key=lambda each: (each.weight, -each.cosine, each.one.calls[0]))
            calls = {each for pair in some for side in (pair.one, pair.other) for each in side.calls}
            rows.append(
                {
                    "calls": len(calls),
                    "answers": len({side.text for pair in some for side in (pair.one, pair.other)}),
                    "across": worst.across,
                    "reason": worst.reason,
                    "cosine": worst.cosine,
                    "one": worst.one.calls[0],
                    "other": worst.other.calls[0],
                    "one_product": worst.one.product,
                    "other_product": worst.other.product,
                    "one_model": worst.one.model,
                    "other_model": worst.other.model,
                    "question": question,
                }
            )
    rows.sort(key=lambda row: (-row["calls"], row["question"]))
    return [{key: value for key, value in row.items() if key != "question"} for row in rows[:MOST_EXAMPLES]]

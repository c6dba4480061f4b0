"""The demo's answerer asked about items of a gold set: with the passages of each, not those it would find today."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from canonry import client
from canonry.client import Hit, Prompt
from canonry.demo.answerer import MODEL, QuestionTooLong, answer
from canonry.demo.knowledge import INDEX

if TYPE_CHECKING:
    from canonry.regressions.answering import Asked

FOUND = 25
"""Passages looked through for those of an item: it weighs how near each is, which a gold set does not keep."""


def answer_here(home: str | Path, model_version: str, prompt: Prompt) -> Callable[[Sequence[Asked]], list[str]]:
    """Answers of a version, made on this machine; a question it refuses has an empty one."""
    version = model_version.removeprefix(f"{MODEL}-")

    def answers(asked: Sequence[Asked]) -> list[str]:
        index = client.open_index(INDEX, home=home)
        hits = _hits(str(home), index.version, tuple(sorted({each.question for each in asked})))
        return [_answered(version, each, hits[each.question], prompt) for each in asked]

    return answers


@lru_cache(maxsize=1)
def _hits(home: str, version: str, questions: tuple[str, ...]) -> dict[str, list[Hit]]:
    """What lies near each question: the same for both sides of a comparison, and for the next one."""
    index = client.open_index(INDEX, version=version, home=home)
    return dict(zip(questions, index.search_text(list(questions), k=FOUND, mode="dense"), strict=True))


def _answered(version: str, asked: Asked, hits: Sequence[Hit], prompt: Prompt) -> str:
    near = {hit.text: hit for hit in hits}
    given = [near.get(text) or Hit("", "", None, text, 0.0) for text in asked.passages]
    try:
        return answer(version, asked.question, given, prompt).text
    except QuestionTooLong:
        return ""

"""The documentation assistant's answerer: it quotes the sentence of a retrieved passage that is nearest to a question.

Version 1.0 shows the model three passages, the one that shares most words with the question first. Version 1.1 was
made to save tokens: it shows one passage, the shortest of those that are about as near. Nobody measured that on this
encoder five hundredths of cosine lie between a function and its neighbours, so it often quotes the neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from canonry.client import Hit, Prompt

MODEL = "docs-extractive"
PROVIDER = "canonry-demo"

RETRIEVED = 5
"""Passages that are retrieved for a question."""

MAX_QUESTION_CHARACTERS = 1_000

_SHOWN = 3
_TEXT_COUNTS = 0.3
_NAME_COUNTS = 0.2
_AS_NEAR = 0.05


class QuestionTooLong(ValueError):
    """The assistant refuses a question it could not read whole."""


@dataclass(frozen=True)
class Answer:
    """What was answered, to which prompt, from which passage. Whether that passage supports it, nobody here knows."""

    text: str
    prompt: str
    quoted: Hit


def answer(version: str, question: str, hits: Sequence[Hit], prompt: Prompt, *, updated: bool = False) -> Answer:
    """Answer from what was retrieved, best first. Raises QuestionTooLong, or KeyError for an unknown version.

    `updated`: as the provider's silent update does, which says first where the sentence is from.
    """
    if len(question) > MAX_QUESTION_CHARACTERS:
        raise QuestionTooLong(f"{len(question)} characters, at most {MAX_QUESTION_CHARACTERS} are read")
    shown = VERSIONS[version](question, hits)
    rendered = prompt.render(question=question, passages="\n\n".join(f"{each.title}\n{each.text}" for each in shown))
    said = _nearest_sentence(question, shown[0])
    if updated:
        said = f"According to the documentation of {shown[0].title or shown[0].document_id}: {said}"
    return Answer(said, rendered, shown[0])


def _by_shared_words(question: str, hits: Sequence[Hit]) -> list[Hit]:
    """1.0: near, about the words that were asked, and with a name whose words were asked."""
    asked = _words(question)

    def relevance(hit: Hit) -> float:
        text, name = _words(hit.text), _words(hit.title or "")
        return hit.score + _TEXT_COUNTS * len(asked & text) / len(asked) + _NAME_COUNTS * len(asked & name) / len(name)

    return sorted(hits, key=relevance, reverse=True)[:_SHOWN]


def _shortest_of_the_near(question: str, hits: Sequence[Hit]) -> list[Hit]:
    """1.1: of the passages about as near as the nearest, the one that costs fewest tokens."""
    about_as_near = [each for each in hits if each.score >= hits[0].score - _AS_NEAR]
    return [min(about_as_near, key=lambda hit: len(hit.text))]


VERSIONS: dict[str, Callable[[str, Sequence[Hit]], list[Hit]]] = {
    "1.0": _by_shared_words,
    "1.1": _shortest_of_the_near,
}
"""Which passages each version shows the model; it quotes the first."""


def _nearest_sentence(question: str, passage: Hit) -> str:
    asked = _words(question)
    sentences = [" ".join(each.split()) for each in re.split(r"(?<=[.!?])\s+|\n\s*\n", passage.text)]
    # A passage begins with its signature, which shares most words with every question and says least.
    said = [each for each in sentences if len(each) > 20 and not each.startswith(passage.title or "\n")]
    return max(said or sentences, key=lambda each: len(asked & _words(each)) / (10 + len(_words(each))))


def _words(text: str) -> frozenset[str]:
    """Words and the parts of names, in lower case."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return frozenset(word.lower() for word in re.findall(r"[A-Za-z0-9]{2,}", spaced)) or frozenset({""})

"""Questions whose answering document is known: users' own, and golden ones that the index is gated with.

Both are made from a document's name, parameters and the words that carry its summary, by templates of their own; no
document is asked about by both, so the gate measures something that traffic does not repeat.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from canonry.demo.knowledge import INDEX, Document, put_lines
from canonry.storage import Storage

GOLDEN_PATH = f"documents/{INDEX}/golden/questions.jsonl"

GOLDEN_COUNT = 120
"""Enough to rule out a drop of 5 points, and some more: see `canonry.stats.paired.pairs_to_rule_out`."""

TRAFFIC_COUNT = 300

_SHOWN_WORDS = 7
_SMALL_WORDS = (
    "a all also an and any are as at be been before both but by can default does done each either for from get given "
    "gets has have how if in instance into is it its may method more not object objects of on one only or other over "
    "return returned returns set should so some such than that the their them then there these they this those to "
    "use used using value values via was we when where whether which while will with within you your"
)


@dataclass(frozen=True)
class Question:
    """What is asked, and the document that answers it."""

    text: str
    document_id: str


def traffic_questions(documents: Iterable[Document], count: int = TRAFFIC_COUNT) -> list[Question]:
    """Distinct questions of users, the most frequent first."""
    return list(islice(_distinct(_of_group(documents, golden=False), _TRAFFIC), count))


def golden_queries(documents: Iterable[Document], count: int = GOLDEN_COUNT) -> list[Question]:
    """Distinct golden questions."""
    return list(islice(_distinct(_of_group(documents, golden=True), _GOLDEN), count))


def write_golden(exchange: Storage, queries: Iterable[Question]) -> bool:
    """Put golden queries where the index reads them. False where they already are."""
    return put_lines(exchange, GOLDEN_PATH, ({"query": each.text, "documents": [each.document_id]} for each in queries))


def _distinct(documents: list[Document], templates: tuple[Callable[[Document], str | None], ...]) -> Iterator[Question]:
    """Questions in rounds: each document is asked about once before any is asked about again."""
    seen: set[str] = set()
    rounds = ([(each, number) for number, each in enumerate(documents)] for _ in templates)
    for turn, each_round in enumerate(rounds):
        for document, number in each_round:
            text = templates[(number + turn) % len(templates)](document)
            if text and text not in seen and not _copies(text, document):
                seen.add(text)
                yield Question(text, document.id)


def _of_group(documents: Iterable[Document], *, golden: bool) -> list[Document]:
    """A quarter of the documents for golden queries, the rest for traffic; in an order that looks like chance."""
    placed = sorted(
        (hashlib.blake2b(each.id.encode(), digest_size=8, person=b"questions").digest(), each.id, each)
        for each in documents
    )
    return [each for place, _, each in placed if (place[-1] % 4 == 0) == golden]


def _copies(question: str, document: Document) -> bool:
    first_sentence = re.split(r"(?<=[.:;])\s", document.summary)[0].rstrip(".").lower()
    return first_sentence in question.lower()


def _about_parameter(document: Document) -> str | None:
    if not document.parameters:
        return None
    return f"What does the parameter {document.parameters[-1]} of {_short_name(document)} do in {document.package}?"


def _about_use(document: Document) -> str | None:
    if len(document.parameters) < 2:
        return None
    first, second = document.parameters[:2]
    return f"How do I call {_words_of_name(document)} in {document.package} with {first} and {second}?"


def _about_purpose(document: Document) -> str | None:
    words = _key_words(document)
    return f"Which part of {document.package} helps me with: {' '.join(words)}?" if len(words) >= 3 else None


def _about_details(document: Document) -> str:
    return f"What should I know about {_short_name(document)} in {document.package} before I rely on it?"


def _golden_need(document: Document) -> str | None:
    words = _key_words(document)
    return f"I work with {document.package} and need {', '.join(words)}. Where do I look?" if len(words) >= 3 else None


def _golden_name(document: Document) -> str:
    return f"Explain {_words_of_name(document)} from {document.package} to me."


_TRAFFIC = (_about_purpose, _about_parameter, _about_use, _about_details)
_GOLDEN = (_golden_need, _golden_name)


def _short_name(document: Document) -> str:
    """`DataFrame.merge` of pandas.DataFrame.merge, `merge` of pandas.merge."""
    parts = document.id.split(".")
    owned = len(parts) > 2 and parts[-2][:1].isupper()
    return ".".join(parts[-2:] if owned else parts[-1:])


def _words_of_name(document: Document) -> str:
    """`data frame merge asof` of DataFrame.merge_asof: as people say a name."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _short_name(document))
    return " ".join(chain.from_iterable(part.split() for part in re.split(r"[._]", spaced))).lower()


def _key_words(document: Document) -> list[str]:
    words = re.findall(r"[A-Za-z][A-Za-z-]{2,}", re.split(r"(?<=[a-z)]\.)\s", document.summary)[0])
    small = _SMALL_WORDS.split()
    kept = [word.lower() for word in words if word.lower() not in small and word.lower() != document.package]
    return list(dict.fromkeys(kept))[:_SHOWN_WORDS]

"""Which questions are the same: nearest neighbours in the canonical encoder, confirmed by their words.

Better two questions too many than one too few: what is confirmed has the same content words, spelling apart, in about
the same order, the same numbers and as many negations. Synonyms are missed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import cache
from typing import Any

import numpy as np

NEIGHBOURS = 10
NEAR = 0.85
"""Least cosine of two questions that are compared by their words."""
SPELLED_ALIKE = 0.8
SAME_ORDER = 0.8
ALL_COMPARED = 5_000
"""More questions than this are searched through an inverted file, not one by one."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_NEGATION = re.compile(r"\b(?:not?|never|none|nor|without|cannot|\w+n['’]t)\b", re.IGNORECASE)
_LITTLE = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by can could do does for from has have how i in into is it me my of on or our please "
        "should show tell that the their there this to use using was we what when where which who why will with would "
        "you your",
    )
)


def plain(question: str) -> str:
    """A question as it is counted: without case, blanks and what stands around its words."""
    return " ".join(question.casefold().split()).strip(" ?!.,;:'\"")


def same_questions(
    questions: Sequence[str], counts: Sequence[int], embed: Callable[[Sequence[str]], np.ndarray]
) -> np.ndarray:
    """(n,) group of each distinct question: each joins the most asked one that it is the same as."""
    groups = np.arange(len(questions))
    if len(questions) < 2:
        return groups
    order = sorted(range(len(questions)), key=lambda each: (-counts[each], questions[each]))
    ordered = [questions[each] for each in order]
    near = _neighbours(np.ascontiguousarray(embed(ordered), dtype=np.float32))
    leader = list(range(len(order)))
    for place in range(len(order)):
        for other in near[place]:
            if other < place and leader[other] == other and confirmed(ordered[place], ordered[other]):
                leader[place] = other
                break
    groups[order] = [order[each] for each in leader]
    return groups


def confirmed(one: str, other: str) -> bool:
    """Whether two near questions are the same by their words."""
    if len(_NEGATION.findall(one)) != len(_NEGATION.findall(other)):
        return False
    first, second = _content(one), _content(other)
    if sorted(each for each in first if each.isdigit()) != sorted(each for each in second if each.isdigit()):
        return False
    left, right = [each for each in first if each not in second], [each for each in second if each not in first]
    if len(left) != len(right):
        return False
    spelled = {}
    for word in left:
        partner = next((each for each in right if _spelled_alike(word, each)), None)
        if partner is None:
            return False
        right.remove(partner)
        spelled[word] = partner
    same = [spelled.get(word, word) for word in first]
    return SequenceMatcher(None, same, second, autojunk=False).ratio() >= SAME_ORDER


def _content(question: str) -> list[str]:
    """Stems of its words, little words left out."""
    return _stemmer().stemWords([word for word in _WORD.findall(question.casefold()) if word not in _LITTLE])


@cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


def _spelled_alike(one: str, other: str) -> bool:
    if one.isdigit() or other.isdigit() or min(len(one), len(other)) < 5:
        return False
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= SPELLED_ALIKE


def _neighbours(vectors: np.ndarray) -> list[list[int]]:
    """Of each question the nearest ones at least NEAR, the most asked first."""
    import faiss

    count, dimension = vectors.shape
    if count > ALL_COMPARED:
        lists = int(4 * np.sqrt(count))
        index: Any = faiss.index_factory(dimension, f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
        index.nprobe = 16
    else:
        index = faiss.IndexFlatIP(dimension)
    index.add(vectors)
    cosine, near = index.search(vectors, min(NEIGHBOURS, count))
    return [
        sorted(int(each) for each, near_enough in zip(row, alike >= NEAR, strict=True) if near_enough and each >= 0)
        for row, alike in zip(near, cosine, strict=True)
    ]

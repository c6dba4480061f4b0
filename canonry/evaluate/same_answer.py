"""Whether two answers to one question say the same as a whole.

Three rules, each of which can be shown to people: the answers mean different things (the cosine of their embeddings is
below ALIKE), both name numbers and share none, or one begins with yes and the other with no. On pairs of real answers
(docs/drift.md, tests/evaluate/test_consistency.py) they call about 6 in 100 pairs different that both are right and
complete, and find about 9 in 10 answers that are wrong throughout. They do not find one wrong detail in a long answer.
"""

from __future__ import annotations

import re
from typing import Literal

ALIKE = 0.6
"""Cosine from which two answers are about the same."""

Reason = Literal["meaning", "numbers", "yes_or_no"]

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_BEGINS = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


def disagreement(question: str, one: str, other: str, cosine: float) -> Reason | None:
    """Why two answers to a question disagree, or None where they do not; numbers of the question count for nothing."""
    if " ".join(one.split()) == " ".join(other.split()):
        return None
    begins = [match[1].casefold() for match in (_BEGINS.match(one), _BEGINS.match(other)) if match]
    if len(set(begins)) == 2:
        return "yes_or_no"
    asked = set(_NUMBER.findall(question))
    first, second = (set(_NUMBER.findall(each)) - asked for each in (one, other))
    if first and second and not first & second:
        return "numbers"
    return "meaning" if cosine < ALIKE else None

"""Cutting answers and passages: sentences with their places, words, stems, numbers, names, and fields of records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9*•-])|\s*\n+\s*")
_ENUMERATOR = re.compile(
    r"(?:^|\n)\s*(?:\d{1,2}|[A-Za-z])[.)]$|\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|No|Inc|Co|Ltd|U\.S|[A-Z])\.$"
)
_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?")
_TIME = re.compile(r"(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2}))?\s*(?:(?P<half>[ap])\.?m?\.?)?", re.IGNORECASE)
_CLAUSE = re.compile(r"[,;:()–—]|\b(?:and|but|or|while|which|who|because|including|such as|although|as well as)\b")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True)
class Sentence:
    """A sentence of a text and the place of its first and after its last character."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Leaf:
    """A value of a record that a passage holds, with the keys that lead to it."""

    path: tuple[str, ...]
    value: str | float | bool | None


def sentences(text: str) -> list[Sentence]:
    """In order; lines end sentences, the number of a list's line does not. A text without any word is one sentence."""
    found: list[Sentence] = []
    start = 0
    for match in [*_END.finditer(text), None]:
        end = match.start() if match else len(text)
        if match and "\n" not in match.group() and _ENUMERATOR.search(text[start:end]):
            continue
        piece = text[start:end]
        if _WORD.search(piece):
            left = start + len(piece) - len(piece.lstrip())
            found.append(Sentence(piece.strip(), left, left + len(piece.strip())))
        start = match.end() if match else end
    return found or [Sentence(text, 0, len(text))]


def words(text: str) -> list[str]:
    """Words and numbers, in lower case."""
    return [match.lower().replace("’", "'").removesuffix("'s") for match in _WORD.findall(text)]


def stem(word: str) -> str:
    """What forms of a word share, roughly: its first six letters without a plural's s."""
    return word.rstrip("s")[:6] if len(word) > 3 else word


def clauses(sentence: str) -> list[str]:
    """Its parts of at least two words, or the sentence itself."""
    found = [part.strip() for part in _CLAUSE.split(sentence)]
    return [part for part in found if len(_WORD.findall(part)) > 1] or [sentence]


def clock(time: str) -> str:
    """A time of day in one spelling: 5 PM, 5:00 p.m. and 17:0 are 17:00."""
    found = _TIME.fullmatch(time.strip())
    if found is None:
        return {"noon": "12:00", "midnight": "0:00"}.get(time.strip().lower(), time)
    hour = int(found["hour"])
    if half := found["half"]:
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    return f"{hour % 24}:{int(found['minute'] or 0):02d}"


def record(passage: str) -> list[Leaf] | None:
    """Values of a passage that is a JSON object or list; None of any other text."""
    if passage.lstrip()[:1] not in ("{", "["):
        return None
    try:
        parsed = json.loads(passage)
    except ValueError:
        return None
    return list(_leaves(parsed, ()))


def key_words(key: str) -> list[str]:
    """Words of a key in camelCase or snake_case, in lower case."""
    return [part.lower() for part in _CAMEL.findall(key)]


def plain(leaf: Leaf) -> str:
    """A value as a sentence would name it."""
    name = " ".join(word for key in leaf.path[-2:] for word in key_words(key))
    said = {True: "yes", False: "no", None: "not known"}.get(leaf.value, leaf.value)  # type: ignore[arg-type]
    return f"{name}: {said}"


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[Leaf]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    else:
        yield Leaf(path, value)

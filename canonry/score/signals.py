"""Signals of one answer against its passages, sentence by sentence: what it says that they do not. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from canonry.score.text import Leaf, clock, plain, record, sentences, stem, words

_NAME = re.compile(r"(?<!^)(?<![.!?:\"“(] )\b[A-Z][A-Za-z'’-]+")
_NEGATION = re.compile(r"\b(?:not?|never|none|neither|nor|without|cannot|unable|lacks?|\w+n['’]t)\b", re.IGNORECASE)
_META = re.compile(
    r"\b(?:passages?|provided|context|based on|according to|article|data|mention\w*|specif\w+|information)\b", re.I
)
_HEDGE = re.compile(r"\b(?:may|might|could|can|likely|possibl\w|appears?|seems?|suggests?|generally|typically)\b", re.I)
_CLOSING = re.compile(r"^(?:overall|in (?:summary|conclusion|general)|therefore|thus|additionally|however)\b", re.I)
STOP = frozenset(
    words(
        "a an the and or but if of to in on at by for with from as is are was were be been being it its this "
        "that these those he she they them his her their we you i our your my me him us who whom which what "
        "when where why how not no do does did done has have had having will would can could may might should "
        "must also than then there here into over under about after before between during such so too very "
        "more most some any each both all other"
    )
)
"""Words that say nothing of their own."""

_COUNTED = {word: str(value) for value, word in enumerate(words("two three four five six seven eight nine ten"), 2)}


@dataclass(frozen=True)
class Answer:
    """What is to be scored: an answer, what was asked, and the passages it was to keep to."""

    question: str
    passages: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Passages:
    """What all answers from the same passages are compared with."""

    sentences: tuple[str, ...]
    leaves: tuple[Leaf, ...]
    words: frozenset[str]
    stems: frozenset[str]
    grams: tuple[frozenset[tuple[str, ...]], ...]
    numbers: frozenset[str]
    per_sentence: tuple[frozenset[str], ...]
    sentence_stems: tuple[frozenset[str], ...]
    """Of each sentence, of its content words."""
    content: tuple[str, ...]
    """Words that say something, each once."""
    places: Mapping[str, frozenset[int]]
    """Sentences that have a stem."""
    passage_of: tuple[int, ...]
    """Of each sentence, which passage it is from."""
    passage_stems: tuple[frozenset[str], ...]
    text: str


def read_passages(question: str, passages: Sequence[str]) -> Passages:
    """Sentences, words and values; the question's words count as known too."""
    found: list[str] = []
    leaves: list[Leaf] = []
    passage_of: list[int] = []
    for number, passage in enumerate(passages):
        inside = record(passage)
        if inside is None:
            found += [each.text for each in sentences(passage)]
        else:
            leaves += inside
            found += [each.text for leaf in inside for each in sentences(plain(leaf))]
        passage_of += [number] * (len(found) - len(passage_of))
    cut = [words(each) for each in found]
    stems = tuple(frozenset(stem(word) for word in part if word not in STOP) for part in cut)
    places: dict[str, set[int]] = {}
    for place, part in enumerate(stems):
        for each in part:
            places.setdefault(each, set()).add(place)
    by_passage = [frozenset[str]()] * len(passages)
    for number, part in zip(passage_of, stems, strict=True):
        by_passage[number] |= part
    asked = words(question)
    everything = [word for part in cut for word in part]
    grams = tuple(
        frozenset(g for part in cut for g in zip(*(part[k:] for k in range(n)), strict=False)) for n in (2, 3)
    )
    known = frozenset(everything) | frozenset(asked)
    text = " ".join(found)
    return Passages(
        tuple(found),
        tuple(leaves),
        known,
        frozenset(map(stem, known)),
        grams,
        frozenset(numbers(text + " " + question)),
        tuple(frozenset(part) for part in cut),
        stems,
        tuple(sorted({word for part in cut for word in part if word not in STOP and not word[0].isdigit()})),
        {each: frozenset(found) for each, found in places.items()},
        tuple(passage_of),
        tuple(by_passage),
        text,
    )


_NUMBER = re.compile(
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2}))?\s*(?P<half>[ap])\.?m\b|(?P<clock>\d{1,2}:\d{1,2})|(?P<plain>\d+(?:,\d{3})*(?:\.\d+)?)",
    re.IGNORECASE,
)


def numbers(text: str) -> list[str]:
    """Numbers and times in one spelling: 1,000 is 1000, 5 PM is 17:00, three is 3, 4.0 is 4."""
    found = []
    for match in _NUMBER.finditer(text):
        if match["half"] or match["clock"]:
            found.append(clock(match.group()))
        else:
            value = float(match["plain"].replace(",", ""))
            found.append(f"{value:g}")
    return found + [_COUNTED[word] for word in words(text) if word in _COUNTED]


def lexical(sentence: str, source: Passages, rarity: Mapping[str, float], most: float) -> dict[str, float]:
    """What the sentence says in other words than the passages."""
    said = words(sentence)
    content = [word for word in said if word not in STOP and not word[0].isdigit()]
    new = [word for word in content if word not in source.words]
    foreign = [word for word in new if stem(word) not in source.stems]
    weight = {word: rarity.get(word, most) for word in content}
    total = sum(weight.values()) + 1e-6
    two = list(pairwise(said))
    three = list(zip(said, said[1:], said[2:], strict=False))
    run = longest_run(said, source)
    stated = numbers(sentence)
    absent = [each for each in stated if each not in source.numbers]
    names = [name.lower().removesuffix("'s").removesuffix("’s") for name in _NAME.findall(sentence)]
    strange = [name for name in names if any(part not in source.words for part in words(name))]
    lower_source = source.text.lower()
    best = _best_cover(said, source)
    beside = source.per_sentence[best] if best is not None else frozenset()
    best_numbers = set(numbers(source.sentences[best])) if best is not None else set()
    return {
        "words": len(said),
        "new_share": len(new) / max(1, len(content)),
        "foreign_share": len(foreign) / max(1, len(content)),
        "foreign_count": len(foreign),
        "foreign_weight": sum(weight[word] for word in foreign) / total,
        "foreign_most": max((weight[word] for word in foreign), default=0.0),
        "foreign_sum": sum(weight[word] for word in foreign),
        "new_weight": sum(weight[word] for word in new) / total,
        "new_bigrams": sum(each not in source.grams[0] for each in two) / max(1, len(two)),
        "new_trigrams": sum(each not in source.grams[1] for each in three) / max(1, len(three)),
        "run": run / max(1, len(said)),
        "run_words": run,
        "numbers": len(stated),
        "absent_numbers": len(absent),
        "names": len(names),
        "strange_names": len(strange),
        "strange_everywhere": sum(name not in lower_source for name in strange),
        "misplaced": sum(word not in beside for word in content if word in source.words) / max(1, len(content)),
        "misplaced_weight": sum(weight[w] for w in content if w in source.words and w not in beside) / total,
        "misplaced_numbers": sum(each not in best_numbers for each in stated if each in source.numbers),
        "misplaced_names": sum(name not in beside for name in names if name in source.words),
        "covered": sum(word in beside for word in content) / max(1, len(content)),
        "negations": len(_NEGATION.findall(sentence)),
        "negation_differs": bool(_NEGATION.search(sentence))
        != bool(_NEGATION.search(source.sentences[best]) if best is not None else False),
        "meta": len(_META.findall(sentence)),
        "hedges": len(_HEDGE.findall(sentence)),
        "closing": bool(_CLOSING.search(sentence)),
        "listed": bool(re.match(r"(?:\d+[.)]|[*•-])\s", sentence)),
        "colon": sentence.rstrip().endswith(":"),
        "quotes": sentence.count('"') + sentence.count("“"),
    }


def longest_run(said: Sequence[str], source: Passages) -> int:
    """Words of the longest run that the passages hold, as far as their trigrams tell."""
    best = current = 0
    for place in range(len(said) - 2):
        current = current + 1 if tuple(said[place : place + 3]) in source.grams[1] else 0
        best = max(best, current)
    return best + 2 if best else 0


def _best_cover(said: Sequence[str], source: Passages) -> int | None:
    content = {word for word in said if word not in STOP}
    if not content or not source.per_sentence:
        return None
    return int(np.argmax([len(content & part) / (len(part) + 20) ** 0.25 for part in source.per_sentence]))

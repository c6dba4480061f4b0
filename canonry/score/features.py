"""All signals of many answers, in arrays: what a scorer is trained on and what it scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from canonry.score import hours, structured
from canonry.score.nearest import NEAREST, STRANGE, Vectors, contrast, nearest, strange
from canonry.score.signals import STOP, Answer, Passages, lexical, read_passages
from canonry.score.text import Sentence, clauses, sentences, stem, words
from canonry.score.together import together

Encode = Callable[[Sequence[str]], np.ndarray]
"""Vectors of texts, (n, dimension), of length 1."""

COLUMNS: tuple[str, ...]
"""Names of the columns of `Signals.values`."""


@dataclass(frozen=True)
class Signals:
    """Of answers one after the other: their sentences, and what tells of each."""

    sentences: tuple[tuple[Sentence, ...], ...]
    """By answer."""
    starts: np.ndarray
    """int64 (answers + 1,): the sentences of answer i are rows starts[i] to starts[i + 1]."""
    values: np.ndarray
    """float64 (sentences, len(COLUMNS))"""
    words: tuple[frozenset[str], ...]
    """By sentence: its words, whether the passages have them, pairs of words, and claims about fields of a record."""
    contrast: np.ndarray
    """float32 (sentences, 2 * dimension): see `canonry.score.nearest.contrast`; of width 0 without an encoder."""
    shape: np.ndarray
    """float64 (answers, len(SHAPE)): what kind of passages and question it had."""

    def take(self, answers: np.ndarray) -> Signals:
        """Those of some answers, by their place."""
        rows = np.concatenate([np.arange(self.starts[each], self.starts[each + 1]) for each in answers])
        counts = self.starts[answers + 1] - self.starts[answers]
        return Signals(
            tuple(self.sentences[each] for each in answers),
            np.r_[0, np.cumsum(counts)],
            self.values[rows],
            tuple(self.words[row] for row in rows),
            self.contrast[rows],
            self.shape[answers],
        )

    def whole(self) -> list[frozenset[str]]:
        """Words of each answer."""
        return [
            frozenset().union(*self.words[start:end])
            for start, end in zip(self.starts[:-1], self.starts[1:], strict=True)
        ]


SHAPE = ("record", "asked", "passage_words", "answer_words")


@dataclass(frozen=True)
class Rarity:
    """How rare words are among the passages of a training set: the logarithm of sources per source that has one.

    A word of one source alone is not kept: it may be somebody's name.
    """

    weights: Mapping[str, float]
    most: float
    """Of a word that is not kept."""


def rarity(answers: Sequence[Answer]) -> Rarity:
    """From the distinct passages of answers."""
    sources = {each.passages for each in answers}
    counts = Counter(word for passages in sources for word in read_passages("", passages).words)
    most = float(np.log(len(sources) + 1))
    weights = {word: most - float(np.log(count + 1)) for word, count in sorted(counts.items()) if count > 1}
    return Rarity(weights, most)


def signals(answers: Sequence[Answer], rare: Rarity, encode: Encode | None) -> Signals:
    """Of answers, in their order. Passages are read, and every text is encoded, once.

    Without `encode`, the signals of `nearest` are 0.
    """
    cut = [tuple(sentences(each.answer)) for each in answers]
    asked = [_question(each) for each in answers]
    sources: dict[tuple[str, tuple[str, ...]], Passages] = {}
    for question, each in zip(asked, answers, strict=True):
        if (question, each.passages) not in sources:
            sources[question, each.passages] = read_passages(question, each.passages)
    read = [sources[question, each.passages] for question, each in zip(asked, answers, strict=True)]
    content = [[_content(each.text) for each in part] for part in cut]
    vectors = encode and Vectors.of(
        encode,
        [sentence.text for part in cut for sentence in part],
        sources.values(),
        [question for question in asked if question],
        [word for part, source in zip(content, read, strict=True) for said in part for word in _foreign(said, source)],
    )
    values, said, contrasts, shape = [], [], [], []
    for question, source, part, contents in zip(asked, read, cut, content, strict=True):
        flags, open_hours = structured.flags(source.leaves), hours.hours(source.leaves)
        near = nearest([each.text for each in part], question, source, vectors)
        contrasts.append(contrast([each.text for each in part], source, vectors))
        known = vectors.rows(source.content) if vectors and source.content else np.zeros((0, 0))
        wanted = frozenset(map(stem, _content(question)))
        for place, (sentence, own) in enumerate(zip(part, contents, strict=True)):
            claims = structured.claims(sentence.text, flags)
            weight = {word: rare.weights.get(word, rare.most) for word in own}
            found = lexical(sentence.text, source, rare.weights, rare.most) | structured.signals(claims)
            found |= together([_content(each) for each in clauses(sentence.text)], wanted, source, weight)
            found |= hours.signals(sentence.text, open_hours) if source.leaves else _NO_HOURS
            foreign = strange(_foreign(own, source), weight, known, vectors)
            values.append((*found.values(), place / max(1, len(part) - 1), len(part), *near[place], *foreign))
            said.append(_words(sentence.text, source, claims))
        length = sum(len(words(each.text)) for each in part)
        shape.append((bool(source.leaves), bool(question), np.log1p(len(words(source.text))), np.log1p(length)))
    starts = np.r_[0, np.cumsum([len(part) for part in cut])].astype(np.int64)
    return Signals(
        tuple(cut),
        starts,
        np.array(values, dtype=np.float64).reshape(-1, len(COLUMNS)),
        tuple(said),
        np.concatenate(contrasts) if contrasts else np.zeros((0, 0), dtype=np.float32),
        np.array(shape, dtype=np.float64).reshape(-1, len(SHAPE)),
    )


def _content(text: str) -> list[str]:
    return [word for word in words(text) if word not in STOP and not word[0].isdigit()]


def _foreign(content: Sequence[str], source: Passages) -> list[str]:
    return [word for word in content if stem(word) not in source.stems]


def _question(answer: Answer) -> str:
    """What was asked, but where it only repeats the passages."""
    return "" if any(answer.question.strip() in each for each in answer.passages) else answer.question


def _words(sentence: str, source: Passages, claims: Sequence[structured.Claim]) -> frozenset[str]:
    said = words(sentence)
    marked = {
        ("#" if word[0].isdigit() else word)
        + ("" if word in source.words else "~" if stem(word) in source.stems else "!")
        for word in said
    }
    pairs = {" ".join(pair) for pair in pairwise(said)}
    fields = {f"{each.flag}={each.state}{'-' if each.denied else '+'}" for each in claims}
    return frozenset(marked | {each.rstrip("~!") for each in marked} | pairs | fields)


_EMPTY = read_passages("", ())
_NO_HOURS = dict.fromkeys(hours.signals("", {}), 0.0)
COLUMNS = (
    *lexical("", _EMPTY, {}, 1.0),
    *structured.signals(()),
    *together((), frozenset(), _EMPTY, {}),
    *_NO_HOURS,
    "place",
    "sentences",
    *NEAREST,
    *STRANGE,
)

"""A text as the words that lexical search knows it by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

import Stemmer

_WORD = re.compile(r"\w+")
_INSIDE = re.compile(r"_+|(?<=[a-z0-9])(?=[A-Z])")


class Words:
    """Cuts texts into words and these to their stems. One for each thread: a stemmer remembers what it saw last."""

    def __init__(self, language: str) -> None:
        """`language`: a Snowball algorithm, see https://snowballstem.org. Raises KeyError for another."""
        self._stem = Stemmer.Stemmer(language).stemWords

    def of(self, text: str) -> list[str]:
        """Stems in the order of their words, in lower case; a name such as `max_tokens` or `maxTokens` and its parts.

        A word is what lies between spaces and punctuation, so that a script without spaces is hardly cut at all.
        """
        return self._stem(list(surface_words(text)))

    def of_each(self, texts: Iterable[str]) -> list[list[str]]:
        """What `of` gives of each text; a word that many texts share is stemmed once."""
        known: dict[str, list[str]] = {}
        found = []
        for text in texts:
            stems: list[str] = []
            for word in _written(text):
                if word not in known:
                    known[word] = self._stem(list(_with_parts(word)))
                stems += known[word]
            found.append(stems)
        return found


def surface_words(text: str) -> Iterator[str]:
    """The words as they are written, but for case and Unicode's ways to write the same (NFKC)."""
    for word in _written(text):
        yield from _with_parts(word)


def _written(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text))


def _with_parts(word: str) -> Iterator[str]:
    yield word.lower()
    parts = [part for part in _INSIDE.split(word) if part]
    if len(parts) > 1:
        yield from map(str.lower, parts)

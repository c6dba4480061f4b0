"""Replaces what is found in a text by typed markers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from canonry.redact._find import Find, finder
from canonry.redact._secrets import Expression, Expressions, secret_expressions

ORDER = ("email", "iban", "card", "ip", "phone")
"""What could be two things is taken for the first."""

NAMES = ("email",)
"""What may be found in an identifier, too: its digits are no phone number. The other kinds need a digit."""

SHORTEST = 6
"""No built-in finder finds anything in fewer characters (`a@b.de`)."""

_DIGIT = re.compile(r"\d")
_NAMES_REMEMBERED = 10_000
_NAME_LENGTH = 100


class Mask:
    """Masks texts; `found` counts what was by marker. Own patterns come first, then secrets, then the rest."""

    def __init__(self, find: Iterable[str], patterns: Mapping[str, str], regions: tuple[str, ...]) -> None:
        wanted = frozenset(find)
        expressions = [Expression(name, pattern) for name, pattern in patterns.items()]
        if "secret" in wanted:
            expressions += secret_expressions()
        self.found: Counter[str] = Counter()
        self._shortest = 1 if patterns else SHORTEST
        self._expressions = Expressions(expressions) if expressions else None
        finders = [(kind, finder(kind, regions)) for kind in ORDER if kind in wanted]
        self._names: list[tuple[str, Find]] = [each for each in finders if each[0] in NAMES]
        self._all: list[tuple[str, Find]] = finders
        self._plain_fields: set[str] = set()
        self._plain_names: set[str] = set()

    def text(self, text: str, *, identifier: bool = False) -> str:
        """The text with markers, or the very same text. In an identifier only names and secrets are looked for."""
        if len(text) < self._shortest:
            return text
        if self._expressions:
            text = self._without_expressions(self._expressions, text)
        finders = self._names if identifier or not _DIGIT.search(text) else self._all
        for marker, find in finders:
            spans = [(start, end, marker) for start, end in find(text)]
            if spans:
                self.found[marker] += len(spans)
                text = "".join(_replaced(text, spans))
        return text

    def field(self, field: str) -> str:
        """A field's name with markers, or the very same."""
        return self._remembered(field, self._plain_fields, identifier=False)

    def name(self, name: str) -> str:
        """The name of a thing, such as a model or a product, with markers for addresses and secrets, or the same."""
        return self._remembered(name, self._plain_names, identifier=True)

    def _remembered(self, text: str, plain: set[str], *, identifier: bool) -> str:
        """What recurs is looked at once: plain ones are remembered, until there are too many."""
        if text in plain:
            return text
        masked = self.text(text, identifier=identifier)
        if masked is text and len(text) <= _NAME_LENGTH:
            if len(plain) >= _NAMES_REMEMBERED:
                plain.clear()
            plain.add(text)
        return masked

    def _without_expressions(self, expressions: Expressions, text: str) -> str:
        data = text.encode(errors="surrogatepass")
        spans = list(expressions.find(data))
        if not spans:
            return text
        kept = _apart(spans)
        self.found.update(marker for _, _, marker in kept)
        position, pieces = 0, []
        for start, end, marker in kept:
            pieces += [data[position:start], f"[{marker}]".encode()]
            position = end
        return b"".join([*pieces, data[position:]]).decode(errors="surrogatepass")


def _replaced(text: str, spans: list[tuple[int, int, str]]) -> Iterable[str]:
    position = 0
    for start, end, marker in spans:
        yield text[position:start]
        yield f"[{marker}]"
        position = end
    yield text[position:]


def _apart(spans: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Spans in order; of those that overlap, one that reaches over all of them, under the first's marker."""
    kept: list[tuple[int, int, str]] = []
    for start, end, marker in sorted(spans, key=lambda span: (span[0], -span[1])):
        if kept and start < kept[-1][1]:
            first = kept.pop()
            kept.append((first[0], max(end, first[1]), first[2]))
        else:
            kept.append((start, end, marker))
    return kept

"""The headings of a Markdown text, and which of them a place in it stands under."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt

_LINE = re.compile(r"\r\n?|\n")


@dataclass(frozen=True)
class Heading:
    """A heading: where its line begins (characters), its level from 1, its words."""

    start: int
    level: int
    text: str


def headings_of(markdown: str) -> list[Heading]:
    """In the order of the text; what stands in a code block is none."""
    starts = [0, *(match.end() for match in _LINE.finditer(markdown))]
    tokens = MarkdownIt("commonmark").parse(markdown)
    found = []
    for at, token in enumerate(tokens):
        if token.type == "heading_open" and token.map and token.level == 0:
            children = tokens[at + 1].children or []
            words = " ".join("".join(each.content or " " * (each.type == "softbreak") for each in children).split())
            found.append(Heading(starts[token.map[0]], int(token.tag[1:]), words))
    return found


def path_at(headings: Sequence[Heading], place: int) -> list[str]:
    """Headings that a place stands under, the outermost first; one that begins there itself is not among them."""
    path: list[Heading] = []
    for heading in headings[: bisect_right([each.start for each in headings], place - 1)]:
        while path and path[-1].level >= heading.level:
            path.pop()
        path.append(heading)
    beginning = next((each for each in headings if each.start == place), None)
    if beginning:
        path = [each for each in path if each.level < beginning.level]
    return [each.text for each in path if each.text]

"""What each signal of feedback means, the same for every product, and how far a text that was sent is from the answer.

A signal's `value` lies between -1 (bad) and 1 (good) in every event. What the platform shows of it is a `figure` from 0
to 1 with a direction: the share of thumbs that are up, the mean edit distance, the share of answers that were copied.
Signals of other names are kept as they came and never estimated from, since nobody has said what they mean.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

LONGEST_TEXT = 20_000
"""Characters of a text whose edit distance is computed; longer ones would hold up whoever asks."""


@dataclass(frozen=True)
class Signal:
    """A kind of feedback."""

    name: str
    meaning: str
    figure: str
    """What the platform shows of it, 0 to 1, in words."""
    better: Literal["higher", "lower"] | None
    """Which direction of the figure is good; None where neither is."""
    silence: Literal["unknown", "no"]
    """An answer without the signal: nobody said what they thought (`unknown`), or it did not happen (`no`)."""
    values: tuple[float, ...] = ()
    """The values it may have; empty where any from -1 to 1."""
    implied: float | None = None
    """Its value where the event gives none."""

    def figure_of(self, value: float) -> float:
        """The figure of a value from -1 to 1; of signals whose silence is a `no`, 1: it happened."""
        if self.silence == "no":
            return 1.0
        return (1 - value) / 2 if self.better == "lower" else (1 + value) / 2


SIGNALS = {
    each.name: each
    for each in (
        Signal(
            "thumb",
            "The user pressed thumb up (1) or thumb down (-1).",
            "share of thumbs that are up",
            "higher",
            "unknown",
            values=(-1.0, 1.0),
        ),
        Signal(
            "rating",
            "The user gave marks, from the worst, -1, to the best, 1, in equal steps: of s stars of 5, (s - 3)/2.",
            "mean rating, 0 the worst and 1 the best",
            "higher",
            "unknown",
        ),
        Signal(
            "accepted",
            "The user took what was suggested (1) or turned it down (-1).",
            "share of suggestions that were taken",
            "higher",
            "unknown",
            values=(-1.0, 1.0),
        ),
        Signal(
            "edit_distance",
            "How much of the answer the user changed before sending it: 1 - 2 d, where d is its `edit_distance`.",
            "mean edit distance between the answer and the text that was sent",
            "lower",
            "unknown",
        ),
        Signal(
            "copied",
            "The user copied the answer, or a part of it.",
            "share of answers that were copied",
            "higher",
            "no",
            values=(1.0,),
            implied=1.0,
        ),
        Signal(
            "retry",
            "The user asked the same again, or had the answer made again.",
            "share of answers whose question was asked again",
            "lower",
            "no",
            values=(-1.0,),
            implied=-1.0,
        ),
        Signal(
            "correction",
            "Somebody wrote what the answer should have been, in `correction`.",
            "share of answers that were corrected",
            "lower",
            "no",
        ),
        Signal(
            "comment",
            "Somebody wrote about the answer, in `comment`.",
            "share of answers that were commented on",
            None,
            "no",
        ),
    )
}
"""Signals by name, in the order in which they are shown."""


def edit_distance(answer: str, sent: str) -> float:
    """How far the text that was sent is from the answer: 0 where nothing was changed, 1 where nothing was kept.

    The least number of insertions, deletions and substitutions of characters that turn one into the other (Levenshtein
    1966), divided by the characters of the longer text; 0 for two empty texts. Characters are Unicode code points after
    NFC; line ends count as one, blanks at both ends as none. Exact and symmetric, by the bit-parallel algorithm of
    Myers (1999) as Hyyrö (2003) gives it: time grows with the product of both lengths, some 10 ms for 2,000 characters
    each and about half a second for the longest. Raises ValueError for a text of more than LONGEST_TEXT characters.

    >>> edit_distance("Press the button.", "Press the red button.")
    0.19047619047619047
    """
    one, other = _plain(answer), _plain(sent)
    for name, text in (("answer", one), ("sent", other)):
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"{name}: {len(text):,} characters, more than {LONGEST_TEXT:,}")
    longest = max(len(one), len(other))
    return levenshtein(one, other) / longest if longest else 0.0


def levenshtein(one: str, other: str) -> int:
    """The least number of insertions, deletions and substitutions of characters that turn one text into the other."""
    start = 0
    shortest = min(len(one), len(other))
    while start < shortest and one[start] == other[start]:
        start += 1
    end = 0
    while end < shortest - start and one[-1 - end] == other[-1 - end]:
        end += 1
    column, row = one[start : len(one) - end], other[start : len(other) - end]
    # The longer one is held in the bits of a number, the shorter one is walked.
    return _bit_parallel(column, row) if len(column) >= len(row) else _bit_parallel(row, column)


def _bit_parallel(column: str, row: str) -> int:
    if not row:
        return len(column)
    places = _places(column)
    everywhere, last = (1 << len(column)) - 1, 1 << (len(column) - 1)
    # Where the distance grows, and shrinks, by one from a place of the column to the next.
    grows, shrinks, distance = everywhere, 0, len(column)
    for character in row:
        equal = places.get(character, 0)
        vertical = equal | shrinks
        horizontal = (((equal & grows) + grows) ^ grows) | equal
        more = (shrinks | ~(horizontal | grows)) & everywhere
        less = grows & horizontal
        distance += bool(more & last) - bool(less & last)
        more = (more << 1) | 1
        grows = ((less << 1) | ~(vertical | more)) & everywhere
        shrinks = more & vertical & everywhere
    return distance


def _places(text: str) -> dict[str, int]:
    """Of each character, a number with a bit at every place where it stands."""
    found: dict[str, bytearray] = {}
    for place, character in enumerate(text):
        bits = found.setdefault(character, bytearray(len(text) // 8 + 1))
        bits[place >> 3] |= 1 << (place & 7)
    return {character: int.from_bytes(bits, "little") for character, bits in found.items()}


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").strip()

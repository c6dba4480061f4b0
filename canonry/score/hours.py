"""Opening hours that a sentence states, against those of a record: which days, from when to when."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from canonry.score.text import Leaf, clock

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = r"(mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?s?\b"
_SAID = re.compile(
    rf"\b{_DAY}\s*(?:-|–|to|through|thru|until)\s*{_DAY}|\b{_DAY}"
    r"|\b(?P<week>weekdays)|\b(?P<end>weekends?)|\b(?P<all>daily|every ?day|(?:seven|7) days|all week)\b"
    r"|(?P<time>\b\d{1,2}(?::\d{2})?\s*[ap]\.?m\b|\b\d{1,2}:\d{2}\b|\b(?:noon|midnight)\b)",
    re.IGNORECASE,
)
_SPAN = re.compile(r"(\d{1,2}:\d{1,2})\s*-\s*(\d{1,2}:\d{1,2})")
_SHUT = re.compile(r"\bclosed\b", re.IGNORECASE)

Hours = Mapping[int, tuple[str, str]]
"""From when to when by day, Monday 0; a day that is absent is closed. Empty where the record does not say."""


@dataclass(frozen=True)
class Stated:
    """Days and the times that a sentence gives for them; no times where it only names days."""

    days: frozenset[int]
    times: tuple[str, ...]


def hours(leaves: Sequence[Leaf]) -> Hours:
    """Of a record that has a value like 9:0-17:30 under the name of a day."""
    found = {}
    for leaf in leaves:
        day = leaf.path[-1].lower() if leaf.path else ""
        if day in _DAYS and isinstance(leaf.value, str) and (span := _SPAN.fullmatch(leaf.value.strip())):
            found[_DAYS.index(day)] = (clock(span[1]), clock(span[2]))
    return found


def stated(sentence: str) -> list[Stated]:
    """Days with their times, which follow the days or, where the sentence begins with times, precede them."""
    parts: list[frozenset[int] | str] = []
    for match in _SAID.finditer(sentence):
        if match["time"]:
            parts.append(clock(match["time"]))
        else:
            parts.append(_days(match))
    if parts and isinstance(parts[0], str):
        parts.reverse()
    found: list[tuple[set[int], list[str]]] = []
    for part in parts:
        if isinstance(part, str):
            if found:
                found[-1][1].append(part)
        elif found and not found[-1][1]:
            found[-1][0].update(part)
        else:
            found.append((set(part), []))
    return [Stated(frozenset(days), tuple(times)) for days, times in found]


def signals(sentence: str, known: Hours) -> dict[str, float]:
    """Counts of days with the record's hours, with other hours, and of those that it says are closed, or nothing of."""
    right = wrong = shut = unknown = 0
    for each in stated(sentence):
        for day in each.days:
            if not known:
                unknown += 1
            elif _SHUT.search(sentence) and not each.times:
                wrong += day in known
            elif day not in known:
                shut += 1
            elif each.times:
                same = set(each.times) <= set(known[day])
                right, wrong = right + same, wrong + (not same)
    return {"hours_right": right, "hours_wrong": wrong, "hours_shut": shut, "hours_unknown": unknown}


def _days(match: re.Match[str]) -> frozenset[int]:
    if match["all"]:
        return frozenset(range(7))
    if match["week"]:
        return frozenset(range(5))
    if match["end"]:
        return frozenset((5, 6))
    if match[3]:
        return frozenset((_day(match[3]),))
    first, last = _day(match[1]), _day(match[2])
    return frozenset((first + each) % 7 for each in range((last - first) % 7 + 1))


def _day(name: str) -> int:
    return next(number for number, day in enumerate(_DAYS) if day.startswith(name.lower()[:3]))

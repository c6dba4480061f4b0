"""Numbers and dates as people read them; a column's figures share their decimals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

MINUS = "−"


def count(number: int | float) -> str:
    """A whole number with its thousands."""
    return f"{number:,.0f}"


def share(value: float | None) -> str:
    """A share as a percentage."""
    return "none" if value is None else f"{value:.1%}"


def interval(low: float, high: float) -> str:
    """The two ends of an interval of a share."""
    return f"{low:.1%} to {high:.1%}"


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{value * 100:+.1f}".replace("-", MINUS)


def decimals(amounts: Iterable[Decimal]) -> int:
    """Decimals that show the amounts of a column: two for dollars, more where there are only cents or less."""
    largest = max((abs(amount) for amount in amounts), default=Decimal(0))
    return 2 if largest >= 1 or not largest else 4 if largest >= Decimal("0.01") else 6


def dollars(amount: Decimal, places: int) -> str:
    """US dollars."""
    return f"${amount:,.{places}f}"


def milliseconds(value: float | None) -> str:
    """A duration; below a tenth of a second with a decimal."""
    return "none" if value is None else f"{value:,.1f} ms" if value < 100 else f"{value:,.0f} ms"


def day(value: dt.date) -> str:
    """A day, such as 2 Nov 2026."""
    return f"{value.day} {value:%b %Y}"


def day_of_year(value: dt.date) -> str:
    """A day whose year is known, such as 2 Nov."""
    return f"{value.day} {value:%b}"


def days(first: dt.date, last: dt.date) -> str:
    """A range of days, such as 2–15 Nov 2026."""
    if first == last:
        return day(last)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{day(last)}"
    return f"{day(first) if first.year != last.year else day_of_year(first)} – {day(last)}"


def moment(value: dt.datetime) -> str:
    """A moment to the minute, such as 24 Nov 2026, 10:55 UTC."""
    value = value.astimezone(dt.UTC)
    return f"{day(value.date())}, {value:%H:%M} UTC"


def words(items: Iterable[str]) -> str:
    """Names in a sentence: a, b and c."""
    *rest, last = items
    return f"{', '.join(rest)} and {last}" if rest else last


def named(value: str | None) -> str:
    """A name from outside, or that there is none. What cannot be seen, or turns text around, is shown as �."""
    return "".join(each if each.isprintable() else "�" for each in value) if value else "not said"


def shortened(name: str, length: int) -> str:
    """A name without its middle, where a chart has no room for all of it: versions differ at the end.

    The table beside has the whole.
    """
    end = (length - 1) // 2
    return name if len(name) <= length else f"{name[: length - 1 - end]}…{name[len(name) - end :]}"


def cut(text: str, length: int) -> str:
    """The beginning of a sentence, as far as there is room."""
    return text if len(text) <= length else f"{text[: length - 1]}…"

"""How the scorecard says a figure: money, days, the middle hour, and a reason without what a person wrote."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from canonry.publish.scorecard import formats
from canonry.publish.scorecard.latency import middle_hour
from canonry.publish.scorecard.read import without_values


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("value: 'it''s mine' is not a number", "value: … is not a number"),
        ('started_at: "O\'Brien" is not an ISO 8601 time', "started_at: … is not an ISO 8601 time"),
        ("started_at: 1970-01-01T00:00:07 lies before 2026-01-01", "started_at: … lies before …"),
        ("event: is not JSON: unexpected 'x': line 1", "event: is not JSON…"),
        ("event: 2,000,000 bytes, more than 1,048,576", "event: … bytes, more than 1,048,576"),
        ("latency_ms: '-3' is below 0", "latency_ms: … is below 0"),
    ],
)
def test_a_reason_keeps_no_value(reason: str, said: str) -> None:
    assert without_values(reason) == said


def test_of_hours_the_middle_one_is_weighted_by_calls() -> None:
    hours = [{"p": value, "measured_calls": calls} for value, calls in ((5.0, 1), (900.0, 2), (7.0, 4), (None, 0))]
    assert middle_hour(hours, "p") == 7.0
    assert middle_hour([{"p": 1.0, "measured_calls": 2}, {"p": 2.0, "measured_calls": 2}], "p") == 1.0
    assert middle_hour([{"p": None, "measured_calls": 0}], "p") is None


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (dt.date(2026, 11, 2), dt.date(2026, 11, 15), "2–15 Nov 2026"),
        (dt.date(2026, 10, 28), dt.date(2026, 11, 3), "28 Oct – 3 Nov 2026"),
        (dt.date(2025, 12, 30), dt.date(2026, 1, 2), "30 Dec 2025 – 2 Jan 2026"),
        (dt.date(2026, 11, 2), dt.date(2026, 11, 2), "2 Nov 2026"),
    ],
)
def test_days_are_said_without_repeating(first: dt.date, last: dt.date, said: str) -> None:
    assert formats.days(first, last) == said


@pytest.mark.parametrize(
    ("amounts", "said"),
    [
        (["1234567.891", "0.004"], ["$1,234,567.89", "$0.00"]),
        (["0.1129", "0.05"], ["$0.1129", "$0.0500"]),
        (["0.000123", "0"], ["$0.000123", "$0.000000"]),
        ([], []),
    ],
)
def test_a_column_of_money_shares_its_decimals(amounts: list[str], said: list[str]) -> None:
    column = [Decimal(each) for each in amounts]
    assert [formats.dollars(each, formats.decimals(column)) for each in column] == said


def test_names_that_are_too_long_still_differ_where_versions_do() -> None:
    old, new = (formats.shortened(f"docs-extractive-{version}", 17) for version in ("1.0", "1.1"))
    assert (old, new) == ("docs-ext…tive-1.0", "docs-ext…tive-1.1")
    assert formats.shortened("docs", 4) == "docs"
    assert formats.cut("refused: too few", 9) == "refused:…"

"""Which slices surely differ from the rest, when all of them were looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from canonry.stats.multiple import adjusted_p_values, difference_p_value
from canonry.stats.survey import Proportion

FALSE_DISCOVERIES = 0.05
"""Of the slices of an eval that are said to differ, on average at most this share does not."""

Row = dict[str, Any]


def compare_with_rest(rows: Sequence[tuple[Row, Row]]) -> None:
    """Add to each slice's row what the rest is estimated as, and whether the slice surely differs from it.

    `rows` are the preferred rows of all slices by the same fields, each with that of its rest. The two are estimated
    from different calls; where they share clusters, these make them more alike, and the comparison says less than it
    might. Benjamini and Hochberg (1995) over all that can be compared.
    """
    known = [(row, rest) for row, rest in rows if row["refused"] is None and rest["refused"] is None]
    p_values = [difference_p_value(_proportion(row), _proportion(rest), row["confidence"]) for row, rest in known]
    for (row, rest), p_value, adjusted in zip(known, p_values, adjusted_p_values(p_values), strict=True):
        row |= {"rest_value": rest["value"], "rest_low": rest["interval_low"], "rest_high": rest["interval_high"]}
        row |= {"p_value": p_value, "adjusted_p_value": float(adjusted)}
        surely = "higher" if row["value"] > rest["value"] else "lower"
        row["differs"] = surely if adjusted <= FALSE_DISCOVERIES else "open"


def _proportion(row: Row) -> Proportion:
    return Proportion(row["value"], row["interval_low"], row["interval_high"], 0.0, 0.0)

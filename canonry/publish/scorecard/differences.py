"""A chart of paired differences: each an interval on one scale around 0, with the margin it is judged against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from canonry.publish.scorecard import charts
from canonry.publish.scorecard.formats import shortened

_ROW, _LABEL, _SAID, _LINE = 68, 13, 30, 49


@dataclass(frozen=True)
class Difference:
    """Candidate minus released, with its interval and the loss that must be ruled out."""

    label: str
    said: str
    value: float
    low: float
    high: float
    margin: float
    passed: bool


def differences(rows: Sequence[Difference], *, says: str) -> str:
    """Intervals under each other; a full line at 0, and over each a short dashed one at its margin."""
    import altair as alt

    low, high = _ends(rows)
    height = len(rows) * _ROW
    scale = alt.Scale(domain=[0, height], range=[0, height], nice=False)
    # The right end stands too near to 0 to be labeled where nothing was gained.
    ticks = [each for each in (low, 0.0, high) if each <= 0 or each > (high - low) / 5]
    axis = alt.Axis(values=ticks, format="~%", title=None, domain=False, ticks=False, labelOverlap=False, grid=False)

    def x(field: str) -> Any:
        return alt.X(f"{field}:Q", scale=alt.Scale(domain=[low, high], nice=False), axis=axis)

    def y(field: str) -> Any:
        return charts.pixels(field, scale)

    nothing = charts.of([{"zero": 0.0, "top": 0, "foot": height}])
    layers: list[Any] = [
        nothing.mark_rule(aria=False, color=charts.GRID, strokeWidth=1.2).encode(x=x("zero"), y=y("top"), y2="foot:Q")
    ]
    for number, each in enumerate(rows):
        at = number * _ROW
        for place, words, ink in ((_LABEL, shortened(each.label, 48), charts.INK), (_SAID, each.said, charts.MUTED)):
            text = charts.of([{"at": at + place, "words": words}])
            written = text.mark_text(aria=False, color=ink, align="left", x=5)
            layers.append(written.encode(y=y("at"), text="words:N"))
        drawn = charts.of(
            [
                {
                    "at": at + _LINE,
                    "value": each.value,
                    "low": each.low,
                    "high": each.high,
                    "margin": -each.margin,
                    "top": at + _LINE - 11,
                    "foot": at + _LINE + 11,
                }
            ]
        )
        edge = drawn.mark_rule(aria=False, color=charts.MUTED, strokeWidth=1.4, strokeDash=[3, 3])
        layers.append(edge.encode(x=x("margin"), y=y("top"), y2="foot:Q"))
        rule = drawn.mark_rule(aria=False, color=charts.ACCENT, strokeWidth=3, strokeCap="round", opacity=0.75)
        layers.append(rule.encode(x=x("low"), x2="high:Q", y=y("at")))
        point = drawn.mark_point(
            aria=False, filled=each.passed, color=charts.ACCENT, opacity=1, shape="circle", size=80, strokeWidth=2
        )
        layers.append(point.encode(x=x("value"), y=y("at")))
    return charts.svg(charts.layered(layers), height, says, left=charts.EDGE)


def _ends(rows: Sequence[Difference]) -> tuple[float, float]:
    """Ends of the axis, whole twentieths, that hold every interval and margin."""
    low = min(min(each.low, -each.margin) for each in rows)
    high = max(max(each.high, 0.0) for each in rows)
    return max(math.floor(low * 20) / 20, -1.0), min(max(math.ceil(high * 20) / 20, 0.05), 1.0)

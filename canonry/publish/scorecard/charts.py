"""The charts, drawn by Vega-Lite to SVG: as wide as a phone, on a transparent ground, in the page's own colours.

Sizes and ticks are given and never measured, so that the same rows give the same bytes whatever fonts a machine has.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from canonry.publish.scorecard import formats
from canonry.publish.scorecard.parts import Model
from canonry.publish.scorecard.svg import as_image

if TYPE_CHECKING:
    import altair as alt

WIDTH = 352
"""Pixels: what a phone of 390 shows between its margins."""
_AXIS, EDGE, _TOP, _FOOT = 50, 14, 20, 26
_PLOT = WIDTH - _AXIS - EDGE

INK, MUTED, GRID, ACCENT = "#1f2328", "#59636e", "#d1d9e0", "#35526e"
SERIES = ("#1d5fa8", "#b3450f", "#0b7268", "#7a3ea8", "#686200", "#a8174f")
"""Colours of model versions by place; those after the last are MUTED."""
SHAPES = ("circle", "diamond", "square", "triangle-up", "cross", "triangle-down")
_ROW, _HEADING, _INDENT = 46, 28, 5
_CHARACTERS = 47
"""What a row's name and figures have place for together."""

Days = tuple[dt.date, dt.date]
"""First and last day of an axis."""
Values = Sequence[tuple[dt.date, float]]
Intervals = Sequence[tuple[dt.date, float, float, float]]
"""Day, value, lower and upper end."""


@dataclass(frozen=True)
class Line:
    """A series over days; None where a day has no value. `label` stands at its end, above or below."""

    label: str
    values: Sequence[tuple[dt.date, float | None]]
    below: bool = False


@dataclass(frozen=True)
class Interval:
    """A share with its interval; `value` None where it was refused, and then `said` is why. `hollow` is drawn thin:
    what an estimate is compared with."""

    model: Model | None
    label: str
    value: float | None
    low: float
    high: float
    said: str
    hollow: bool = False


@dataclass(frozen=True)
class Part:
    """How far something is: `done` of `whole`."""

    label: str
    done: int
    whole: int
    said: str


def color(place: int) -> str:
    """The colour of a model version."""
    return SERIES[place] if place < len(SERIES) else MUTED


def bars(values: Values, days: Days, *, top: float, unit: str, says: str, height: int = 110) -> str:
    """A bar a day, from 0 up to `top`; `unit` is the d3 format of the axis."""
    rows = [{"at": _at(day) - 0.36, "to": _at(day) + 0.36, "zero": 0, "value": value} for day, value in values if value]
    bar = of(rows).mark_rect(aria=False, color=ACCENT)
    drawn = bar.encode(x=_days_axis(days), x2="to:Q", y=_value_axis(top, unit, "zero"), y2="value:Q")
    return svg(layered([drawn]), height, says)


def lines(series: Sequence[Line], days: Days, *, top: float, unit: str, says: str) -> str:
    """Lines over days, each with its name at its end; the one below is dashed. A day by itself is a point."""
    x, y = _days_axis(days), _value_axis(top, unit)
    layers: list[Any] = []
    for line in series:
        rows = [{"at": _at(day), "value": value} for day, value in line.values]
        dash = [4, 3] if line.below else [1, 0]
        mark = of(rows).mark_line(
            aria=False, color=ACCENT, strokeWidth=1.8, strokeDash=dash, invalid="break-paths-show-domains"
        )
        end = [row for row in rows if row["value"] is not None][-1:]
        name = of(end).mark_text(
            aria=False, color=INK, align="right", dy=14 if line.below else -8, text=line.label, fontWeight=600
        )
        layers += [mark.encode(x=x, y=y), name.encode(x=x, y=y)]
        if alone := _alone(rows):
            point = of(alone).mark_point(aria=False, filled=True, opacity=1, color=ACCENT, size=30)
            layers.append(point.encode(x=x, y=y))
    return svg(layered(layers), 110, says)


def model_lines(series: Sequence[tuple[Model, Values]], days: Days, *, top: float, unit: str, says: str) -> str:
    """A line a model version, in its colour and with its shape of point, over the days on which it was called."""
    x, y = _days_axis(days), _value_axis(top, unit)
    layers: list[Any] = []
    for model, values in series:
        rows = [{"at": _at(day), "value": value} for day, value in values]
        line = of(rows).mark_line(aria=False, color=color(model.place), strokeWidth=1.4)
        layers += [each.encode(x=x, y=y) for each in (line, _points(of(rows), model, 30))]
    return svg(layered(layers), 110, says)


def intervals_over_days(model: Model, values: Intervals, days: Days, *, top: float, says: str) -> str:
    """An interval a day, upright, with its point."""
    rows = [{"at": _at(day), "value": value, "low": low, "high": high} for day, value, low, high in values]
    x = _days_axis(days)
    rule = of(rows).mark_rule(aria=False, color=color(model.place), strokeWidth=1.6, opacity=0.75)
    drawn = rule.encode(x=x, y=_value_axis(top, "~%", "low"), y2="high:Q")
    point = _points(of(rows), model, 34).encode(x=x, y=_value_axis(top, "~%"))
    return svg(layered([drawn, point]), 130, says)


def forest(groups: Sequence[tuple[str | None, Sequence[Interval]]], *, top: float, unit: str = "~%", says: str) -> str:
    """Intervals under each other on one scale from 0, each with its name and figures above it."""
    import altair as alt

    headings, rows, at = [], [], 0.0
    for title, intervals in groups:
        if title is not None:
            headings.append({"at": at + 19, "label": formats.shortened(title, 40)})
            at += _HEADING
        for each in intervals:
            rows.append((at, each))
            at += _ROW
    scale = alt.Scale(domain=[0, at], range=[0, at], nice=False)
    y, x = pixels("at", scale), _share_axis(top, unit)
    layers: list[Any] = [
        of(headings)
        .mark_text(aria=False, color=INK, align="left", x=_INDENT, fontWeight=600, fontSize=13)
        .encode(y=y, text="label:N")
    ]
    for offset, each in rows:
        place = each.model.place if each.model else len(SERIES)
        room = _CHARACTERS - (len(each.said) if each.value is not None else 0)
        layers.append(_text(formats.shortened(each.label, room), INK, "left", _INDENT, offset + 13, scale))
        if each.value is None:
            # Where an interval would be there is place for why there is none.
            layers.append(_text(formats.cut(each.said, _CHARACTERS), MUTED, "left", _INDENT, offset + 29, scale))
            continue
        layers.append(_text(each.said, MUTED, "right", WIDTH - 2 * EDGE - _INDENT, offset + 13, scale))
        drawn = [{"at": offset + 29, "value": each.value, "low": each.low, "high": each.high}]
        width = 1.2 if each.hollow else 3
        rule = of(drawn).mark_rule(aria=False, color=color(place), strokeWidth=width, strokeCap="round", opacity=0.75)
        layers.append(rule.encode(x=_share_axis(top, unit, "low"), x2="high:Q", y=y))
        layers.append(_points(of(drawn), each.model, 90, hollow=each.hollow).encode(x=x, y=y))
    return svg(layered(layers), at, says, left=EDGE)


def progress(parts: Sequence[Part], *, says: str) -> str:
    """How far each thing is, as a filled bar in an outlined one."""
    import altair as alt

    most, height = max(part.whole for part in parts), len(parts) * _ROW
    y_scale = alt.Scale(domain=[0, height], range=[0, height], nice=False)
    x_scale = alt.Scale(domain=[0, most], nice=False)
    layers: list[Any] = []
    for number, part in enumerate(parts):
        top = number * _ROW
        text = of([{"at": top + 13, "label": part.label, "said": part.said}])
        layers.append(
            text.mark_text(aria=False, color=INK, align="left", x=0).encode(y=pixels("at", y_scale), text="label:N")
        )
        said = text.mark_text(aria=False, color=MUTED, align="right", x=WIDTH - 2 * EDGE)
        layers.append(said.encode(y=pixels("at", y_scale), text="said:N"))
        box = of([{"start": 0, "done": part.done, "whole": part.whole, "at": top + 23, "to": top + 33}])
        x = alt.X("start:Q", scale=x_scale, axis=None)
        filled = box.mark_rect(aria=False, color=ACCENT)
        layers.append(filled.encode(x=x, x2="done:Q", y=pixels("at", y_scale), y2="to:Q"))
        outline = box.mark_rect(aria=False, filled=False, stroke=ACCENT, strokeWidth=1)
        layers.append(outline.encode(x=x, x2="whole:Q", y=pixels("at", y_scale), y2="to:Q"))
    return svg(layered(layers), height, says, left=EDGE, foot=2)


def round_top(values: Sequence[float]) -> float:
    """The end of an axis from 0 that holds all values, and whose half is as round."""
    largest = max(values, default=0.0) or 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(round(step * power, 12) for step in (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10) if step * power >= largest)


def of(rows: Sequence[dict[str, Any]]) -> alt.Chart:
    """A chart of rows."""
    import altair as alt

    return alt.Chart(alt.Data(values=list(rows)))


def layered(layers: Sequence[Any]) -> Any:
    """Charts over each other."""
    import altair as alt

    return alt.layer(*layers)


def _text(text: str, ink: str, align: Literal["left", "right"], x: float, at: float, scale: alt.Scale) -> alt.Chart:
    written = of([{"at": at, "text": text}]).mark_text(aria=False, color=ink, align=align, x=x)
    return written.encode(y=pixels("at", scale), text="text:N")


def _points(chart: alt.Chart, model: Model | None, size: int, *, hollow: bool = False) -> alt.Chart:
    place = model.place if model else len(SERIES)
    shape = SHAPES[place] if place < len(SHAPES) else "circle"
    return chart.mark_point(aria=False, filled=not hollow, opacity=1, color=color(place), shape=shape, size=size)


def _alone(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with a value and none before or behind them, where a line has no length."""
    known = [False, *(row["value"] is not None for row in rows), False]
    return [row for place, row in enumerate(rows, 1) if known[place] and not (known[place - 1] or known[place + 1])]


def _at(day: dt.date) -> float:
    return float(day.toordinal())


def _days_axis(days: Days) -> alt.X:
    """Days as numbers: an axis of times would be drawn in the machine's own time zone."""
    import altair as alt

    first, last = days
    step = max(1, -(-((last - first).days + 1) // 5))
    ticks = [first + dt.timedelta(days=each) for each in range(0, (last - first).days + 1, step)]
    labels = {day.toordinal(): formats.day_of_year(day) for day in ticks}
    said = " : ".join(f"datum.value == {ordinal} ? '{label}'" for ordinal, label in labels.items())
    axis = alt.Axis(
        values=list(labels), labelExpr=f"{said} : ''", grid=False, title=None, labelFlush=False, labelOverlap=False
    )
    return alt.X("at:Q", scale=alt.Scale(domain=[_at(first) - 0.6, _at(last) + 0.6], nice=False), axis=axis)


def _value_axis(top: float, unit: str, field: str = "value") -> alt.Y:
    import altair as alt

    axis = alt.Axis(values=[0, top / 2, top], format=unit, title=None, domain=False, ticks=False, labelOverlap=False)
    return alt.Y(f"{field}:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=axis)


def _share_axis(top: float, unit: str, field: str = "value") -> alt.X:
    import altair as alt

    axis = alt.Axis(values=[0, top / 2, top], format=unit, title=None, domain=False, ticks=False, labelOverlap=False)
    return alt.X(f"{field}:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=axis)


def pixels(field: str, scale: alt.Scale) -> alt.Y:
    """A place from the top, in pixels."""
    import altair as alt

    return alt.Y(f"{field}:Q", scale=scale, axis=None)


def svg(chart: Any, height: float, says: str, *, left: int = _AXIS, foot: int = _FOOT) -> str:
    import altair as alt
    import vl_convert

    top = _TOP if left == _AXIS else 2
    sized = chart.properties(width=WIDTH - left - EDGE, height=height).configure(
        autosize=alt.AutoSizeParams(type="none"),
        padding={"left": left, "right": EDGE, "top": top, "bottom": foot},
        background="transparent",
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            labelColor=MUTED, gridColor=GRID, tickColor=GRID, domainColor=GRID, labelFontSize=11, labelPadding=5
        ),
        text=alt.MarkConfig(fontSize=12),
    )
    return as_image(vl_convert.vegalite_to_svg(sized.to_dict(validate=False)), says)

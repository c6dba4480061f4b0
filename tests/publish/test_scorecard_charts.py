"""Charts: what is drawn lies where its value is, and only drawing comes through."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import altair as alt
import pytest
from jsonschema import ValidationError

from canonry.publish.scorecard import charts
from canonry.publish.scorecard.charts import Interval, Line, Part
from canonry.publish.scorecard.parts import Model
from canonry.publish.scorecard.svg import as_image
from tests.scorecard_home import Page

OLD, NEW = Model("answerer-1.0", 0), Model("answerer-1.1", 1)
DAYS = (dt.date(2026, 11, 2), dt.date(2026, 11, 11))
Point = tuple[float, float]


def place(element: ElementTree.Element) -> Point:
    """Where an element's transform puts it."""
    found = re.search(r"translate\(([-\d.e]+),([-\d.e]+)\)", element.attrib["transform"])
    assert found
    return float(found[1]), float(found[2])


def marks(drawn: str, kind: str, tag: str) -> list[ElementTree.Element]:
    """Elements of the marks of a kind, axes aside."""
    groups = ElementTree.fromstring(drawn).iter("g")
    return [
        each
        for group in groups
        if f"mark-{kind} role-mark" in group.attrib.get("class", "")
        for each in group.iter(tag)
    ]


def ticks(drawn: str, axis: int) -> dict[str, float]:
    """Where each label of an axis stands: along x for 0, along y for 1."""
    groups = ElementTree.fromstring(drawn).iter("g")
    labels = [
        each for group in groups if "role-axis-label" in group.attrib.get("class", "") for each in group.iter("text")
    ]
    return {str(each.text): place(each)[axis] for each in labels if each.text}


def test_an_interval_reaches_from_its_low_to_its_high_end_with_its_point_between() -> None:
    intervals = [
        Interval(OLD, "answerer-1.0", 0.125, 0.06, 0.21, "12.5% (6.0–21.0) n 57"),
        Interval(NEW, "answerer-1.1", 0.34, 0.25, 0.46, "34.0% (25.0–46.0) n 57"),
    ]
    drawn = charts.forest([("docs", intervals)], top=0.6, says="Two intervals")
    at = ticks(drawn, 0)
    zero, width = at["0%"], (at["60%"] - at["0%"]) / 0.6
    rules, points = marks(drawn, "rule", "line"), marks(drawn, "symbol", "path")
    assert len(rules) == len(points) == 2
    for each, rule, point in zip(intervals, rules, points, strict=True):
        assert each.value is not None
        left, height = place(rule)
        ends = sorted((left, left + float(rule.attrib["x2"])))
        assert ends == pytest.approx([zero + each.low * width, zero + each.high * width], abs=0.6)
        assert place(point) == pytest.approx((zero + each.value * width, height), abs=0.6)
        assert each.model is not None and rule.attrib["stroke"] == charts.color(each.model.place)
    written = [text.text for text in ElementTree.fromstring(drawn).iter("text")]
    assert {"docs", *(each.label for each in intervals), *(each.said for each in intervals)} <= set(written)


def test_a_refused_estimate_is_named_and_not_drawn() -> None:
    refused = Interval(OLD, "answerer-1.0", None, 0.0, 0.0, "refused: 3 labels, fewer than 10")
    drawn = charts.forest([(None, [refused])], top=1.0, says="Refused")
    assert not marks(drawn, "rule", "line") and not marks(drawn, "symbol", "path")
    assert "refused: 3 labels, fewer than 10" in drawn


def test_upright_intervals_stand_on_their_day() -> None:
    values = [(DAYS[0], 0.1, 0.02, 0.3), (DAYS[1], 0.2, 0.15, 0.4)]
    drawn = charts.intervals_over_days(NEW, values, DAYS, top=0.4, says="Intervals over days")
    up, along = ticks(drawn, 1), ticks(drawn, 0)
    assert [label for label in along if "Nov" in label] == ["2 Nov", "4 Nov", "6 Nov", "8 Nov", "10 Nov"]
    floor, height = up["0%"], (up["0%"] - up["40%"]) / 0.4
    day = (along["10 Nov"] - along["2 Nov"]) / 8
    for (when, value, low, high), rule, point in zip(
        values, marks(drawn, "rule", "line"), marks(drawn, "symbol", "path"), strict=True
    ):
        x, top = place(rule)
        ends = sorted((top, top + float(rule.attrib["y2"])))
        label = 3.5  # pixels from a label's baseline to its tick
        assert ends == pytest.approx([floor - high * height - label, floor - low * height - label], abs=0.8)
        assert x == pytest.approx(along["2 Nov"] + (when - DAYS[0]).days * day, abs=0.8)
        assert place(point) == pytest.approx((x, floor - value * height - label), abs=0.8)


def test_bars_are_as_high_as_their_values() -> None:
    drawn = charts.bars([(DAYS[0], 1.0), (DAYS[1], 4.0)], DAYS, top=4, unit="~f", says="Bars")
    heights = [
        float(found[1])
        for each in marks(drawn, "rect", "path")
        if (found := re.search(r"v([\d.]+)h", each.attrib["d"]))
    ]
    assert heights == pytest.approx([27.5, 110], abs=0.1)


def test_a_line_breaks_where_a_day_has_no_value() -> None:
    days = [DAYS[0] + dt.timedelta(days=each) for each in range(5)]
    whole = charts.lines([Line("p95", [(day, 5.0) for day in days])], DAYS, top=10, unit="~f", says="Line")
    broken = charts.lines(
        [Line("p95", [(day, None if number == 2 else 5.0) for number, day in enumerate(days)])],
        DAYS,
        top=10,
        unit="~f",
        says="Line",
    )
    assert [each.attrib["d"].count("M") for each in marks(whole, "line", "path")] == [1]
    assert [each.attrib["d"].count("M") for each in marks(broken, "line", "path")] == [2]
    assert not marks(broken, "symbol", "path")


def test_a_day_between_days_without_a_value_is_a_point_on_its_line() -> None:
    values = [(DAYS[0], 5.0), (DAYS[0] + dt.timedelta(days=1), None), (DAYS[1], 8.0)]
    drawn = charts.lines([Line("p95", values)], DAYS, top=10, unit="~f", says="Line")
    heights = [place(each)[1] for each in marks(drawn, "symbol", "path")]
    assert heights == pytest.approx([55, 22], abs=0.1)
    one = charts.lines([Line("p95", values[:1])], DAYS, top=10, unit="~f", says="Line")
    assert len(marks(one, "symbol", "path")) == 1


def test_progress_is_drawn_against_what_was_drawn() -> None:
    drawn = charts.progress([Part("docs", 30, 40, "30 of 40"), Part("desk", 0, 20, "0 of 20")], says="Progress")
    widths = [
        float(found[1])
        for each in marks(drawn, "rect", "path")
        if (found := re.search(r"h([\d.]+)v", each.attrib["d"]))
    ]
    full = charts.WIDTH - 28
    assert widths == pytest.approx([full * 0.75, full, 0, full / 2], abs=0.1)


@pytest.mark.parametrize(
    ("values", "top"),
    [([0.698], 0.8), ([0.0102], 0.012), ([0.0121], 0.016), ([17.6, 3], 20), ([], 1), ([0.0], 1), ([1], 1)],
)
def test_an_axis_ends_at_a_round_number_above_all_values(values: list[float], top: float) -> None:
    assert charts.round_top(values) == top


def test_a_name_is_text_whatever_it_holds_and_the_image_says_what_it_shows() -> None:
    name = '<script>"&'
    drawn = charts.lines([Line(name, [(DAYS[0], 1.0)])], DAYS, top=1, unit="~f", says=f"Latency of {name}")
    root = ElementTree.fromstring(drawn)
    assert (root.attrib["role"], root.attrib["aria-label"]) == ("img", f"Latency of {name}")
    assert name in [text.text for text in root.iter("text")]
    assert {each.tag for each in root.iter()} <= {"svg", "g", "path", "line", "text"}


@pytest.mark.parametrize(
    "inside", ["<script>alert(1)</script>", "<foreignObject/>", '<image href="https://example.org/"/>']
)
def test_what_is_not_drawing_is_refused(inside: str) -> None:
    with pytest.raises(ValueError, match="expected drawing only"):
        as_image(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">{inside}</svg>', "An image")


def test_attributes_that_could_act_or_fetch_are_dropped() -> None:
    line = '<path d="M0,0h1" onclick="x()" style="fill:url(x)"/>'
    assert as_image(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">{line}</svg>', "A line") == (
        '<svg viewBox="0 0 1 1" class="chart" role="img" aria-label="A line"><path d="M0,0h1" /></svg>'
    )


def test_the_command_and_the_stage_do_not_import_what_draws() -> None:
    imports = "import sys, canonry.cli, canonry.publish.scorecard"
    program = f"{imports}; print({{'altair', 'vl_convert', 'jinja2'}} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_every_kind_of_chart_holds_to_the_schema_of_vega_lite(drawn: tuple[Page, list[Any]]) -> None:
    assert len(drawn[1]) == drawn[0].html.count("<svg") > 10
    kinds = {tuple(sorted({layer["mark"]["type"] for layer in chart["layer"]})): chart for chart in drawn[1]}
    assert len(kinds) > 2
    for chart in kinds.values():
        alt.Chart.from_dict(chart, validate=True)
    with pytest.raises(ValidationError, match="'tall' is not of type 'number'"):
        alt.Chart.from_dict({**chart, "height": "tall"}, validate=True)

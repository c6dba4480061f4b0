"""The scorecard in a browser: opened from a file, without a network, on a desk and on a phone, by day and by night."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from canonry.client import read_table
from canonry.publish.scorecard import PATH, publish_scorecard
from canonry.storage import Zones, open_zones
from tests.scorecard_home import NOW, publish_marts, publish_rest
from tests.scorecard_rows import COSTS, DAYS, LABELS, OLD, REVIEWERS, cost

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Zones:
    """A home with a scorecard on which one product has a hostile name."""
    zones = open_zones(tmp_path_factory.mktemp("scorecard"))
    publish_marts(zones, [*COSTS, cost(DAYS[2], HOSTILE, OLD, "0.5")])
    publish_rest(zones)
    publish_scorecard(zones, labels=LABELS, candidates=[], reviewers=REVIEWERS, now=NOW)
    return zones


@pytest.fixture
def open_page(browser: Browser, home: Zones) -> Iterator[Open]:
    """Opens the page, or another file; fails where the browser complains, or the page asks for anything but itself."""
    said: list[str] = []
    contexts = []

    def open_file(file: Path | None = None, **context: Any) -> Page:
        contexts.append(browser.new_context(offline=True, **{"viewport": DESK, **context}))
        page = contexts[-1].new_page()
        url = (file or Path(home.published.url, PATH)).as_uri()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: said.append(request.url) if request.url != url else None)
        page.goto(url)
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert said == []


def rows(page: Page, caption: str) -> list[list[str]]:
    """A table's body as the browser shows it."""
    found = page.locator("table", has=page.locator("caption", has_text=caption)).first.locator("tbody tr")
    return [[cell.strip() for cell in row.locator("th, td").all_inner_texts()] for row in found.all()]


def test_the_figures_are_those_of_the_published_tables(open_page: Open, home: Zones) -> None:
    page = open_page()
    costs = read_table("cost_daily", home=home.home).to_pylist()
    products = rows(page, "By team and product")[:-1]
    assert len(products) == 3
    for team, product, dollars, _, calls, *_ in products:
        of_product = [row for row in costs if (row["team"], row["product"]) == (team, product)]
        assert dollars == f"${sum((row['cost'] for row in of_product), Decimal(0)):,.2f}"
        assert calls == f"{sum(row['calls'] for row in of_product):,}"
    quality = read_table("quality_daily", home=home.home).to_pylist()
    shown = rows(page, "Hallucination rate, in figures")
    assert len(shown) == 5
    for product, model, rate, interval, labels, *_ in shown:
        known = [
            (
                "refused" if row["value"] is None else f"{row['value']:.1%}",
                row["refused"] or f"{row['interval_low']:.1%} to {row['interval_high']:.1%}",
                f"{row['labels']} of {row['drawn']}",
            )
            for row in quality
            if (row["product"] or "all", row["response_model"] or "all") == (product, model.split()[-1])
        ]
        assert (rate, interval, labels) in known


def test_intervals_are_drawn_where_their_values_are(open_page: Open, home: Zones) -> None:
    page = open_page()
    drawn = page.locator("svg[aria-label^='Hallucination rate by model version']").evaluate(
        """svg => {
            const box = each => each.getBoundingClientRect();
            const grid = [...svg.querySelectorAll('.role-axis-grid line')].map(each => box(each).x);
            const labels = [...svg.querySelectorAll('.role-axis-label text')].map(each => parseFloat(each.textContent));
            const marks = (kind, tag) => [...svg.querySelectorAll(`.mark-${kind}.role-mark ${tag}`)].map(box);
            const rules = marks('rule', 'line').map(each => [each.left, each.right]);
            const points = marks('symbol', 'path').map(each => (each.left + each.right) / 2);
            return {grid, labels, rules, points};
        }"""
    )
    zero, end = drawn["grid"][0], drawn["grid"][-1]
    pixels = (end - zero) / (drawn["labels"][-1] / 100)
    table = {
        (row["day"], row["slice"], row["response_model"]): row
        for row in read_table("quality_daily", home=home.home).to_pylist()
    }
    wanted = [
        table[DAYS[9], "all", None],
        table[DAYS[4], "response_model", OLD],
        table[DAYS[9], "response_model", "answerer-1.1"],
    ]
    for row, (left, right), point in zip(wanted, drawn["rules"], drawn["points"], strict=True):
        ends = [zero + row["interval_low"] * pixels, zero + row["interval_high"] * pixels]
        assert [left, right] == pytest.approx(ends, abs=1.5)
        assert point == pytest.approx(zero + row["value"] * pixels, abs=1.5)


def test_text_from_outside_is_only_text(open_page: Open) -> None:
    page = open_page()
    assert HOSTILE in page.locator("main").inner_text()
    assert page.locator("script, img, iframe, object, link").count() == 0


def test_the_policy_lets_no_script_run(browser: Browser, home: Zones) -> None:
    with browser.new_context(offline=True) as context:
        page = context.new_page()
        page.goto(Path(home.published.url, PATH).as_uri())
        ran = page.evaluate(
            """() => {
                const script = document.createElement('script');
                script.textContent = 'window.ran = true';
                document.body.append(script);
                return window.ran ?? false;
            }"""
        )
        assert ran is False


@pytest.mark.parametrize("viewport", [PHONE, {"width": 320, "height": 640}, DESK])
def test_the_page_never_scrolls_sideways_and_wide_tables_do_inside_themselves(
    open_page: Open, viewport: dict[str, int]
) -> None:
    page = open_page(viewport=viewport)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    cut = page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(each => {
            const inside = each.closest('.scroll') || each.closest('svg') || each.closest('.skip');
            return !inside && each.getBoundingClientRect().right > window.innerWidth + 1;
        }).map(each => each.outerHTML.slice(0, 80))"""
    )
    assert cut == []
    if viewport == PHONE:
        wide = page.locator(".scroll", has=page.locator("caption", has_text="By team, product, feature"))
        assert wide.evaluate("each => each.scrollWidth > each.clientWidth")
        wide.evaluate("each => each.scrollLeft = 50")
        assert wide.evaluate("each => each.scrollLeft") == 50
        smallest = page.evaluate(
            """() => Math.min(...[...document.querySelectorAll('svg text')].map(
                each => parseFloat(getComputedStyle(each).fontSize) * each.getScreenCTM().a))"""
        )
        assert smallest >= 10


def test_it_can_be_read_by_ear_and_by_keyboard(open_page: Open) -> None:
    page = open_page()
    levels = page.eval_on_selector_all("h1, h2, h3, h4", "found => found.map(each => +each.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator("html").get_attribute("lang") == "en"
    assert [page.locator(landmark).count() for landmark in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]
    wrong = page.evaluate(
        """() => ({
            unnamed: [...document.querySelectorAll('svg')].filter(
                each => each.getAttribute('role') !== 'img' || (each.ariaLabel || '').length < 20).length,
            headless: [...document.querySelectorAll('table')].filter(
                each => !each.caption || !each.querySelector('thead th[scope=col]')
                    || each.querySelectorAll('tbody tr').length !== each.querySelectorAll('tbody th[scope=row]').length
            ).length,
            nowhere: [...document.querySelectorAll('a')].filter(each => !document.querySelector(each.hash)).length,
            twice: [...document.querySelectorAll('[id]')].filter(
                (each, at, all) => all.some((other, where) => where < at && other.id === each.id)).length,
            unreachable: [...document.querySelectorAll('.scroll')].filter(each => each.tabIndex !== 0).length,
            chartless: [...document.querySelectorAll('section')].filter(
                each => each.querySelector('svg') && !each.querySelector('table')).length,
        })"""
    )
    assert set(wrong.values()) == {0}, wrong
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.wait_for_url("**/index.html#overview")


CONTRASTS = """() => {
    const channels = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(each => each / 255)
        .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
    const ratio = (one, other) => {
        const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const ground = each => {
        for (; each; each = each.parentElement) {
            const found = channels(getComputedStyle(each).backgroundColor);
            if (found.length === 3 || found[3] > 0) return found;
        }
    };
    const found = {text: [], marks: []};
    for (const each of document.querySelectorAll('body *')) {
        const own = [...each.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
        const style = getComputedStyle(each);
        if (own && each.tagName !== 'STYLE' && each.checkVisibility()) {
            const ink = each.closest('svg') ? style.fill : style.color;
            found.text.push([ratio(channels(ink), ground(each)), each.textContent.trim().slice(0, 40)]);
        }
        if (each.closest('[class*=role-mark]') && ['path', 'line'].includes(each.tagName)) {
            const paint = style.fill === 'none' || each.tagName === 'line' ? style.stroke : style.fill;
            const over = +style.opacity, back = ground(each);
            const seen = channels(paint).slice(0, 3).map((value, at) => value * over + back[at] * (1 - over));
            found.marks.push([ratio(seen, back), each.outerHTML.slice(0, 80)]);
        }
    }
    return found;
}"""


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_text_and_marks_stand_out_from_the_ground(open_page: Open, color_scheme: str) -> None:
    page = open_page(color_scheme=color_scheme)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 27)"}[color_scheme]
    found = page.evaluate(CONTRASTS)
    assert len(found["text"]) > 200 and len(found["marks"]) > 50
    assert min(found["text"])[0] >= 4.5, min(found["text"])
    assert min(found["marks"])[0] >= 3, min(found["marks"])


def test_model_versions_differ_in_shape_as_well_as_in_colour(open_page: Open) -> None:
    page = open_page()
    shapes = page.locator("svg[aria-label^='Hallucination rate by model version'] .mark-symbol path").evaluate_all(
        "found => found.map(each => [each.getAttribute('d'), each.getAttribute('fill')])"
    )
    assert len(shapes) == 3 and len({shape for shape, _ in shapes[1:]}) == len({fill for _, fill in shapes[1:]}) == 2
    marks = page.locator(".key .mark").all_inner_texts()
    assert len(marks) == len(set(marks)) == 2


def test_an_empty_home_has_a_page_too(open_page: Open, tmp_path: Path) -> None:
    zones = open_zones(tmp_path)
    publish_scorecard(zones, labels=[], candidates=[], now=NOW)
    page = open_page(Path(zones.published.url, PATH), viewport=PHONE)
    assert page.get_by_text("is not published yet").count() == 4
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

"""The scorecard shows what is published and nothing else, and says what is not there yet."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from typer.testing import CliRunner

from canonry import lake
from canonry.cli import app
from canonry.publish.scorecard import PATH, current_page, publish_scorecard
from canonry.storage import Zones
from tests.scorecard_home import NOW, Page, page, publish, publish_marts, publish_rest
from tests.scorecard_rows import COSTS, DAYS, FEEDBACK, LABELS, NEW, OLD, QUALITY, REVIEWERS, cost, estimate, feedback

ROOT = Path(__file__).parent.parent.parent
HOSTILE = "<script>alert(1)</script>"


def test_costs_are_those_of_the_table(shown: Page) -> None:
    tables = shown.tables
    docs, desk, every = tables["By team and product"][1:]
    spent = sum((row["cost"] for row in COSTS if row["product"] == "docs"), Decimal(0))
    assert docs == ["writers", "docs", f"${spent}", f"${spent / 10:.2f}", "12,000", "2,000", "120", "345,670", "23,450"]
    assert desk[2:4] == ["$2.50", "$0.25"]
    assert every[0] == "all" and every[2] == f"${sum(row['cost'] for row in COSTS)}"
    assert [row[0].split()[-1] for row in tables["By model version"][1:-1]] == [OLD, NEW]
    assert tables["Cost a day by team, US dollars"][1] == ["11 Nov 2026", "$0.25", "$2.10"]


def test_feedback_has_both_figures_of_the_last_four_weeks_with_their_intervals(shown: Page) -> None:
    rows = shown.tables["Feedback in figures"][1:]
    assert rows[0] == ["Thumb", "all", "all", "1,000", "120 (12.0%)", "70.0%", "65.0% to 75.0%", "55.0%",
                       "45.0% to 65.0%", "81", "people"]  # fmt: skip
    thumbs = [row[1:3] + row[5:9:2] for row in rows if row[0] == "Thumb"]
    assert thumbs[1] == ["docs", "all", "72.0%", "60.0%"]
    assert {row[1].split(" ")[-1]: row[2:] for row in thumbs[2:]} == {
        OLD: ["75.0%", "61.0%"],
        NEW: ["40.0%", "refused"],
    }
    assert [row[0] for row in rows].count("Copied") == 2
    assert "raw 70.0%, reweighted 55.0%, 45.0% to 65.0%, of 120 answers" in shown.html
    assert "refused, 24 responses, fewer than 30" in shown.html
    assert "It cannot correct for users who speak up only when they are content" in shown.text


def test_labels_indexes_gold_and_what_is_simulated_are_shown(shown: Page) -> None:
    waiting = shown.tables["Label progress in figures"]
    assert waiting[1] == ["grounded 1", "docs", "84", "84", "63", "7", "14", "9 Nov 2026", "11 Nov 2026"]
    assert waiting[2][6:] == ["40", "nothing sent waits", "nothing sent waits"]
    assert shown.tables["Reviewers, four weeks up to the newest answer"][1:] == [
        ["grounded 1", "aaaaaaaa", "50", "12.5", "3", "24 s", "73 s", "11 Nov 2026", "people"],
        ["grounded 1", "bbbbbbbb", "13", "3.2", "3", "not said", "not said", "11 Nov 2026", "people"],
    ]
    assert "a" * 9 not in shown.html
    [index] = shown.tables["Released versions"][1:]
    assert index[2:5] == ["in production", "20 Nov 2026, 08:30 UTC", "passed"]
    assert index[5:] == [
        "0.995 (at least 0.991, 95% confidence)",
        "98.3% of 120",
        "+0.8 points (−1.2 to +3.0)",
        "1,445",
    ]
    assert shown.tables["Gold sets in production: items whose reviewers agree"][1][1:] == [
        "60",
        "no 15 and yes 45",
        "2",
        "60",
    ]
    assert "Calls of docs: a program made up their product and started_at." in shown.text
    assert "Labels: a program played the reviewers." in shown.text
    assert "Feedback: a program" not in shown.text


def test_what_was_rejected_is_counted_without_what_people_wrote(shown: Page) -> None:
    assert [row[0] for row in shown.tables["What was rejected, and why"][1:]] == [
        "started_at: … is not an ISO 8601 time",
        "product: missing",
    ]
    assert [row[-1] for row in shown.tables["What was rejected, and why"][1:]] == ["3", "1"]
    assert "Jane" not in shown.html and "secret" not in shown.html


def test_candidates_that_a_gate_held_back_are_shown_with_why(filled: Zones) -> None:
    gate = {"passed": False, "reasons": ["recall@10 is 0.7: too low"], "flags": []}
    passed = {"index": "manual", "version": "fedcba9876543210", "gate": {"passed": True, "reasons": []}}
    publish(filled, [{"index": "manual", "version": "0123456789abcdef", "gate": gate}, passed])
    shown = Page(filled.published.read(PATH).decode())
    [held] = shown.tables["Held back by the gate: built, judged, and not released"][1:]
    assert held[:3] == ["manual", "0123456789abcdef", "recall@10 is 0.7: too low"]
    assert "The gate holds back 1 index candidate:" in shown.text


def test_calls_without_a_price_make_a_sum_a_lower_bound(zones: Zones) -> None:
    publish_marts(
        zones,
        [*COSTS, cost(DAYS[0], "docs", None, None, priced_calls=0, unpriced_calls=1_000)],
        QUALITY[:1],
        FEEDBACK[:1],
    )
    shown = page(zones)
    assert shown.tables["By team and product"][1][2].startswith("at least $")
    assert ["not said", "at least $0.00", "none", "1,200", "200", "12", "34,567", "2,345"] in [
        [row[0].split(" ", 1)[-1], *row[1:]] for row in shown.tables["By model version"]
    ]
    assert "1,000 calls have no price" in shown.text


def test_text_from_outside_is_escaped_and_nothing_may_run(zones: Zones) -> None:
    name = f"{HOSTILE}\x0b\u202e"
    quality = [estimate(DAYS[9], name, 0.3, 0.2, 0.4, product=name), estimate(DAYS[9], name, 0.3, 0.2, 0.4)]
    said = [feedback("thumb", name, 0.5, 0.5, refused=HOSTILE, response_model=name)]
    publish_marts(zones, [cost(day, name, name, "1.5") for day in DAYS], quality, said)
    publish_rest(zones)
    call = {"inference_id": "1", "product": name, "attributes": json.dumps({"simulated": [name]})}
    lake.write(zones.lake, "inferences", DAYS[-1], pa.Table.from_pylist([call], lake.SCHEMAS["inferences"]), {})
    shown = page(zones)
    assert HOSTILE in shown.text
    assert HOSTILE not in shown.html
    assert not {tag for tag, _ in shown.elements} & {"script", "iframe", "object", "embed", "link", "img", "form"}
    assert not [
        name for _, attributes in shown.elements for name in attributes if name.startswith("on") or name == "style"
    ]
    assert "\u202e" not in shown.html and "\x0b" not in shown.html
    [policy] = [each["content"] for _, each in shown.elements if each.get("http-equiv") == "Content-Security-Policy"]
    style = shown.html.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not [value for _, each in shown.elements if (value := each.get("href")) and not value.startswith("#")]


def test_the_same_inputs_give_the_same_bytes_wherever_they_are_made(filled: Zones) -> None:
    first = publish(filled)
    again = publish_scorecard(
        filled, labels=LABELS, candidates=[], reviewers=REVIEWERS, now=NOW + dt.timedelta(hours=1)
    )
    assert (again.state, again.release.version) == ("unchanged", first.release.version)
    program = (
        "import hashlib, sys; from tests.scorecard_rows import FEEDBACK, QUALITY, LABELS, REVIEWERS;"
        "from canonry.storage import open_zones;"
        "from canonry.publish.scorecard.read import read_inputs; from canonry.publish.scorecard.page import render;"
        "inputs = read_inputs(open_zones(sys.argv[1]), labels=LABELS, candidates=[], reviewers=REVIEWERS);"
        "page = render(inputs);"
        "print(hashlib.sha256(page).hexdigest())"
    )
    elsewhere = {
        **os.environ,
        "TZ": "Pacific/Auckland",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "7",
        "PYTHONPATH": str(ROOT),
    }
    found = subprocess.run(
        [sys.executable, "-c", program, filled.home], env=elsewhere, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == first.release.manifest.files["index.html"].sha256


def test_the_page_in_production_lies_at_a_path_that_stays(zones: Zones) -> None:
    publish_marts(zones, COSTS, QUALITY[:1], FEEDBACK[:1])
    first = publish(zones)
    publish_marts(zones, COSTS[2:], QUALITY[:1], FEEDBACK[:1])
    second = publish(zones)
    assert second.state == "moved"
    assert zones.published.read(PATH) == second.release.read("index.html")
    arguments = ["releases", "rollback", "scorecard", "platform", "--reason", "a day is missing"]
    done = CliRunner(env={"CANONRY_HOME": zones.home}).invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert zones.published.read(PATH) == first.release.read("index.html")
    assert current_page(zones) == f"{zones.published.url}/{PATH}"
    assert publish(zones).state == "withdrawn"
    assert zones.published.read(PATH) == first.release.read("index.html")


def test_an_empty_home_has_a_page_that_says_how_it_is_filled(zones: Zones) -> None:
    publish_scorecard(zones, labels=[], candidates=[], now=NOW)
    shown = Page(zones.published.read(PATH).decode())
    for name in ("cost_daily", "feedback_daily", "latency_hourly", "quality_daily"):
        assert f"The table {name} is not published yet" in shown.text
    assert "Nothing is drawn for labeling yet" in shown.text and "No index is released yet" in shown.text
    assert shown.text.count("make demo") == 6
    assert not [tag for tag, _ in shown.elements if tag == "svg"]


def test_what_is_older_than_thirteen_weeks_is_left_out(zones: Zones) -> None:
    long_ago = [cost(DAYS[-1] - dt.timedelta(days=91), "ancient", OLD, "9"), *COSTS]
    publish_marts(zones, long_ago, QUALITY[:1], FEEDBACK[:1])
    shown = page(zones)
    assert "Calls of 2–11 Nov 2026" in shown.text
    assert "ancient" not in shown.html
    publish_marts(zones, [{**long_ago[0], "day": DAYS[-1] - dt.timedelta(days=90)}, *COSTS], QUALITY[:1], FEEDBACK[:1])
    assert "ancient" in page(zones).html


def test_many_products_and_models_are_charted_in_part_and_tabled_in_full(zones: Zones) -> None:
    many = [cost(DAYS[0], f"product-{each:02}", f"model-{each:02}", f"{each + 1}") for each in range(30)]
    publish_marts(zones, many, QUALITY[:1], FEEDBACK[:1])
    shown = page(zones)
    assert "The 6 largest of 30; the tables have all." in shown.text
    assert shown.html.count("<summary>By team and product</summary>") == 1
    assert [row[1] for row in shown.tables["By team and product"][1:-1]] == [
        f"product-{29 - each:02}" for each in range(30)
    ]

"""The scorecard on quality: intervals and counts, what surely differs, and what is refused or planned."""

from __future__ import annotations

import json

from canonry.storage import Zones
from tests.scorecard_home import Page, page, publish_marts, publish_rest
from tests.scorecard_rows import DAYS, FEEDBACK, NEW, OLD, QUALITY, Row, estimate


def test_quality_has_its_interval_its_counts_and_who_labeled(shown: Page) -> None:
    rows = {
        tuple(cell.split(" ")[-1] for cell in row[:2]): row[2:]
        for row in shown.tables["Hallucination rate, in figures"]
    }
    assert rows["all", OLD] == [
        "12.5%",
        "6.0% to 21.0%",
        "57 of 60",
        "4,321",
        "31 Oct – 6 Nov 2026",
        "a program",
        "labels alone",
        "not compared",
    ]
    assert rows["desk", NEW][:2] == ["refused", "3 labels, fewer than 10"]
    assert (
        f"The hallucination rate of {NEW} is surely higher than that of {OLD}: 25.0% to 46.0% against 6.0% to 21.0% "
        "(p below 0.001). The labels were made by a program."
    ) in shown.text
    assert QUALITY[0]["estimand"] in shown.text


def test_a_version_is_shown_where_it_is_known_best_and_a_mixture_as_it_is_now(zones: Zones) -> None:
    quality = [
        estimate(DAYS[4], OLD, 0.11, 0.05, 0.2, labels=124),
        estimate(DAYS[9], OLD, 0.22, 0.05, 0.5, labels=17),
        estimate(DAYS[4], None, 0.12, 0.06, 0.21, labels=134),
        estimate(DAYS[9], None, 0.33, 0.22, 0.43, labels=132),
    ]
    publish_marts(zones, quality=quality, said=FEEDBACK[:1])
    rows = page(zones).tables["Hallucination rate, in figures"][1:]
    assert [row[1:3] for row in rows] == [["all", "33.0%"], [f"● {OLD}", "11.0%"]]


def test_estimates_from_scores_are_read_and_those_from_labels_alone_stand_beside_them(zones: Zones) -> None:
    powered = {"estimator": "prediction_powered", "preferred": True, "labels_worth": 98.4}
    alone = {"estimator": "human_only", "preferred": False, "labels_worth": None}
    absent = {**powered, "preferred": False, "refused": "scores are missing", "labels_worth": None}
    known = {**alone, "preferred": True}
    quality = [
        estimate(DAYS[9], OLD, 0.14, 0.1, 0.19, **powered),
        estimate(DAYS[9], OLD, 0.12, 0.05, 0.23, **alone),
        estimate(DAYS[9], NEW, 0.31, 0.24, 0.42, **known),
        estimate(DAYS[9], NEW, None, 0, 1, **absent),
    ]
    publish_marts(zones, quality=quality, said=FEEDBACK[:1])
    publish_rest(zones)
    shown = page(zones)
    rows = shown.tables["Hallucination rate, in figures"][1:]
    assert [(row[2], row[3], row[-2]) for row in rows] == [
        ("14.0%", "10.0% to 19.0%", "labels and scores, as narrow as 98 labels alone: 41 saved"),
        ("12.0%", "5.0% to 23.0%", "labels alone"),
        ("31.0%", "24.0% to 42.0%", "labels alone"),
        ("refused", "scores are missing", "labels and scores"),
    ]
    assert f"The hallucination rate of {NEW} is surely higher than that of {OLD}" in shown.text
    assert "from labels alone" in shown.text
    assert (
        "Each figure is shown from labels and an automatic score of every answer, and from labels alone; what stands "
        "after a + are the labels that scores saved."
    ) in shown.text


def test_slices_by_prompt_version_are_shown_and_which_surely_differs_from_the_rest(zones: Zones) -> None:
    rest = {"rest_value": 0.1, "rest_low": 0.06, "rest_high": 0.15, "p_value": 0.001, "adjusted_p_value": 0.002}
    slices = {"slice": "prompt_name,prompt_version", "prompt_name": "docs-answer", "response_model": None}
    quality = [
        estimate(DAYS[9], OLD, 0.2, 0.1, 0.3),
        estimate(DAYS[9], OLD, 0.4, 0.3, 0.5, **slices, **rest, prompt_version="v2", differs="higher"),
        estimate(DAYS[9], OLD, 0.12, 0.06, 0.2, **slices, **rest, prompt_version="v1", differs="open"),
    ]
    publish_marts(zones, quality=quality, said=FEEDBACK[:1])
    shown = page(zones)
    rows = shown.tables["Hallucination rate, in figures"][1:]
    assert [(row[0], row[1], row[-1]) for row in rows[1:]] == [
        ("prompt docs-answer, prompt version v2", "all", "surely higher than 10.0% (6.0% to 15.0%)"),
        ("prompt docs-answer, prompt version v1", "all", "open: 10.0% (6.0% to 15.0%)"),
    ]
    assert (
        "The hallucination rate of prompt docs-answer, prompt version v2, 30.0% to 50.0%, is surely higher than 10.0% "
        "(6.0% to 15.0%) of the rest, with a false discovery rate of 5 % among 2 such comparisons."
    ) in shown.text
    assert "By prompt name and prompt version" in shown.text


def test_a_difference_that_chance_might_make_is_left_open(zones: Zones) -> None:
    quality = [estimate(DAYS[4], OLD, 0.125, 0.06, 0.25), estimate(DAYS[9], NEW, 0.25, 0.16, 0.36)]
    publish_marts(zones, quality=quality, said=FEEDBACK[:1])
    publish_rest(zones)
    text = page(zones).text
    assert f"Whether the hallucination rate of {NEW} differs from that of {OLD} is open" in text
    assert "surely higher" not in text


def test_among_many_comparisons_a_difference_must_be_clearer(zones: Zones) -> None:
    apart = (estimate(DAYS[4], OLD, 0.125, 0.06, 0.22), estimate(DAYS[9], NEW, 0.27, 0.18, 0.37))
    alike = [{**row, "value": 0.2, "interval_low": 0.1, "interval_high": 0.3, "eval": f"other-{each}"}
             for row in apart for each in range(4)]  # fmt: skip
    for quality, word in (([*apart], "surely higher"), ([*apart, *alike], "is open")):
        publish_marts(zones, quality=quality, said=FEEDBACK[:1])
        publish_rest(zones)
        text = page(zones).text
        assert word in text
    assert "surely higher" not in text
    assert "one of 5 comparisons with a false discovery rate of 5 %" in text


def test_agreement_is_that_of_the_last_quarter_with_its_interval_or_why_not(shown: Page) -> None:
    rows = shown.tables["Agreement of reviewers in figures"][1:]
    assert [row[:6] for row in rows] == [
        ["grounded 1", "grounded", "0.74", "0.61 to 0.85", "48", "3"],
        ["grounded 1", "spans.unsupported", "refused", "4 items with two answers, fewer than 20", "48", "3"],
    ]
    assert all(row[7] == "a program" for row in rows)


def test_a_plan_is_shown_beside_the_interval_that_came_of_it(zones: Zones) -> None:
    publish_marts(
        zones, quality=[estimate(day, None, 0.2, 0.1, 0.1 + width) for day, width in ((DAYS[4], 0.3), (DAYS[9], 0.15))]
    )
    plan: Row = {"eval": "hallucination", "width": 0.1, "expected_width": 0.098, "per_day": 71}
    plan["day"] = DAYS[5].isoformat()
    for number, each in enumerate(
        (plan, {**plan, "day": DAYS[4].isoformat()}, {**plan, "width": 0.02, "per_day": None})
    ):
        zones.journal.put(f"plans/grounded/v1/{number}.json", json.dumps(each).encode())
    zones.journal.put("plans/other/v1/0.json", json.dumps({**plan, "eval": "other"}).encode())
    assert page(zones).tables["Labels planned, and the intervals that came of it"][1:] == [
        ["hallucination", "7 Nov 2026", "71", "10.0 points", "9.8 points", "15.0 points, 11 Nov 2026"],
        ["hallucination", "7 Nov 2026", "out of reach", "2.0 points", "9.8 points", "15.0 points, 11 Nov 2026"],
        ["other", "7 Nov 2026", "71", "10.0 points", "9.8 points", "not yet"],
    ]


def test_estimates_without_labels_are_refused_and_drawn_nowhere(zones: Zones) -> None:
    publish_marts(zones, quality=[estimate(DAYS[9], OLD, None, 0, 1, labels=3)], said=FEEDBACK[:1])
    shown = page(zones)
    assert shown.tables["Hallucination rate, in figures"][1][2:4] == ["refused", "3 labels, fewer than 10"]
    assert "Hallucination rate over time" not in shown.text

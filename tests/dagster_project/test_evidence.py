"""What assets show of themselves reads well, and text from outside cannot leave its place."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa

from canonry.index.answers import HitRate, Measure
from canonry.index.gate import GateReport
from canonry.index.recall import Recall
from canonry.index.soundness import Check
from canonry.label.progress import LabelProgress
from canonry.label.reviewers import ReviewerProgress
from dagster_project.evidence import bars, by_hour, gated, governed, intervals, labeling, preview


def test_a_preview_leaves_out_empty_columns_and_escapes_text() -> None:
    table = pa.table({"id": ["a|b"], "nothing": pa.nulls(1), "text": ["<script>\n" + "x" * 100]})
    header, _, row = preview(table).md_str.splitlines()
    assert header == "| id | text |"
    assert row.startswith("| a\\|b | &lt;script> x")
    assert row.endswith("… |")


def test_bars_are_in_proportion_the_largest_first() -> None:
    _, first, second, _ = bars({"small": 1, "large": 4, "none": 0}, " USD").md_str.splitlines()
    assert first.split() == ["large", "█" * 24, "4", "USD"]
    assert second.split() == ["small", "█" * 6, "1", "USD"]


def test_calls_by_hour_are_a_column_an_hour() -> None:
    moments = [dt.datetime(2026, 11, 2, hour) for hour in (0, 0, 23)]
    line = by_hour(pa.chunked_array([pa.array(moments, pa.timestamp("us"))])).md_str.splitlines()[1]
    assert line.strip() == "│█" + " " * 22 + "▄│  highest 2 in an hour"


def test_intervals_are_drawn_to_one_scale_and_refused_ones_left_out() -> None:
    row = {"product": "a`b", "response_model": None, "value": 0.25, "interval_low": 0.0, "interval_high": 0.5}
    refused = {"product": "c", "response_model": None, "value": None, "interval_low": None, "interval_high": None}
    lines = intervals([{**row, "labels": 7}, {**refused, "labels": 0}]).md_str.splitlines()
    assert lines[1] == f"a'b  ├{'─' * 11}●{'─' * 11}┤  25.0% [0.0%, 50.0%] n=7"
    assert len(lines) == 3


def test_an_asset_leads_to_its_yaml() -> None:
    (reference,) = governed("schemes", "groundedness")["dagster/code_references"].code_references
    assert reference.label == "assets/schemes/groundedness.yaml"
    assert reference.file_path.endswith("/assets/schemes/groundedness.yaml")


def test_labeling_says_what_waits_since_when_and_what_each_reviewer_did() -> None:
    since = dt.datetime(2026, 11, 9, 1)
    waits = LabelProgress("s", 1, "docs", 9, 9, 4, 1, oldest_waits_since=since, half_wait_since=since)
    done = LabelProgress("s", 1, "desk", 3, 3, 3, 0)
    reviewer = ReviewerProgress("s", 1, "a" * 32, 6, 1, 4, 24.0, 70.0, dt.date(2026, 11, 11), False)
    shown = labeling([waits, done], [reviewer])
    assert (shown["drawn"], shown["labeled"], shown["skipped"]) == (12, 7, 1)
    assert shown["oldest_waits_since"] == "2026-11-09T01:00:00"
    assert "| 6 | 1 | 1.5 | 24 | 70 | 2026-11-11 |" in shown["reviewers"].md_str
    assert labeling([done], []).keys() == {"drawn", "exported", "labeled", "skipped", "recalled"}


def test_a_gate_shows_its_figures_and_all_that_it_said() -> None:
    report = GateReport(
        True,
        ("recall@10 is <1>",),
        ("first release",),
        Recall(0.5, 0.25, 4, False),
        HitRate(0.75, 4, 0),
        None,
        {"ndcg_at_10": Measure(0.7)},
        checks=(Check("empty_chunks", True, 0.0, 0.01, "0 chunks are empty"),),
    )
    shown = gated(report.to_metadata())
    assert {name: shown[name] for name in shown if name != "gate"} == {
        "recall_at_10": 0.5,
        "hit_rate_at_10": 0.75,
        "ndcg_at_10": 0.7,
    }
    assert shown["gate"].value == "- recall@10 is &lt;1>\n- 0 chunks are empty\n- first release"

"""The tables against a computation of their figures by other means, in Python and pandas, from the same events."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from canonry import lake

from .conftest import DAYS, ENVELOPE, MARTS, Tables


def test_cost_daily_is_the_sum_of_the_charges(tables: Tables) -> None:
    calls = {row["inference_id"]: row for row in tables.world.inferences}
    names = ("team", "product", "feature", "provider", "response_model", "prompt_name", "prompt_version")
    key = {name: (row["started_at"].date(), *(row[each] for each in names)) for name, row in calls.items()}
    statuses, costs = defaultdict(set), defaultdict(list)
    for row in lake.read(tables.zones.lake, "charges", DAYS).to_pylist():
        statuses[row["inference_id"]].add(row["status"])
        if row["amount"] is not None:
            costs[key[row["inference_id"]]].append(row["amount"])
    expected = {
        group: {
            "calls": len(members),
            "unpriced_calls": sum("unpriced" in statuses[name] for name in members),
            "unmeasured_calls": sum(
                "unmeasured" in statuses[name] and "unpriced" not in statuses[name] for name in members
            ),
            "free_calls": sum(statuses[name] == {"free"} for name in members),
            "input_tokens": sum(calls[name]["input_tokens"] for name in members),
            "output_tokens": sum(calls[name]["output_tokens"] or 0 for name in members),
            "cost": sum(costs[group], Decimal(0)) if costs[group] else None,
        }
        for group, members in groups(key).items()
    }
    rows = tables.rows("cost_daily")
    found = {(row["day"], *(row[name] for name in names)): row for row in rows}
    assert len(rows) == len(found) == len(expected) > 100
    for group, figures in expected.items():
        assert {name: found[group][name] for name in figures} == figures, group
    assert sum(row["unpriced_calls"] for row in rows) > 0 < sum(row["unmeasured_calls"] for row in rows)


def test_latency_hourly_has_exact_quantiles(tables: Tables) -> None:
    frame = pd.DataFrame(tables.world.inferences)
    frame["hour"] = frame["started_at"].dt.floor("h")
    frame["latency_ms"] = frame["latency_ms"].astype(float)
    by = frame.groupby(["hour", "product", "provider", "response_model"], dropna=False)
    expected = pd.DataFrame(
        {
            "calls": by.size(),
            "errors": by["error_type"].count(),
            "cache_hits": by["cache_hit"].agg(lambda hits: sum(hit is True for hit in hits)),
            "latency_p50_ms": by["latency_ms"].quantile(0.5).round(3),
            "latency_p95_ms": by["latency_ms"].quantile(0.95).round(3),
            "latency_p99_ms": by["latency_ms"].quantile(0.99).round(3),
        }
    ).reset_index()
    found = pd.DataFrame(tables.rows("latency_hourly"))[list(expected.columns)]
    order = ["hour", "product", "provider", "response_model"]
    pd.testing.assert_frame_equal(
        found.sort_values(order).reset_index(drop=True),
        expected.sort_values(order).reset_index(drop=True),
        check_dtype=False,
        atol=0.0011,
        rtol=0,
    )


def test_quality_daily_keeps_estimates_with_interval_counts_and_refusals(tables: Tables) -> None:
    rows = [row for row in tables.rows("quality_daily") if row["eval"] == "hallucination-rate"]
    assert len(rows) == len(tables.world.estimates) == 2 * len(DAYS)
    estimate, refused = (next(row for row in rows if row["product"] == name) for name in ("search", "helpdesk"))
    assert (estimate["value"], estimate["interval_low"], estimate["interval_high"]) == (0.2, 0.1, 0.3)
    assert (estimate["labels"], estimate["simulated"], estimate["estimand"]) == (40, True, "these calls")
    assert (refused["value"], refused["refused"]) == (None, "too few labels")


def test_feedback_daily_keeps_both_figures_and_refusals(tables: Tables) -> None:
    rows = tables.rows("feedback_daily")
    assert len(rows) == len(tables.world.feedback_rates) == 2 * len(DAYS)
    whole, refused = (next(row for row in rows if row["slice"] == name) for name in ("all", "team,product"))
    assert (whole["raw_value"], whole["raw_low"], whole["raw_high"]) == (0.8, 0.7, 0.9)
    assert (whole["value"], whole["interval_low"], whole["interval_high"]) == (0.7, 0.5, 0.85)
    assert (whole["effective_known"], whole["simulated"], refused["simulated"]) == (31.5, True, False)
    assert (refused["value"], refused["raw_value"], refused["refused"]) == (None, 0.8, "no overlap")


def test_an_outcome_has_the_last_of_each_signal_of_users(tables: Tables) -> None:
    given = opinions(tables)
    for row in tables.rows("int_inference_outcomes"):
        said = sorted(given[row["inference_id"]], key=lambda one: (one["given_at"], one["feedback_id"]))
        expected = {"thumb": said[-1]["value"]} if said else None
        assert (json.loads(row["signals"]) if row["signals"] else None) == expected


def test_an_outcome_has_the_calls_feedback_label_and_scores(tables: Tables) -> None:
    given = opinions(tables)
    scores = {row["inference_id"]: row["value"] for row in tables.world.scores}
    given_labels = [*tables.world.labels, *tables.world.annotations]
    labels = {row["inference_id"]: row["result"] for row in given_labels if not row["cancelled"]}
    rows = tables.rows("int_inference_outcomes")
    assert len(rows) == len(tables.world.inferences)
    traces = {
        row["trace_id"]: row["started_at"].date() for row in tables.world.inferences if row["inference_id"][-1] == "0"
    }
    assert any(row["day"] > traces[row["trace_id"]] and given[row["inference_id"]] for row in rows), (
        "none past midnight"
    )
    for row in rows:
        said = given[row["inference_id"]]
        assert (row["feedback"], row["user_feedback"]) == (len(said), sum(one["origin"] == "user" for one in said))
        assert row["simulated_feedback"] == sum(one["attributes"] == '{"simulated": true}' for one in said)
        assert row["label_result"] == labels.get(row["inference_id"])
        score = scores.get(row["inference_id"])
        assert row["scores"] == (None if score is None else f'{{"grounded":{score!r}}}')
    assert any(row["last_feedback_at"] and row["last_feedback_at"].date() > row["day"] for row in rows)


def test_agreement_is_told_of_all_reviewers_together_and_anew_for_days_not_run(tables: Tables, tmp_path: Path) -> None:
    assert [(row["day"], row["metric"]) for row in tables.rows("agreement_daily")] == [(day, "alpha") for day in DAYS]
    later = tables.copy(tmp_path / "home")
    for row in later.world.agreement:
        row["value"] = 0.75
    later.write("agreement", DAYS[0])
    later.run(DAYS[3], DAYS[3])
    assert [row["value"] for row in later.rows("agreement_daily")] == [0.75, 0.8, 0.8, 0.8]


def test_deleting_the_warehouse_and_running_again_gives_the_same_tables(tables: Tables, tmp_path: Path) -> None:
    again = tables.copy(tmp_path / "home")
    again.zones.warehouse.unlink()
    again.run(DAYS[0], DAYS[-1])
    for table in ("int_inference_outcomes", *MARTS):
        assert again.rows(table) == tables.rows(table), table


def test_a_late_thumb_restates_its_calls_day_when_that_day_is_run_and_no_other(tables: Tables, tmp_path: Path) -> None:
    later = tables.copy(tmp_path / "home")
    silent = [row for row in later.world.inferences if is_answer(row) and not opinions(later)[row["inference_id"]]]
    first, second = (next(row for row in silent if row["started_at"].date() == day) for day in DAYS[:2])
    for row in (first, second):
        thumb = {"feedback_id": f"late {row['inference_id']}", "inference_id": row["inference_id"], "value": -1.0}
        thumb |= {"given_at": dt.datetime(2026, 11, 4, 12), "origin": "user", "signal": "thumb", "attributes": None}
        later.world.feedback.append({**thumb, **ENVELOPE})
    later.write("feedback", DAYS[3])
    later.run(DAYS[0], DAYS[0])
    before = {row["inference_id"]: row for row in tables.rows("int_inference_outcomes")}
    after = {row["inference_id"]: row for row in later.rows("int_inference_outcomes")}
    changed = [name for name, row in after.items() if row != before[name]]
    assert changed == [first["inference_id"]]
    assert after[first["inference_id"]]["feedback_value"] == -1
    assert later.rows("cost_daily") == tables.rows("cost_daily")


def groups(key: dict[str, tuple[Any, ...]]) -> dict[tuple[Any, ...], list[str]]:
    members = defaultdict(list)
    for name, group in key.items():
        members[group].append(name)
    return members


def is_answer(row: dict[str, Any]) -> bool:
    return row["error_type"] is None and row["operation"] in (None, "chat", "text_completion")


def opinions(tables: Tables) -> dict[str, list[dict[str, Any]]]:
    """Feedback by the call it belongs to."""
    last = {}
    for row in sorted(tables.world.inferences, key=lambda row: (row["started_at"], row["inference_id"])):
        if is_answer(row):
            last[row["trace_id"]] = row["inference_id"]
    given = defaultdict(list)
    for row in tables.world.feedback:
        name = row.get("inference_id") or last.get(row.get("trace_id"))
        if name:
            given[name].append(row)
    return given

"""The tables against a computation of their figures by other means, in Python and pandas, from the same events."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from canonry import lake
from canonry.publish import publish_tables
from canonry.publish.tables import MADE_FROM
from canonry.publish.trace import flat, trace

from .conftest import DAYS, ENVELOPE, Row, Tables

DAY = DAYS[1]
KEYS = {
    "agreement_daily": ("scheme", "metric"),
    "consistency_daily": ("across", "product"),
    "cost_daily": ("team", "product", "feature", "provider", "response_model", "prompt_name", "prompt_version"),
    "drift_daily": ("drift", "product", "part"),
    "feedback_daily": ("signal", "slice"),
    "latency_hourly": ("hour", "product", "provider", "response_model"),
    "prompt_drift_daily": ("product", "status", "nearest_version"),
    "quality_daily": ("product", "estimator"),
}


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
    assert len(rows) == len(tables.world.estimates) == 3 * len(DAYS)
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


@pytest.mark.parametrize(
    ("mart", "kind", "renamed"),
    [
        ("quality_daily", "estimates", {}),
        ("feedback_daily", "feedback_rates", {"effective": "effective_known"}),
        ("agreement_daily", "agreement", {}),
        ("drift_daily", "drift", {}),
        ("consistency_daily", "consistency", {}),
        ("prompt_drift_daily", "prompt_drift", {}),
    ],
)
def test_what_is_estimated_reaches_its_table_in_every_column(
    tables: Tables, mart: str, kind: str, renamed: dict[str, str]
) -> None:
    rows = tables.rows(mart)
    lakes = lake.read(tables.zones.lake, kind, DAYS, with_day=True).to_pylist()
    filled = {"simulated": False, "estimator": "human_only", "preferred": True, "estimand_kind": "calls"}
    columns = [name for name in (*lake.SCHEMAS[kind].names, "day") if renamed.get(name, name) in rows[0]]
    assert len(columns) >= min(15, 1 + len(lake.SCHEMAS[kind].names))
    expected = [
        {renamed.get(name, name): filled.get(name) if row[name] is None else row[name] for name in columns}
        for row in lakes
        if mart != "agreement_daily" or row["annotator"] is None
    ]
    found = [{name: row[name] for name in expected[0]} for row in rows]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def test_labels_saved_is_what_scores_were_worth_beyond_the_labels(tables: Tables) -> None:
    rows = tables.rows("quality_daily")
    found = {(row["estimator"], row["labels_worth"], row["labels_saved"]) for row in rows if row["product"] == "search"}
    assert found == {("human_only", None, None), ("prediction_powered", 72.5, 32.5)}


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
    for table in ("int_inference_outcomes", *MADE_FROM):
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


@pytest.fixture
def published(tables: Tables, tmp_path: Path) -> tuple[Tables, dict[str, list[Row]], dict[str, str]]:
    """Every table released: where it lies, its rows of the day, and its version."""
    traced = tables.copy(tmp_path / "home")
    with duckdb.connect(str(traced.zones.warehouse), read_only=True) as warehouse:
        marts = {mart: warehouse.execute(f"SELECT * FROM {mart} ORDER BY ALL").to_arrow_table() for mart in MADE_FROM}
    now = dt.datetime(2026, 11, 6, tzinfo=dt.UTC)
    made = publish_tables(traced.zones, marts, now=now, lineage={"code": "1"})
    rows = {mart: [row for row in table.to_pylist() if row["day"] == DAY] for mart, table in marts.items()}
    return traced, rows, {mart: outcome.release.version for mart, outcome in made.items()}


def key(mart: str, row: Row) -> dict[str, str | None]:
    return {name: None if row[name] is None else str(row[name]) for name in KEYS[mart]}


def test_every_row_of_every_table_is_found_by_its_key_with_its_release_and_partitions(published) -> None:
    traced, rows, versions = published
    assert rows.keys() == MADE_FROM.keys() == KEYS.keys()
    for mart, (row, *_) in rows.items():
        found = trace(traced.zones, mart, DAY, key(mart, row))
        assert (found.row, found.version, found.lineage) == (row, versions[mart], {"code": "1"})
        direct = {f"lake/{kind}/day={DAY}" for kind in MADE_FROM[mart]}
        assert {each.path for each in found.inputs} == direct
        assert {each.state for each in flat(found.inputs)} == {"there"}
        for each in found.inputs:
            assert each.code and each.rows == len(lake.read(traced.zones.lake, each.path.split("/")[1], [DAY]))
        assert found.in_lake is (None if mart in ("cost_daily", "latency_hourly") else True)


def test_the_traced_partitions_give_counts_and_costs_again(published) -> None:
    traced, rows, _ = published
    calls, charges = (lake.read(traced.zones.lake, kind, [DAY]).to_pylist() for kind in ("inferences", "charges"))
    for call in calls:
        call["hour"] = call["started_at"].replace(minute=0, second=0, microsecond=0)
    for mart in ("cost_daily", "latency_hourly"):
        for row in rows[mart][:20]:
            inside = {each["inference_id"] for each in calls if all(each[name] == row[name] for name in KEYS[mart])}
            assert len(inside) == row["calls"] > 0
            if mart == "cost_daily":
                amounts = [each["amount"] for each in charges if each["inference_id"] in inside]
                known = [amount for amount in amounts if amount is not None]
                assert row["cost"] == (sum(known, Decimal(0)) if known else None)


def test_a_row_that_the_lake_has_otherwise_by_now_is_told(published) -> None:
    traced, *_ = published
    for estimate in traced.world.estimates:
        estimate["labels"] = 41
    traced.write("estimates", DAY)
    where: dict[str, str | None] = {"product": "search", "estimator": "human_only"}
    assert trace(traced.zones, "quality_daily", DAY, where).in_lake is False


def test_what_is_no_single_row_is_an_error_that_says_how_to_name_one(published) -> None:
    traced, *_ = published
    with pytest.raises(LookupError, match="rows of 2026-11-02 with nothing more; say which with --where: they differ"):
        trace(traced.zones, "cost_daily", DAY, {})
    with pytest.raises(LookupError, match="cost_daily: has no column colour; it has day"):
        trace(traced.zones, "cost_daily", DAY, {"colour": "red"})
    with pytest.raises(LookupError, match="quality_daily: no row of 2026-11-02 with product=absent"):
        trace(traced.zones, "quality_daily", DAY, {"product": "absent"})
    with pytest.raises(LookupError, match="no published table that can be traced; there are agreement_daily, cons"):
        trace(traced.zones, "absent", DAY, {})


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

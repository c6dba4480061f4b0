"""What users said, by slice: raw beside reweighted, each product with its own chance of saying it."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from canonry import lake
from canonry.evaluate.feedback import COLUMNS, DAY, MONTH, feedback_rates, undefined_signals, write_feedback
from canonry.storage import Zones

TODAY = dt.date(2026, 11, 28)
NO_RETRIES = lake.SCHEMAS["retries"].empty_table()


def answers(rows: list[dict[str, Any]]) -> pa.Table:
    common = {"day": TODAY, "team": "t", "product": "p", "response_model": "m-1", "simulated_feedback": 0}
    common |= {"started_at": dt.datetime(2026, 11, 28, 12), "latency_ms": 100.0, "output_tokens": 10}
    made = [{**common, "inference_id": f"call-{number:05}", **row} for number, row in enumerate(rows)]
    types = {name: pa.string() for name in COLUMNS}
    types |= {"day": pa.date32(), "started_at": lake.TIME, "latency_ms": pa.float64(), "output_tokens": pa.int64()}
    types["simulated_feedback"] = pa.int64()
    return pa.Table.from_pylist(made, pa.schema(list(types.items())))


def thumbs(
    product: str, *, chances: dict[str, float], liked: dict[str, float], each: int = 800
) -> list[dict[str, Any]]:
    """Simulated answers of two features; how many press, and how many of those like it, exactly as said."""
    rows = []
    for feature, chance in chances.items():
        pressed = round(each * chance)
        up = round(pressed * liked[feature])
        for number in range(each):
            said = None if number >= pressed else json.dumps({"thumb": 1 if number < up else -1})
            rows.append(
                {"product": product, "feature": feature, "user_hash": f"{feature}{number % 200}", "signals": said}
            )
    return rows


def by_slice(rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {(row["signal"], row["slice"], row.get("product"), row.get("response_model")): row for row in rows}


def test_feedback_is_reweighted_by_what_is_known_of_each_call():
    rows = thumbs("p", chances={"search": 0.4, "chat": 0.1}, liked={"search": 0.5, "chat": 0.9})
    found = by_slice(feedback_rates(answers(rows), NO_RETRIES, TODAY, MONTH))
    row = found["thumb", "team,product", "p", None]
    assert (row["answers"], row["known"], row["response_rate"]) == (1600, 400, 0.25)
    assert row["raw_value"] == pytest.approx((320 * 0.5 + 80 * 0.9) / 400)
    # Both features have as many answers.
    assert row["value"] == pytest.approx((0.5 + 0.9) / 2)
    assert row["raw_high"] < row["value"] < row["interval_high"]
    assert row["smallest_chance"] == pytest.approx(0.1)
    assert row["effective"] == pytest.approx((320 / 0.4 + 80 / 0.1) ** 2 / (320 / 0.4**2 + 80 / 0.1**2))
    assert row["estimand"] == "share of thumbs that are up, had all 1,600 answers one"
    assert "logistic regression on feature" in row["method"]


def test_each_product_has_its_own_model_and_one_that_cannot_be_estimated_is_said():
    rows = thumbs("p", chances={"search": 0.4, "chat": 0.1}, liked={"search": 0.5, "chat": 0.9})
    found = by_slice(
        feedback_rates(answers([*rows, *thumbs("q", chances={"a": 0.03}, liked={"a": 1})]), NO_RETRIES, TODAY, DAY)
    )
    assert found["thumb", "team,product", "p", None]["value"] == pytest.approx(0.7)
    assert found["thumb", "team,product", "q", None]["refused"] == "24 responses, fewer than 30"
    assert found["thumb", "team,product", "q", None]["raw_value"] == 1
    assert found["thumb", "all", None, None]["refused"] == "q: 24 responses, fewer than 30"
    assert found["thumb", "all", None, None]["answers"] == 2400


def test_products_without_the_signal_are_no_part_of_it():
    rows = thumbs("p", chances={"search": 0.4, "chat": 0.1}, liked={"search": 0.5, "chat": 0.9})
    silent = [{"product": "silent", "signals": None}] * 5000
    found = by_slice(feedback_rates(answers([*rows, *silent]), NO_RETRIES, TODAY, DAY))
    assert found["thumb", "all", None, None]["answers"] == 1600
    assert {key[2] for key in found} == {None, "p"}


def test_what_is_a_no_where_it_is_absent_is_known_of_every_answer():
    rows = [
        {"user_hash": f"u{number % 50}", "signals": '{"copied":null}' if number % 4 == 0 else None}
        for number in range(400)
    ]
    (whole, *_) = feedback_rates(answers(rows), NO_RETRIES, TODAY, DAY)
    assert (whole["signal"], whole["known"], whole["response_rate"]) == ("copied", 400, 1)
    assert whole["value"] == whole["raw_value"] == 0.25
    assert (whole["interval_low"], whole["interval_high"]) == (whole["raw_low"], whole["raw_high"])
    assert whole["method"].startswith("known of every answer")


def test_asked_again_is_known_where_the_asker_is_and_a_product_may_say_it_too():
    rows = [
        {"user_hash": f"u{number % 50}", "signals": '{"retry":-1}' if number == 3 else None} for number in range(100)
    ]
    retried = pa.Table.from_pylist(
        [{"inference_id": f"call-{number:05}", "asked_again_by": "x" if number < 2 else None} for number in range(80)],
        lake.SCHEMAS["retries"],
    )
    (whole, *_) = feedback_rates(answers(rows), retried, TODAY, DAY)
    assert (whole["signal"], whole["answers"], whole["known"], whole["raw_value"]) == ("retry", 100, 80, 3 / 80)


def test_signals_nobody_defined_are_counted_and_not_estimated():
    rows = [{"signals": '{"Relevance":0.5,"thumbs":1}'}] * 3
    assert undefined_signals(answers(rows)) == {"Relevance": 3, "thumbs": 3}
    assert feedback_rates(answers(rows), NO_RETRIES, TODAY, DAY) == []


def test_a_day_is_written_once_and_holds_both_windows(zones: Zones):
    rows = thumbs("p", chances={"search": 0.4, "chat": 0.1}, liked={"search": 0.5, "chat": 0.9})
    old = [{**row, "day": TODAY - dt.timedelta(days=5), "inference_id": f"old-{n:05}"} for n, row in enumerate(rows)]
    table = answers([*rows, *old])
    _, first = write_feedback(zones.lake, TODAY, table, NO_RETRIES, {"a": "1"})
    made, again = write_feedback(zones.lake, TODAY, table, NO_RETRIES, {"a": "1"})
    assert (first, again) == (True, False)
    whole = {row["window_days"]: row["answers"] for row in made if row["slice"] == "all"}
    assert whole == {1: 1600, 28: 3200}
    assert lake.read(zones.lake, "feedback_rates", [TODAY]).num_rows == len(made)


def test_rows_in_another_order_give_the_same_figures():
    rows = thumbs("p", chances={"search": 0.4, "chat": 0.1}, liked={"search": 0.5, "chat": 0.9})
    table = answers(rows)
    order = np.random.default_rng(0).permutation(table.num_rows)
    assert feedback_rates(table.take(order), NO_RETRIES, TODAY, DAY) == feedback_rates(table, NO_RETRIES, TODAY, DAY)

"""Each measure on real files: what holds, what is broken, and what nobody can tell."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from canonry import lake
from canonry.alerts import last_look
from canonry.catalog import MEASURES
from canonry.catalog.specs import MonitorSpec
from canonry.evaluate.measures import REGISTRY
from canonry.evaluate.monitors import look, watch
from canonry.evaluate.streams import hour_of, write_streams
from canonry.publish import publish_tables
from canonry.storage import open_zones
from tests.evaluate.live_calls import MONDAY, catalog_of, end_of, generated, monitor, since, write

DAYS = [MONDAY + dt.timedelta(days=number) for number in range(20)]


@pytest.fixture
def zones(tmp_path):
    return open_zones(tmp_path)


def found(zones, spec, at):
    catalog = catalog_of(it=spec)
    write_streams(zones, catalog, lake.days(zones.lake, "inferences"), at)
    return look(zones, catalog, "it", at)


def test_every_measure_of_the_catalog_is_computed():
    assert set(REGISTRY) == set(MEASURES) == set(MonitorSpec.model_fields["measure"].annotation.__args__)


def slow(calls):
    where = since(9, 10)(calls) & ~since(9, 13)(calls)
    return calls.assign(latency_ms=np.where(where, calls["latency_ms"] * 8, calls["latency_ms"]))


def test_a_spike_of_latency_is_found_in_its_hours_by_model_and_is_over_a_day_later(zones):
    write(zones, generated(12, a_day=600, change=slow))
    spec = monitor("latency_p95", slice=["request_model"], limit={"times": 2})
    (before,) = found(zones, spec, end_of(8))
    (spike,) = found(zones, spec, end_of(9))
    (after,) = found(zones, spec, end_of(10))
    assert (before.state, spike.state, after.state) == ("holds", "broken", "holds")
    assert spike.since == dt.datetime(2026, 10, 14, 10)
    assert {row["hour"][-5:] for row in spike.evidence} <= {"10:00", "11:00", "12:00"}
    assert spike.low > spike.objective


def test_the_cost_of_an_hour_is_held_against_the_same_hours_of_other_days(zones):
    def dear(calls):
        return calls.assign(cost=np.where(since(9, 12)(calls), calls["cost"] * 5, calls["cost"]))

    write(zones, generated(10, a_day=600, change=dear))
    (spike,) = found(zones, monitor("total_cost", limit={"times": 3}, minimum_calls=10), end_of(9))
    assert spike.state == "broken"
    assert (spike.cause.kind, spike.since.hour) == ("price", 12)


def failing(calls):
    where = since(9, 10)(calls) & ~since(9, 12)(calls) & (np.arange(len(calls)) % 5 > 0)
    return calls.assign(error_type=np.where(where, "timeout", calls["error_type"]))


def test_an_error_budget_that_burns_too_fast_is_broken_and_says_what_is_spent(zones):
    write(zones, generated(10, a_day=600, change=failing))
    spec = monitor("error_rate", slice=["product"], budget={"good": 0.98})
    during = {each.slice["product"]: each for each in found(zones, spec, dt.datetime(2026, 10, 14, 12))}
    assert during["search"].state == "broken"
    assert "of the budget of 28 days; in the last" in during["search"].said
    assert {each.state for each in found(zones, spec, end_of(8))} == {"holds"}


def arms(rate):
    def change(calls):
        own = since(8)(calls)
        arm = np.where(np.arange(len(calls)) % 2 == 0, "canary", "control")
        fails = own & (arm == "canary") & (np.random.default_rng(3).random(len(calls)) < rate)
        prompt = np.where(own & (arm == "canary"), "4", "3")
        return calls.assign(
            arm=np.where(own, arm, None),
            error_type=np.where(fails, "timeout", calls["error_type"]),
            prompt_version=prompt,
        )

    return change


@pytest.mark.parametrize(("rate", "state"), [(0.0, "holds"), (0.25, "broken")])
def test_an_arm_that_fails_more_is_told_from_its_control_with_what_it_has_otherwise(zones, rate, state):
    write(zones, generated(10, change=arms(rate)))
    (arm,) = found(zones, monitor("error_rate", arms={"shift": "up"}), end_of(9))
    assert (arm.slice, arm.state) == ({"arm": "canary"}, state)
    if state == "broken":
        assert arm.cause.said.startswith("arm canary against control: prompt_version: from 3")
    assert found(zones, monitor("error_rate", arms={}), end_of(12)) == []


def test_a_source_that_is_silent_for_longer_than_promised_is_broken(zones):
    write(zones, generated(3))
    spec = monitor("source_freshness", of="docs-assistant", limit={"at_most": 24})
    (fresh,) = found(zones, spec, end_of(2))
    (stale,) = found(zones, spec, end_of(4))
    (gone,) = found(zones, spec, end_of(90))
    assert [each.state for each in (fresh, stale, gone)] == ["holds", "broken", "broken"]
    assert stale.value == pytest.approx(48, abs=6)
    assert "more than 28 days ago" in gone.said
    never = monitor("source_freshness", of="another", limit={"at_most": 24})
    assert found(zones, never, end_of(2))[0].state == "unknown"


def test_a_table_that_is_not_released_anew_is_broken(zones):
    table = pa.table({"day": [1]})
    publish_tables(zones, {"cost_daily": table}, now=dt.datetime(2026, 10, 5, tzinfo=dt.UTC), lineage={})
    spec = monitor("table_freshness", of="cost_daily", limit={"at_most": 36})
    assert found(zones, spec, dt.datetime(2026, 10, 6, 11))[0].state == "holds"
    assert found(zones, spec, dt.datetime(2026, 10, 6, 13))[0].state == "broken"


def feedback_row(day, value, known=60, answers=400, window=28):
    row = dict.fromkeys(lake.SCHEMAS["feedback_rates"].names)
    low, high = value - 0.1, value + 0.1
    return row | {"signal": "thumb", "slice": "team,product", "team": "docs", "product": "search", "value": value,
                  "window_days": window, "window_end": day, "answers": answers, "known": known, "interval_low": low,
                  "interval_high": high, "simulated": False}  # fmt: skip


def test_feedback_is_held_against_its_interval_and_its_volume_against_what_is_usual(zones):
    for number, day in enumerate(DAYS[:10]):
        rows = [feedback_row(day, 0.5 if number < 9 else 0.1),
                feedback_row(day, 0.5, known=60 if number < 9 else 8, window=1)]  # fmt: skip
        lake.write(zones.lake, "feedback_rates", day, pa.Table.from_pylist(rows, lake.SCHEMAS["feedback_rates"]), {})
    mean = monitor("feedback", of="thumb", slice=["product"], limit={"at_least": 0.3})
    volume = monitor("feedback_volume", of="thumb", slice=["product"], limit={"times_below": 0.5})
    assert [found(zones, mean, end_of(number))[0].state for number in (8, 9)] == ["holds", "broken"]
    assert [found(zones, volume, end_of(number))[0].state for number in (3, 8, 9)] == ["unknown", "holds", "broken"]
    assert found(zones, volume, end_of(9))[0].objective == pytest.approx(0.075)


def test_a_monitor_that_cannot_be_measured_is_written_down_and_blinds_no_other(zones, monkeypatch):
    write(zones, generated(1))
    catalog = catalog_of(
        a=monitor("label_backlog", of="scheme", limit={"at_most": 3}),
        b=monitor("source_freshness", of="docs-assistant", limit={"at_most": 24}),
    )
    monkeypatch.setitem(REGISTRY, "label_backlog", lambda *_: 1 / 0)
    (looked,) = watch(zones, catalog, DAYS[:1], end_of(0))
    assert looked.failed == {"a": "assets/monitors/a.yaml: ZeroDivisionError: division by zero"}
    last = last_look(zones.journal)
    assert last and last.at == end_of(0)
    assert [(row["monitor"], row["state"]) for row in last.rows] == [("b", "holds"), ("a", "failed")]


def test_an_hour_s_interval_of_a_quantile_is_of_its_order_statistics():
    values = np.arange(1.0, 1001.0)
    hour = hour_of("latency_p95", values, share=False)
    assert hour["low"] < 950 < hour["high"]
    assert hour_of("latency_p95", values[:20], share=False)["high"] is None

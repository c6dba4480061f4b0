"""What monitors make of drift, prompts and consistency."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from canonry import lake
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.measures import REGISTRY
from canonry.storage import Zones
from tests.publish.test_scorecard_drift import LAST, write_drift
from tests.scorecard_rows import DAYS

AT = dt.datetime.combine(LAST + dt.timedelta(days=1), dt.time())


def monitor(measure: str, at_most: float, **other: Any) -> MonitorSpec:
    said = {"description": "Made for this test.", "owner": "a-team", "runbook": "docs/runbooks.md#drift"}
    return MonitorSpec.model_validate(
        {**said, "measure": measure, "slice": ["product"], "limit": {"at_most": at_most}, **other}
    )


def found(zones: Zones, spec: MonitorSpec) -> list[tuple[str | None, str, float | None]]:
    findings = REGISTRY[spec.measure](zones, Catalog(root=None), spec, AT)  # type: ignore[arg-type]
    return [(each.slice.get("product"), each.state, each.value) for each in findings]


def test_an_alarm_of_a_test_breaks_the_promise_and_shows_what_grew(zones: Zones) -> None:
    write_drift(zones)
    spec = monitor("drift", 0, of="d")
    assert found(zones, spec) == [("docs", "broken", 1.0)]
    (finding,) = REGISTRY["drift"](zones, Catalog(root=None), spec, AT)  # type: ignore[arg-type]
    sure = "1 of 2 tests (p at most 1e-07, an alarm is at most 2e-05)"
    assert finding.said == f"docs differs from {DAYS[0]} to {DAYS[2]} in questions: {sure}"
    assert [row.get("words") for row in finding.evidence] == [None, "refund, invoice"]
    assert found(zones, monitor("drift", 0, of="another")) == []
    assert found(zones, monitor("drift", 0, of="d", slice=[])) == [(None, "broken", 1.0)]


def test_tests_that_are_all_refused_are_not_known(zones: Zones) -> None:
    row = {"drift": "d", "product": "docs", "part": "questions", "refused": "12 askers"}
    lake.write(zones.lake, "drift", LAST, pa.Table.from_pylist([row], lake.SCHEMAS["drift"]), {})
    assert found(zones, monitor("drift", 0, of="d")) == [("docs", "unknown", None)]


def test_calls_with_an_unregistered_prompt_are_counted(zones: Zones) -> None:
    write_drift(zones)
    assert found(zones, monitor("prompt_drift", 0.05)) == [("docs", "broken", 0.25)]
    assert found(zones, monitor("prompt_drift", 0.3)) == [("docs", "holds", 0.25)]
    assert found(zones, monitor("prompt_drift", 0.05, minimum_calls=100)) == [("docs", "unknown", None)]


def test_disagreement_is_held_against_its_limit_by_the_interval(zones: Zones) -> None:
    write_drift(zones)
    assert found(zones, monitor("inconsistency", 0.1, of="models", slice=[])) == [(None, "broken", 0.185)]
    assert found(zones, monitor("inconsistency", 0.15, of="models", slice=[])) == [(None, "holds", 0.185)]
    assert found(zones, monitor("inconsistency", 0.1, of="products", slice=[])) == [(None, "unknown", None)]
    assert found(zones, monitor("inconsistency", 0.1, of="models")) == []


@pytest.mark.parametrize(
    ("measure", "change", "message"),
    [
        ("drift", {"of": "d", "slice": ["feature"]}, "by product or for everything"),
        ("inconsistency", {"of": "days"}, "none of same, prompts, models, products"),
        ("prompt_drift", {"of": "answer"}, "takes no `of`"),
    ],
)
def test_a_monitor_of_drift_that_cannot_be_measured_is_refused(
    measure: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        monitor(measure, 0, **change)

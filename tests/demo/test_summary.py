"""The summary says what was published, and is careful with what the intervals leave open."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from canonry import comparisons
from canonry.comparisons import Comparison
from canonry.demo import summary
from canonry.demo.knowledge import INDEX
from canonry.publish import publish_tables, release_and_promote
from canonry.stats.verdicts import judge_pairs
from canonry.storage import Zones

NOW = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("new_interval", "said"),
    [
        ((0.24, 0.45), "costs 60% less, and it is surely worse: its interval begins at 24.0%"),
        ((0.15, 0.45), "costs 60% less, and the two intervals overlap"),
    ],
)
def test_it_tells_a_regression_only_where_the_intervals_do(
    zones: Zones, new_interval: tuple[float, float], said: str
) -> None:
    _publish(zones, new_interval)
    text = _shown(zones)
    assert said in text
    assert "12.0% 6.0% to 21.0% 5.0% to 23.0% 120, simulated" in text


def test_it_shows_cost_by_team_the_gate_and_what_is_simulated(zones: Zones) -> None:
    _publish(zones, (0.24, 0.45))
    text = _shown(zones)
    assert "docs-experience 0.007000, support 0.002000" in text
    assert "thumbs on 20 answers" in text and "80% of 20" in text
    assert "gate passed: recall@10 is 1.000" in text
    assert "Which scorer reads every answer none: too few" in text
    assert "What is simulated" in text and "What was rejected: 0 events" in text
    assert "published/scorecard/index.html: all of this as one page" in text


def test_it_says_what_waited_for_its_promotion_and_what_judged_it(zones: Zones) -> None:
    _publish(zones, (0.24, 0.45))
    assert "What waited for its promotion" not in _shown(zones)
    after = np.arange(200) >= 40
    verdict = judge_pairs(np.ones(200, dtype=bool), after, 0.05)
    found = Comparison("answerer", "models", "m", "m-2", "m-1", "rate", verdict, {}, NOW, items=200, simulated=9)
    comparisons.keep(zones.journal, found)
    text = _shown(zones)
    assert "answerer m-2 -20.0" in text and "-5.0 200 worse: held back" in text
    assert "9 labels that judged them are simulated" in text


def test_it_names_the_scorer_and_what_its_gate_said(zones: Zones) -> None:
    _publish(zones, (0.24, 0.45))
    card = {
        "gold": {"version": "0123456789abcdef"},
        "cross_fitted": {"items": 209},
        "verdict": {"word": "first", "message": "cross-fitted AUROC 0.810, at least 0.696"},
    }
    made = release_and_promote(
        zones,
        "scorers",
        "groundedness",
        {"card.json": json.dumps(card).encode()},
        metadata={},
        lineage={},
        reason="t",
        now=NOW,
    )
    text = _shown(zones)
    assert f"groundedness {made.release.version} (production), trained from 209 labels of gold set 0123456789a" in text
    assert "gate: first, cross-fitted AUROC 0.810, at least 0.696" in text


def _shown(zones: Zones) -> str:
    out = io.StringIO()
    summary.show(zones, Console(file=out, width=160))
    return " ".join(out.getvalue().split())


def _publish(zones: Zones, new_interval: tuple[float, float]) -> None:
    costs = [
        _cost("docs-experience", "docs-site", "1.0", "0.005"),
        _cost("docs-experience", "docs-site", "1.1", "0.002"),
        _cost("support", "support-desk", "1.1", "0.002"),
        {**_cost("other", "someone-elses", "1.0", "9"), "response_model": "gpt"},
    ]
    quality = [
        _estimate("1.0", 0.12, (0.06, 0.21), 120),
        _estimate("1.0", 0.13, (0.05, 0.23), 120) | {"estimator": "human_only", "preferred": False},
        _estimate("1.0", 0.05, (0.0, 0.5), 17) | {"day": dt.date(2026, 11, 9)},
        _estimate("1.1", 0.34, new_interval, 115) | {"estimator": "human_only"},
    ]
    thumbs = [_thumbs("team,product", 16, 20), _thumbs("team,product,response_model", 16, 20)]
    hours = {"product": "docs-site", "latency_p50_ms": 11.5, "latency_p95_ms": 20.5}
    tables = {"cost_daily": costs, "quality_daily": quality, "feedback_daily": thumbs, "latency_hourly": [hours]}
    found = {name: pa.Table.from_pylist(rows) for name, rows in tables.items()}
    publish_tables(zones, found, now=NOW, lineage={})
    gate = {"passed": True, "reasons": ["recall@10 is 1.000"]}
    metadata = {"gate": gate, "vectors": 9}
    release_and_promote(zones, "indexes", INDEX, {"a": b"b"}, metadata=metadata, lineage={}, reason="test", now=NOW)


def _cost(team: str, product: str, version: str, cost: str) -> dict[str, Any]:
    return {
        "day": dt.date(2026, 11, 2),
        "team": team,
        "product": product,
        "response_model": f"docs-extractive-{version}",
        "calls": 120,
        "errors": 0,
        "priced_calls": 100,
        "free_calls": 20,
        "unpriced_calls": 0,
        "unmeasured_calls": 0,
        "input_tokens": 30_000,
        "output_tokens": 2_000,
        "cost": Decimal(cost),
    }


def _estimate(version: str, value: float, interval: tuple[float, float], labels: int) -> dict[str, Any]:
    return {
        "day": dt.date(2026, 11, 8),
        "eval": "hallucination-rate",
        "estimator": "prediction_powered",
        "metric": "hallucination_rate",
        "slice": "response_model",
        "product": None,
        "response_model": f"docs-extractive-{version}",
        "value": value,
        "interval_low": interval[0],
        "interval_high": interval[1],
        "labels": labels,
        "positives": 1,
        "population": 1_000,
        "window_start": dt.date(2026, 11, 2),
        "window_end": dt.date(2026, 11, 8),
        "simulated": True,
        "preferred": True,
    }


def _thumbs(slice_name: str, up: int, known: int) -> dict[str, Any]:
    return {
        "signal": "thumb",
        "slice": slice_name,
        "window_days": 1,
        "product": "docs-site",
        "response_model": "docs-extractive-1.0" if slice_name.endswith("response_model") else None,
        "known": known,
        "raw_value": up / known,
    }

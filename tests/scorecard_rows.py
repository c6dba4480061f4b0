"""Rows of what a scorecard shows: costs, latencies, estimates, feedback, agreement, labels and reviewers."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
FIRST = dt.date(2026, 11, 2)
DAYS = [FIRST + dt.timedelta(days=each) for each in range(10)]
OLD, NEW = "answerer-1.0", "answerer-1.1"
PRODUCTS = {"docs": "writers", "desk": "support"}
LABELS = [
    {
        "scheme": "grounded",
        "scheme_version": 1,
        "product": "docs",
        "drawn": 84,
        "exported": 84,
        "labeled": 63,
        "skipped": 7,
        "oldest_waits_since": dt.datetime(2026, 11, 9, 1),
        "half_wait_since": dt.datetime(2026, 11, 11, 1),
    },
    {
        "scheme": "grounded",
        "scheme_version": 1,
        "product": "desk",
        "drawn": 40,
        "exported": 0,
        "labeled": 0,
        "skipped": 0,
    },
]
REVIEWERS = [
    {
        "scheme": "grounded",
        "scheme_version": 1,
        "annotator_hash": digit * 32,
        "labeled": labeled,
        "skipped": 3,
        "days": 4,
        "median_s": median_s,
        "p90_s": median_s and 3 * median_s,
        "last_day": DAYS[9],
        "simulated": False,
    }
    for digit, labeled, median_s in (("a", 50, 24.4), ("b", 13, None))
]


def cost(day: dt.date, product: str, model: str | None, amount: str | None, **other: Any) -> Row:
    """A row of cost_daily."""
    return {
        "day": day,
        "team": PRODUCTS.get(product, "others"),
        "product": product,
        "feature": None,
        "provider": "own",
        "response_model": model,
        "calls": 1_200,
        "errors": 12,
        "priced_calls": 1_000,
        "free_calls": 200,
        "unpriced_calls": 0,
        "unmeasured_calls": 0,
        "uncharged_calls": 0,
        "input_tokens": 34_567,
        "output_tokens": 2_345,
        "cost": None if amount is None else Decimal(amount),
        **other,
    }


def latency(day: dt.date, hour: int, product: str, p50: float | None, p95: float | None, calls: int = 10) -> Row:
    """A row of latency_hourly."""
    return {
        "day": day,
        "hour": dt.datetime.combine(day, dt.time(hour)),
        "product": product,
        "response_model": OLD,
        "calls": calls,
        "errors": 1,
        "cache_hits": 2,
        "measured_calls": calls if p50 is not None else 0,
        "latency_p50_ms": p50,
        "latency_p95_ms": p95,
        "latency_p99_ms": p95,
    }


def estimate(day: dt.date, model: str | None, value: float | None, low: float, high: float, **other: Any) -> Row:
    """A row of quality_daily that was estimated; by model version, or by product as well."""
    product = other.get("product")
    name = "all" if model is None else "product,response_model" if product else "response_model"
    return {
        "day": day,
        "eval": "hallucination",
        "metric": "hallucination_rate",
        "estimand": f"share of the answered calls of {model} that reviewers would call hallucinated",
        "slice": name,
        "team": None,
        "product": product,
        "feature": None,
        "response_model": model,
        "value": value,
        "interval_low": None if value is None else low,
        "interval_high": None if value is None else high,
        "confidence": 0.95,
        "population": 4_321,
        "drawn": 60,
        "labels": 57,
        "positives": 9,
        "method": None if value is None else "Korn-Graubard interval, 44.0 effective labels",
        "refused": "3 labels, fewer than 10" if value is None else None,
        "simulated": True,
        "window_start": day - dt.timedelta(days=6),
        "window_end": day,
        **dict.fromkeys(("prompt_name", "prompt_version", "differs", "rest_value", "rest_low", "rest_high")),
        **other,
    }


def feedback(signal: str, product: str | None, raw: float, value: float | None, **other: Any) -> Row:
    """A row of feedback_daily: 120 of 1,000 answers, the raw figure and the reweighted one."""
    name = "all" if product is None else "team,product,response_model" if "response_model" in other else "team,product"
    return {
        "day": DAYS[9],
        "signal": signal,
        "estimand": f"figure of {signal}",
        "slice": name,
        "team": PRODUCTS.get(product or ""),
        "product": product,
        "response_model": None,
        "window_days": 28,
        "answers": 1_000,
        "known": 120,
        "people": 60,
        "response_rate": 0.12,
        "raw_value": raw,
        "raw_low": raw - 0.05,
        "raw_high": raw + 0.05,
        "raw_refused": None,
        "value": value,
        "interval_low": None if value is None else value - 0.1,
        "interval_high": None if value is None else value + 0.1,
        "confidence": 0.95,
        "effective_known": None if value is None else 81.2,
        "smallest_chance": None if value is None else 0.05,
        "method": None if value is None else "Hajek weights",
        "refused": "24 responses, fewer than 30" if value is None else None,
        "simulated": False,
        "window_start": DAYS[9] - dt.timedelta(days=27),
        "window_end": DAYS[9],
        **other,
    }


COSTS = [
    cost(day, product, OLD if number < 5 else NEW, f"{3 - number / 10:.2f}" if product == "docs" else "0.25")
    for number, day in enumerate(DAYS)
    for product in PRODUCTS
]
HOURS = [latency(day, hour, product, 11.5, 20.5) for day in DAYS for hour in (9, 15) for product in PRODUCTS]
QUALITY = [
    estimate(DAYS[3], OLD, 0.11, 0.05, 0.2, labels=12),
    estimate(DAYS[4], OLD, 0.125, 0.06, 0.21),
    estimate(DAYS[8], NEW, 0.31, 0.24, 0.42),
    estimate(DAYS[9], NEW, 0.35, 0.25, 0.46),
    estimate(DAYS[9], None, 0.3, 0.22, 0.4),
    estimate(DAYS[9], NEW, 0.4, 0.2, 0.6, product="docs"),
    estimate(DAYS[9], NEW, None, 0, 1, product="desk", labels=3),
]


def agreement(day: dt.date, window_days: int, field: str, value: float | None, low: float, high: float) -> Row:
    """A row of agreement_daily."""
    return {
        "day": day,
        "scheme": "grounded",
        "scheme_version": "1",
        "field": field,
        "metric": "alpha",
        "window_days": window_days,
        "value": value,
        "interval_low": None if value is None else low,
        "interval_high": None if value is None else high,
        "confidence": 0.95,
        "annotators": 3,
        "items": 48,
        "answers": 100,
        "method": "Krippendorff's alpha",
        "refused": "4 items with two answers, fewer than 20" if value is None else None,
        "simulated": True,
        "window_start": day - dt.timedelta(days=window_days - 1),
        "window_end": day,
    }


AGREEMENT = [
    agreement(DAYS[8], 91, "grounded", 0.5, 0.4, 0.6),
    agreement(DAYS[9], 7, "grounded", 0.9, 0.8, 1.0),
    agreement(DAYS[9], 91, "grounded", 0.744, 0.612, 0.851),
    agreement(DAYS[9], 91, "spans.unsupported", None, 0, 0),
]
FEEDBACK = [
    feedback("thumb", None, 0.7, 0.55),
    feedback("thumb", "docs", 0.72, 0.6),
    feedback("thumb", "docs", 0.75, 0.61, response_model=OLD),
    feedback("thumb", "docs", 0.4, None, response_model=NEW),
    feedback("thumb", "docs", 0.9, 0.9, day=DAYS[8]),
    feedback("thumb", "docs", 0.8, 0.8, window_days=1),
    feedback("copied", None, 0.2, 0.2, known=1_000, response_rate=1.0),
    feedback("copied", "docs", 0.2, 0.2, known=1_000, response_rate=1.0),
]

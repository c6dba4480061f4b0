"""What scoring days again would take, before anything is asked: calls, tokens, dollars, time. Nothing is written."""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow.compute as pc

from canonry import lake
from canonry.catalog import Catalog
from canonry.catalog.specs import JudgeSpec
from canonry.completions import Endpoint, read_kept
from canonry.evaluate.answered import read_calls
from canonry.evaluate.definitions import read_definition
from canonry.evaluate.judging import PRODUCT, price_of
from canonry.evaluate.judging.ask import chosen, tokens_of
from canonry.evaluate.ready import prepare_scorer
from canonry.evaluate.scorers import KIND
from canonry.evaluate.scoring import Ready, known_calls
from canonry.release import PRODUCTION, resolve
from canonry.score import AnsweredCall
from canonry.score.judged import judge_request
from canonry.storage import Zones

SAMPLE = 50
"""Calls that are scored, or answers that are read, to tell how long the rest takes."""


DAYS_OF_LATE = 14
"""Days with calls in which a judge's own are looked for."""


@dataclass(frozen=True)
class DayPlan:
    """One day, in calls. `known` have a score by the version, `to_score` get one now; of these a judge has `kept`
    verdicts in the journal, and is asked the rest. Dollars are None where nothing prices the model."""

    day: dt.date
    calls: int
    known: int
    to_score: int
    kept: int = 0
    to_ask: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: Decimal | None = Decimal(0)


@dataclass(frozen=True)
class Plan:
    """What a backfill would take; `seconds` is None where nothing tells, `budget_days` where no budget is touched."""

    scorer: str
    version: str
    days: tuple[DayPlan, ...]
    seconds: float | None
    budget_days: int | None

    def total(self, field: str) -> int:
        """Of a count, over all days."""
        return sum(getattr(each, field) for each in self.days)

    @property
    def dollars(self) -> Decimal | None:
        """Over all days; None where a part of it is not priced."""
        parts = [each.dollars for each in self.days]
        return None if any(each is None for each in parts) else sum((each or Decimal(0) for each in parts), Decimal(0))


def plan_backfill(
    zones: Zones, catalog: Catalog, name: str, days: Sequence[dt.date], now: dt.datetime, version: str = PRODUCTION
) -> Plan:
    """What scoring these days by a version of a scorer would take. No model is asked, and no endpoint needed.

    Raises NotReleased, ReleaseError, DefinitionError, ScorerError.
    """
    prepared = prepare_scorer(zones, catalog, name, now, version=version, endpoint=lambda: Endpoint("http://127.0.0.1"))
    ready, spec = prepared.ready, catalog.scorers[name]
    if isinstance(spec, JudgeSpec):
        return _of_judge(zones, catalog, spec, ready, days, now)
    planned, sample = [], list[AnsweredCall]()
    for day in days:
        calls, known, wanted = _wanted(zones, ready, day)
        planned.append(DayPlan(day, calls, known, len(wanted)))
        sample += wanted[: SAMPLE - len(sample)]
    to_score = sum(each.to_score for each in planned)
    began = time.monotonic()
    if sample:
        ready.score(sample)
    seconds = (time.monotonic() - began) / len(sample) * to_score if sample else 0.0
    return Plan(name, ready.version, tuple(planned), seconds, None)


def _of_judge(
    zones: Zones, catalog: Catalog, spec: JudgeSpec, ready: Ready, days: Sequence[dt.date], now: dt.datetime
) -> Plan:
    settings = read_definition(resolve(zones.published, KIND, ready.name, ready.version)).settings
    price = price_of(catalog.models, settings["provider"], settings["model"], now.date())
    most = int(settings["parameters"].get("max_tokens", 1_000))
    seen = _asked_lately(zones, ready.name)
    planned: list[tuple[DayPlan, int]] = []
    asked: set[str] = set()
    for day in days:
        calls, known, wanted = _wanted(zones, ready, day)
        wanted = list(chosen(wanted, spec.share).values())
        requests = [judge_request(settings, call) for call in wanted]
        new = []
        for request in requests:
            kept = read_kept(zones.journal, request)
            if kept and len(seen) < SAMPLE:
                seen.append((kept.output_tokens, kept.latency_ms))
            if not kept and request.digest not in asked:
                asked.add(request.digest)
                new.append(request)
        plan = DayPlan(day, calls, known, len(wanted), len(requests) - len(new), len(new))
        planned.append((plan, sum(map(tokens_of, new))))
    said = [tokens for tokens, _ in seen if tokens is not None]
    output = round(statistics.mean(said)) if said else most
    found = tuple(
        DayPlan(
            plan.day,
            plan.calls,
            plan.known,
            plan.to_score,
            plan.kept,
            plan.to_ask,
            tokens,
            output * plan.to_ask,
            None if price is None else price.of(tokens, output * plan.to_ask),
        )
        for plan, tokens in planned
    )
    to_ask = len(asked)
    latency = statistics.mean(waited for _, waited in seen) / 1e3 if seen else None
    seconds = 0.0 if not to_ask else None if latency is None else latency * to_ask / spec.at_once
    plan_ = Plan(ready.name, ready.version, found, seconds, None)
    return Plan(ready.name, ready.version, found, seconds, _budget_days(spec, to_ask, plan_.dollars))


def _asked_lately(zones: Zones, name: str) -> list[tuple[int | None, float]]:
    """Output tokens and milliseconds of a judge's last calls in the ledger."""
    columns = ["product", "feature", "error_type", "output_tokens", "latency_ms", "started_at"]
    days = lake.days(zones.lake, "inferences")[-DAYS_OF_LATE:]
    rows = lake.read(zones.lake, "inferences", days, columns)
    mine = pc.and_(pc.equal(rows["product"], PRODUCT), pc.equal(rows["feature"], name))
    found = rows.filter(pc.fill_null(pc.and_(mine, rows["error_type"].is_null()), False)).sort_by("started_at")
    last = found.slice(max(found.num_rows - SAMPLE, 0)).to_pylist()
    return [(row["output_tokens"], row["latency_ms"]) for row in last if row["latency_ms"] is not None]


def _budget_days(spec: JudgeSpec, to_ask: int, dollars: Decimal | None) -> int | None:
    """Days that the scorer's budget needs for all of it."""
    calls, money = spec.budget.calls_a_day, spec.budget.dollars_a_day
    needs = [-(-to_ask // calls) if calls else 0, int(-(-dollars // money)) if money and dollars else 0]
    return max(needs) or None


def _wanted(zones: Zones, ready: Ready, day: dt.date) -> tuple[int, int, list[AnsweredCall]]:
    """Calls of a day that the scorer is for, how many it has scored, and those it would."""
    calls, _ = read_calls(zones.lake, day)
    calls = [each for each in calls if not ready.products or each.facts["product"] in ready.products]
    known = known_calls(lake.read(zones.lake, "scores", [day]), ready)
    return len(calls), len(known), [each for each in calls if each.inference_id not in known and ready.wants(each)]

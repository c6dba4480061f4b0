"""Monitors: what is measured, what is promised of it, and who hears when it does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from canonry.catalog.specs.base import Name, Spec, Strict

Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=80)]
"""Name of an environment variable."""

Objective = Literal["limit", "budget", "change", "arms"]

_OBJECTIVES: tuple[Objective, ...] = ("limit", "budget", "change", "arms")

SliceField = Literal[
    "product", "team", "feature", "provider", "request_model", "response_model", "prompt_name", "prompt_version"
]


@dataclass(frozen=True)
class Measured:
    """What a measure is of, and what may be promised of it."""

    unit: str
    objectives: tuple[Objective, ...]
    of: str | None = None
    """Kind of governed thing that `of` names, `signal` or another word for what is not governed; None for nothing."""
    live: bool = False
    """Whether it is measured by the hour."""


_LIVE: tuple[Objective, ...] = ("limit", "change", "arms")

MEASURES: dict[str, Measured] = {
    "quality": Measured("share", ("limit",), "evals"),
    "feedback": Measured("mean, -1 to 1", ("limit",), "signal"),
    "feedback_volume": Measured("share of answers", ("limit",), "signal"),
    "source_freshness": Measured("hours", ("limit",), "sources"),
    "table_freshness": Measured("hours", ("limit",), "table"),
    "label_backlog": Measured("days", ("limit",), "schemes"),
    "index_staleness": Measured("days", ("limit",), "indexes"),
    "anchors": Measured("share of anchors", ("limit", "change"), "scorers"),
    "drift": Measured("tests", ("limit",), "drifts"),
    "prompt_drift": Measured("share of calls", ("limit",)),
    "inconsistency": Measured("share of pairs", ("limit",), "difference"),
    "latency_p95": Measured("ms", ("limit", "budget", "change", "arms"), live=True),
    "error_rate": Measured("share", ("limit", "budget", "change", "arms"), live=True),
    "refusal_rate": Measured("share", _LIVE, live=True),
    "output_length": Measured("tokens", _LIVE, live=True),
    "cost_per_call": Measured("US dollars", _LIVE, live=True),
    "total_cost": Measured("US dollars an hour", ("limit", "change"), live=True),
    "score": Measured("mean", _LIVE, "metric", live=True),
}
"""Every measure by name; canonry.evaluate.measures computes each."""


_BY_PRODUCT = ("drift", "prompt_drift", "inconsistency")
_DIFFERENCES = ("same", "prompts", "models", "products")
"""What two answers to one question may differ in, as in lake/consistency."""


class Limit(Strict):
    """A bound that the measure must keep: broken where its interval lies wholly beyond."""

    at_most: float | None = Field(None, description="Broken where the measure is surely above.", allow_inf_nan=False)
    at_least: float | None = Field(None, description="Broken where the measure is surely below.", allow_inf_nan=False)
    times: float | None = Field(None, description="Broken surely above so many times the usual.", gt=1, le=1000)
    times_below: float | None = Field(None, description="Broken surely below this part of the usual.", gt=0, lt=1)

    @model_validator(mode="after")
    def _one(self) -> Limit:
        if len(self.model_fields_set) != 1:
            raise ValueError("expected one of at_most, at_least, times, times_below")
        return self


class Budget(Strict):
    """A share of calls that must be good over the window; broken where the budget of bad ones burns too fast."""

    good: float = Field(description="Share of calls that must be good, as 0.99.", gt=0.5, lt=1)
    faster_than_ms: float | None = Field(None, description="latency_p95: a call is good that took at most this.", gt=0)
    window_days: int = Field(28, description="Days the budget is for.", ge=7, le=91)


class Change(Strict):
    """No lasting change: looked at every hour, with a chance of a false alarm that holds for all looks together."""

    false_alarms: float = Field(
        0.05, description="Chance of any alarm of this monitor in a year in which nothing changes.", gt=0, le=0.5
    )
    shift: Literal["up", "down", "either"] = Field("either", description="Which way is an alarm.")
    find: float = Field(
        description="Change for which the delay is promised: a difference of shares and scores, else a ratio less one.",
        allow_inf_nan=False,
    )
    warm_up_days: int = Field(28, description="Days that are only learnt from.", ge=3, le=91)


class Arms(Strict):
    """No arm of a canary is otherwise than the control: compared hour by hour on calls with the field `arm`."""

    control: Name = Field("control", description="The arm that others are held against.")
    false_alarms: float = Field(0.05, description="Chance of any alarm over a whole canary.", gt=0, le=0.5)
    shift: Literal["up", "down", "either"] = Field("either", description="Which way is an alarm.")


class MonitorSpec(Spec):
    """A promise that is looked at, and what happens when it does not hold: an incident."""

    folder: ClassVar[str] = "monitors"

    measure: Literal[
        "quality",
        "feedback",
        "feedback_volume",
        "source_freshness",
        "table_freshness",
        "label_backlog",
        "index_staleness",
        "anchors",
        "drift",
        "prompt_drift",
        "inconsistency",
        "latency_p95",
        "error_rate",
        "refusal_rate",
        "output_length",
        "cost_per_call",
        "total_cost",
        "score",
    ] = Field(description="What is measured; docs/monitors.md has each with its unit.")
    of: Name | None = Field(None, description="Which eval, signal, source, table, scheme, index or metric.")
    slice: tuple[SliceField, ...] = Field((), description="Measured for each of these fields' values; [] is all.")
    limit: Limit | None = None
    budget: Budget | None = None
    change: Change | None = None
    arms: Arms | None = None
    window_days: int = Field(28, description="Days before that say what is usual, and that a cause is sought in.", ge=1)
    minimum_calls: int = Field(20, description="A slice with fewer calls in the period is not judged.", ge=1)
    severity: Literal["warn", "error"] = Field("warn", description="How loud.")
    channels: tuple[Variable, ...] = Field(
        (), description="Environment variables that hold the URLs that are told (Apprise), never the URLs themselves."
    )
    runbook: str = Field(
        description="What to do: an https:// address, or a file of the repository with its heading.",
        pattern=r"^(https://\S+|[\w./-]+\.md(#[\w-]+)?)$",
    )
    reopen_hours: int = Field(
        72, description="Broken again so soon after it held, the same incident opens again.", ge=0
    )

    @property
    def objective(self) -> Objective:
        """Which of the four promises it makes."""
        return next(name for name in _OBJECTIVES if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _promises_one_thing(self) -> MonitorSpec:
        given = [name for name in _OBJECTIVES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected one of limit, budget, change, arms; found {', '.join(given) or 'none'}")
        measured = MEASURES[self.measure]
        if given[0] not in measured.objectives:
            raise ValueError(f"{self.measure} takes {' or '.join(measured.objectives)}, not {given[0]}")
        if (measured.of is None) != (self.of is None):
            needs = f"needs `of`: which of {measured.of}" if measured.of else "takes no `of`"
            raise ValueError(f"{self.measure} {needs}")
        if self.limit and measured.unit.startswith("share"):
            for name, bound in (("at_most", self.limit.at_most), ("at_least", self.limit.at_least)):
                if bound is not None and not 0 <= bound <= 1:
                    raise ValueError(f"limit.{name}: {bound} is no share: expected 0 to 1")
        if self.measure in _BY_PRODUCT and set(self.slice) - {"product"}:
            raise ValueError(f"slice: {self.measure} is measured by product or for everything")
        if self.measure == "inconsistency" and self.of not in _DIFFERENCES:
            raise ValueError(f"of: {self.of!r} is none of {', '.join(_DIFFERENCES)}")
        if self.budget and (self.measure == "latency_p95") != (self.budget.faster_than_ms is not None):
            raise ValueError("budget.faster_than_ms: latency_p95 needs it, and nothing else takes it")
        return self

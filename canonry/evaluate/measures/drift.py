"""Drift: tests against a reference that raised an alarm, prompts that are registered nowhere, answers that disagree."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from canonry import lake
from canonry.alerts import Finding, slice_said
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.measures.bounds import bounds_of, day_of, judge
from canonry.evaluate.prompt_drift import DRIFTED
from canonry.storage import Zones

Row = Mapping[str, Any]

_TEST = ("part", "measure", "value", "noise", "p_value", "level", "window_calls", "window_askers", "reference_askers")
_TOPIC = ("part", "words", "reference_share", "window_share", "interval_low", "interval_high", "p_value")
_PROMPT = ("status", "prompt_name", "prompt_version", "nearest_name", "nearest_version", "calls", "changes")
_SHARE = ("across", "questions", "disagreeing_questions", "pairs", "value", "interval_low", "interval_high")


def drift(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """A finding for each product of a drift spec, from the tests of the day: how many raised an alarm.

    A test is an alarm at the level that keeps the spec's budget of false alarms a year, so `at_most: 0` is safe to ask.
    """
    day = day_of(at)
    tests = [row for row in lake.read(zones.lake, "drift", [day]).to_pylist() if row["drift"] == spec.of]
    topics = [row for row in lake.read(zones.lake, "drift_topics", [day]).to_pylist() if row["drift"] == spec.of]
    return [
        _of_tests(values, some, [row for row in topics if row["found"] and _inside(row, values)], spec)
        for values, some in _by_slice(tests, spec)
    ]


def prompt_drift(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """A finding for each slice: the share of the day's calls whose prompt is registered nowhere.

    Every call that logs its prompt's text or name is looked at, so the share is counted and has no interval.
    """
    rows = lake.read(zones.lake, "prompt_drift", [day_of(at)]).to_pylist()
    found = []
    for values, some in _by_slice([row for row in rows if row["status"] != "not_said"], spec):
        calls = sum(row["calls"] for row in some)
        drifted = [row for row in some if row["status"] in DRIFTED]
        share = sum(row["calls"] for row in drifted) / calls
        where = slice_said(values)
        if calls < spec.minimum_calls:
            found.append(
                Finding(values, "unknown", f"{where}: {calls} calls, at least {spec.minimum_calls} are needed")
            )
            continue
        state, words, bound = judge(share, share, bounds_of(spec), "{:.1%}".format)
        said = f"{where}: {share:.1%} of {calls:,} calls have a prompt that is registered nowhere, {words}"
        found.append(Finding(values, state, said, share, share, share, bound, evidence=_shown(drifted, _PROMPT)))
    return found


def inconsistency(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """A finding for each slice: how often two answers to one question disagree that differ as `of` says.

    `of` is same, prompts, models or products; the week up to the day is read.
    """
    product = "product" in spec.slice
    found = []
    for row in lake.read(zones.lake, "consistency", [day_of(at)]).to_pylist():
        if row["across"] != spec.of or (row["product"] is not None) != product:
            continue
        values = {"product": row["product"]} if product else {}
        where = slice_said(values)
        if row["refused"] is not None:
            found.append(Finding(values, "unknown", f"{where}: {row['refused']}"))
            continue
        low, high = row["interval_low"], row["interval_high"]
        state, words, bound = judge(low, high, bounds_of(spec), "{:.1%}".format)
        interval = f"{row['confidence']:.0%} interval {low:.1%} to {high:.1%}, {row['questions']} questions"
        said = f"{where}: {row['value']:.1%} of pairs of answers disagree ({interval}), {words}"
        found.append(Finding(values, state, said, row["value"], low, high, bound, evidence=_shown([row], _SHARE)))
    return found


def _of_tests(values: dict[str, str | None], tests: Sequence[Row], grown: Sequence[Row], spec: MonitorSpec) -> Finding:
    where = slice_said(values)
    tested = [row for row in tests if row["refused"] is None]
    if not tested:
        return Finding(values, "unknown", f"{where}: {tests[0]['refused']}")
    alarms = [row for row in tested if row["alarm"]]
    count = float(len(alarms))
    state, _, bound = judge(count, count, bounds_of(spec), lambda each: f"{each:.0f}")
    said = f"{where} {_compared(alarms, tested)}"
    evidence = (*_shown(alarms, _TEST), *_shown(grown, _TOPIC))
    return Finding(values, state, said, count, count, count, bound, evidence=evidence)


def _compared(alarms: Sequence[Row], tested: Sequence[Row]) -> str:
    """What differs from what, and how surely; or that nothing does."""
    reference = f"{tested[0]['reference_start']} to {tested[0]['reference_end']}"
    level = f"an alarm is at most {max(row['level'] for row in tested):.1g}"
    if not alarms:
        least = min(row["p_value"] for row in tested)
        return f"does not differ from {reference} by any of {len(tested)} tests (p at least {least:.1g}, {level})"
    named = ", ".join(str(row["part"]).replace("_", " ") for row in alarms)
    most = max(row["p_value"] for row in alarms)
    of = f"{len(alarms)} of {len(tested)} tests"
    return f"differs from {reference} in {named}: {of} (p at most {most:.1g}, {level})"


def _by_slice(rows: Sequence[Row], spec: MonitorSpec) -> list[tuple[dict[str, str | None], list[Row]]]:
    """Rows by product where the monitor asks for it, else all together; products in order."""
    if "product" not in spec.slice:
        return [({}, list(rows))] if rows else []
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["product"]].append(row)
    return [({"product": product}, some) for product, some in sorted(groups.items())]


def _inside(row: Row, values: Mapping[str, str | None]) -> bool:
    return all(row[name] == value for name, value in values.items())


def _shown(rows: Sequence[Row], names: Sequence[str]) -> tuple[dict[str, Any], ...]:
    return tuple({name: row[name] for name in names} for row in rows)

"""Requests for runs: a run for each stretch of days, and none where one already waits."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from canonry.locations import fingerprint, stored_files
from dagster_project.resources import DAYS_PER_RUN

FIRST_DAY, LAST_DAY = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""Tags of a run over a range of days."""

QUEUED = "A run that waits in the queue is about to do it"

Requests = list[dg.RunRequest] | dg.SkipReason
Tick = dg.ScheduleEvaluationContext


def by_range(
    context: Tick | dg.SensorEvaluationContext, job: str, days: Iterable[dt.date], asked: dt.datetime, why: str = ""
) -> Requests:
    """A run for each stretch of days that follow each other, so that dbt starts once for all of them.

    Days of a run that has not begun are left out: when it does, it finds what is new by then.
    """
    waiting = {day for run in _queued(context, job) for day in days_of_run(run)}
    requests = []
    for first, last in stretches(sorted(set(days) - waiting)):
        tags = {FIRST_DAY: first.isoformat(), LAST_DAY: last.isoformat()}
        if why:
            tags["canonry/news"] = why
        requests.append(dg.RunRequest(run_key=f"{first} {last} {asked:%Y-%m-%dT%H:%M}", tags=tags))
    return requests or dg.SkipReason(QUEUED)


def once(context: Tick | dg.SensorEvaluationContext, job: str, why: str) -> Requests:
    """A run, but where one waits already."""
    if _queued(context, job):
        return dg.SkipReason(QUEUED)
    return [dg.RunRequest(tags={"canonry/news": why} if why else {})]


def when_changed(
    context: dg.SensorEvaluationContext, locations: Sequence[str], otherwise: str
) -> dg.SensorResult | dg.SkipReason:
    """A run where what lies at locations is not what the cursor says; those where nothing lies count as absent."""
    found = {each: fingerprint(each) for each in locations if any(stored_files(each))}
    cursor = json.dumps(found, sort_keys=True)
    if not found or cursor == context.cursor:
        return dg.SkipReason(otherwise)
    # Without a run key: what went and came back is new, though it was asked for before.
    return dg.SensorResult(run_requests=[dg.RunRequest()], cursor=cursor)


def running(context: Tick) -> set[str]:
    """Ids of runs that have begun and not ended."""
    statuses = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    return {run.run_id for run in context.instance.get_runs(dg.RunsFilter(statuses=statuses))}


def _queued(context: Tick | dg.SensorEvaluationContext, job: str) -> Sequence[dg.DagsterRun]:
    # A run whose process starts has read nothing yet either, and under load that takes half a minute.
    statuses = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING]
    return context.instance.get_runs(dg.RunsFilter(job_name=job, statuses=statuses))


def days_of_run(run: dg.DagsterRun) -> list[dt.date]:
    """Days of a run over a range of them; none of another."""
    if FIRST_DAY not in run.tags:
        return []
    first, last = (dt.date.fromisoformat(run.tags[tag]) for tag in (FIRST_DAY, LAST_DAY))
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]


def stretches(days: Sequence[dt.date]) -> Iterator[tuple[dt.date, dt.date]]:
    """First and last day of each stretch of ascending days that follow each other, at most DAYS_PER_RUN long."""
    first = None
    for day in days:
        if first is None:
            first = last = day
        elif day == last + dt.timedelta(days=1) and (day - first).days < DAYS_PER_RUN:
            last = day
        else:
            yield first, last
            first = last = day
    if first is not None:
        yield first, last

"""Incidents: what is shown and told of them as soon as something happened, or a channel's wait is over."""

import os
from typing import TYPE_CHECKING

import dagster as dg

from canonry.alerts import pending
from dagster_project.resources import Platform
from dagster_project.runs import Requests, once, when_changed

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as Job


def incidents_changed(job: "Job", seconds: int) -> dg.SensorDefinition:
    """Shows incidents soon after something happened to one."""

    @dg.sensor(
        name="incidents_changed",
        job=job,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Shows incidents as soon as something happened to one: opened, taken, resolved.",
    )
    def changed(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult | dg.SkipReason:
        return when_changed(context, [f"{platform.zones.journal.url}/incidents/monitors"], "No incident changed")

    return changed


def messages_wait(job: "Job", seconds: int) -> dg.SensorDefinition:
    """Tells channels what they have not taken."""

    @dg.sensor(
        name="messages_wait",
        job=job,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells channels again what they did not take, each message when its wait is over.",
    )
    def waiting(context: dg.SensorEvaluationContext, platform: Platform) -> Requests:
        due = [each for each, is_due in pending(platform.zones.journal, platform.now(), os.environ) if is_due]
        return once(context, "notify", f"{len(due)} messages") if due else dg.SkipReason("No message is due")

    return waiting

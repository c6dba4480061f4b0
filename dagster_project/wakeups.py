"""When Label Studio says that something changed: the answers of that scheme are pulled at once."""

from typing import TYPE_CHECKING

import dagster as dg

from canonry.label.studio import NOT_CONFIGURED, server_url
from canonry.label.wakeup import woken
from dagster_project.resources import Platform

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as Job


def label_studio_changed(job: "Job", seconds: int) -> dg.SensorDefinition:
    """Asks for a pull of each scheme that was woken, once a wake-up; the pull takes the note of it away."""

    @dg.sensor(
        job=job,
        name="label_studio_changed",
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Pulls a scheme's answers as soon as Label Studio says, by its webhook, that something changed.",
    )
    def changed(context: dg.SensorEvaluationContext, platform: Platform) -> list[dg.RunRequest] | dg.SkipReason:
        if server_url() is None:
            return dg.SkipReason(NOT_CONFIGURED)
        since = {name: woken(platform.zones.exchange, name) for name in platform.catalog.schemes}
        requests = [
            dg.RunRequest(
                run_key=f"{name} {moment}",
                asset_selection=[dg.AssetKey(["journal", "annotations", name])],
                tags={"canonry/news": f"{name} changed on Label Studio"},
            )
            for name, moment in since.items()
            if moment
        ]
        return requests or dg.SkipReason("Label Studio says of nothing that it changed")

    return changed

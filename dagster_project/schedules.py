"""When: a sensor asks for the days that have news; jobs name what belongs together."""

import datetime as dt

import dagster as dg

from canonry.catalog import Catalog
from canonry.collect.news import days_with_news
from dagster_project.resources import DAILY, Platform

MINUTES_BEFORE_ASKING_AGAIN = 10


def build(catalog: Catalog) -> dg.Definitions:
    """Jobs, and the sensor on landing."""
    indexes = dg.AssetSelection.groups("index")
    files = dg.AssetSelection.assets(*(["landing", name] for name, each in catalog.sources.items() if each.location))
    loop = dg.define_asset_job(
        "loop",
        selection=dg.AssetSelection.all() - indexes - files,
        partitions_def=DAILY,
        description="The loop for a day: collect, label, cost, transform, evaluate, publish.",
    )
    rebuild = dg.define_asset_job(
        "rebuild_indexes", selection=indexes, description="Every canonical index, each behind its gate."
    )
    take = dg.define_asset_job("take_files", selection=files, description="Take new files of every file drop.")

    @dg.sensor(
        job=loop,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for the loop on every day that has news, today's included, and again until it has none.",
    )
    def landing_news(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult | dg.SkipReason:
        now = platform.now()
        news = days_with_news(platform.zones, today=now.date())
        asked = now - dt.timedelta(minutes=now.minute % MINUTES_BEFORE_ASKING_AGAIN)
        requests = [
            dg.RunRequest(
                partition_key=day.isoformat(), run_key=f"{day} {why} {asked:%Y-%m-%dT%H:%M}", tags={"canonry/news": why}
            )
            for day, why in news.items()
        ]
        return dg.SensorResult(run_requests=requests) if requests else dg.SkipReason("Nothing new has landed")

    return dg.Definitions(jobs=[loop, rebuild, take], sensors=[landing_news])

"""Transform: dbt over the lake, twice a run: staging and intermediate, then, with the estimates, the marts."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets

from canonry.collect import news
from dagster_project.resources import DAILY, RANGE, WAREHOUSE, Platform, days_of, dbt_project

GROUP = "transform"
ESTIMATED = "stg_consistency stg_drift stg_feedback_rates stg_incidents stg_prompt_drift"
"""Staging of what is estimated or found later: what fails there holds up the marts alone."""


class Translator(DagsterDbtTranslator):
    """Names of models as dbt has them, in the group and with the owners of the stage."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return GROUP

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return ["team:ai_platform"]


def build() -> dg.Definitions:
    """Every dbt model as an asset, its tests as checks."""
    manifest = dbt_project().manifest_path
    common: dict[str, Any] = {
        "manifest": manifest,
        "partitions_def": DAILY,
        "backfill_policy": RANGE,
        "pool": WAREHOUSE,
        "dagster_dbt_translator": Translator(),
    }

    @dbt_assets(
        select="staging intermediate",
        exclude=ESTIMATED,
        name="dbt_intermediate",
        **common,
    )
    def intermediate(context: dg.AssetExecutionContext, dbt: DbtCliResource, platform: Platform) -> Iterator[Any]:
        platform.recomputes(context)
        yield from _build(context, dbt, platform)

    @dbt_assets(select=f"marts {ESTIMATED}", name="dbt_marts", **common)
    def marts(context: dg.AssetExecutionContext, dbt: DbtCliResource, platform: Platform) -> Iterator[Any]:
        platform.recomputes(context)
        yield from _build(context, dbt, platform)
        news.built(platform.zones.lake, days_of(context), context.run.run_id)

    return dg.Definitions(assets=[intermediate, marts])


def _build(context: dg.AssetExecutionContext, dbt: DbtCliResource, platform: Platform) -> Iterator[Any]:
    days = days_of(context)
    until = days[-1] + dt.timedelta(days=1)
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    arguments += ["--event-time-start", days[0].isoformat(), "--event-time-end", until.isoformat()]
    # One folder for every run: what dbt has parsed, the next run need not, and nothing piles up.
    target = platform.zones.warehouse.parent / "dbt"
    with platform.alone(WAREHOUSE, context.log):
        yield from dbt.cli(arguments, context=context, target_path=target).stream()

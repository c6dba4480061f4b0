"""Publish: the marts leave the warehouse as immutable Parquet releases that everyone may read."""

import dagster as dg
import duckdb

from canonry.catalog import Catalog
from canonry.publish import publish_tables
from dagster_project.resources import WAREHOUSE, Platform

GROUP = "publish"
MARTS = ("cost_daily", "latency_hourly", "quality_daily")


def build(catalog: Catalog) -> dg.Definitions:
    """One release a mart."""
    specs = [
        dg.AssetSpec(
            ["published", "tables", mart],
            deps=[dg.AssetDep(mart, partition_mapping=dg.AllPartitionMapping())],
            description=f"The mart {mart} as Parquet. Read it with canonry.client.read_table({mart!r}).",
            group_name=GROUP,
            owners=["team:ai_platform"],
            kinds={"parquet"},
        )
        for mart in MARTS
    ]

    @dg.multi_asset(name="publish_marts", specs=specs, pool=WAREHOUSE)
    def tables(context: dg.AssetExecutionContext, platform: Platform):  # type: ignore[no-untyped-def]
        path = str(platform.zones.warehouse)
        with platform.alone(WAREHOUSE, context.log), duckdb.connect(path, read_only=True) as warehouse:
            found = {mart: warehouse.execute(f"SELECT * FROM {mart} ORDER BY ALL").to_arrow_table() for mart in MARTS}
        lineage = {"warehouse": platform.zones.warehouse.name}
        for mart, outcome in publish_tables(
            platform.zones, found, now=platform.published_at(), lineage=lineage
        ).items():
            metadata = {
                "dagster/row_count": found[mart].num_rows,
                "version": outcome.release.version,
                "state": outcome.state,
            }
            yield dg.MaterializeResult(asset_key=["published", "tables", mart], metadata=metadata)

    return dg.Definitions(assets=[tables])

"""Cost: the price list is journalled, and every call's tokens become charges."""

from collections import Counter

import dagster as dg

from canonry import lake
from canonry.catalog import Catalog
from canonry.cost import charge_day, price_snapshot
from dagster_project.evidence import bars, counts, preview
from dagster_project.resources import DAILY, RANGE, Platform, days_of

GROUP = "cost"
OWNERS = ["team:ai_platform"]


def build(catalog: Catalog) -> dg.Definitions:
    """Prices and charges."""

    @dg.asset(
        key=["journal", "prices"],
        description="The public price list as installed, kept with its version and the time it was taken. "
        "One entry per version.",
        group_name=GROUP,
        owners=OWNERS,
        kinds={"json"},
    )
    def prices(platform: Platform) -> dg.MaterializeResult:
        snapshot = price_snapshot(platform.zones, platform.now())
        metadata = {"version": snapshot.version, "dagster/row_count": snapshot.table.num_rows}
        return dg.MaterializeResult(metadata={**metadata, "preview": preview(snapshot.table)})

    @dg.asset(
        key=["lake", "charges"],
        deps=[["lake", "inferences"], prices, *(["models", name] for name in catalog.models)],
        description="What calls used, at which price, from which price list. One row per inference and token kind.",
        group_name=GROUP,
        owners=OWNERS,
        kinds={"parquet"},
        partitions_def=DAILY,
        backfill_policy=RANGE,
    )
    def charges(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        platform.recomputes(context)
        snapshot = price_snapshot(platform.zones, platform.now())
        days = days_of(context)
        made = [charge_day(platform.zones, platform.catalog, day, snapshot) for day in days]
        charged = lake.read(platform.zones.lake, "charges", days, ["token_kind", "amount"])
        by_kind = {
            each["token_kind"]: float(each["amount_sum"] or 0)
            for each in charged.group_by("token_kind").aggregate([("amount", "sum")]).to_pylist()
        }
        unpriced: Counter[str] = sum((Counter(report.unpriced) for report in made), Counter())
        unmeasured: Counter[str] = sum((Counter(report.unmeasured) for report in made), Counter())
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(report.rows for report in made),
                "amount_usd": float(sum(report.amount for report in made)),
                "amount_by_token_kind": bars(by_kind, " USD"),
                "unpriced_charges": counts(unpriced),
                "unmeasured_charges": counts(unmeasured),
                "preview": preview(lake.read(platform.zones.lake, "charges", days[-1:])),
            }
        )

    return dg.Definitions(assets=[prices, charges])

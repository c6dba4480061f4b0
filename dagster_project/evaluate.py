"""Evaluate: what the labels say of quality, and how sure that is."""

import math
from collections.abc import Sequence

import dagster as dg
import pyarrow as pa

from canonry import lake
from canonry.catalog import Catalog
from canonry.evaluate.estimates import estimate_all
from canonry.evaluate.response import StratumResponse
from dagster_project.evidence import governed, intervals, owners, preview
from dagster_project.resources import DAILY, RANGE, Platform, days_of

GROUP = "evaluate"
ESTIMATES = dg.AssetKey(["lake", "estimates"])


def build(catalog: Catalog) -> dg.Definitions:
    """Estimates of every eval, written together; one asset an eval shows its own."""
    whole = dg.AssetSpec(
        ESTIMATES,
        deps=[["lake", "labels"], ["lake", "inferences"], ["lake", "scores"]],
        description="Rates with their intervals, counts and estimand in words. One row per eval, slice and estimator.",
        group_name=GROUP,
        owners=["team:ai_quality"],
        kinds={"parquet"},
    )
    each = [
        dg.AssetSpec(
            ["estimates", name],
            deps=[ESTIMATES],
            description=spec.description,
            group_name=GROUP,
            owners=owners(spec.owner),
            metadata=governed("evals", name),
        )
        for name, spec in catalog.evals.items()
    ]

    @dg.multi_asset(name="estimate", specs=[whole, *each], partitions_def=DAILY, backfill_policy=RANGE)
    def estimate(context: dg.AssetExecutionContext, platform: Platform):  # type: ignore[no-untyped-def]
        platform.recomputes(context)
        days = days_of(context)
        made = [estimate_all(platform.zones, platform.catalog, day) for day in days]
        table = lake.read(platform.zones.lake, "estimates", days[-1:])
        rows, refused = sum(report.rows for report in made), sum(report.refused for report in made)
        yield dg.MaterializeResult(asset_key=ESTIMATES, metadata={"dagster/row_count": rows, "refused": refused})
        ends = ["interval_low", "interval_high", "worst_case_low", "worst_case_high"]
        columns = ["slice", "product", "response_model", "estimator", "value", *ends, "labels", "undecided", "refused"]
        for name in catalog.evals:
            shown = table.filter([value == name for value in table["eval"].to_pylist()])
            by_version = [
                row for row in shown.to_pylist() if row["slice"] in ("all", "response_model") and row["preferred"]
            ]
            metadata = {"intervals": intervals(by_version), "preview": preview(shown, columns)}
            answered = _answered(made[-1].response.get(name, []))
            yield dg.MaterializeResult(asset_key=["estimates", name], metadata={**metadata, "response": answered})

    return dg.Definitions(assets=[estimate])


def _answered(response: Sequence[StratumResponse]) -> dg.MarkdownMetadataValue:
    """Every stratum of the window, the one whose reviewers answered least first."""
    rows = [
        {"stratum": ", ".join(f"{field} {value}" for field, value in each.values.items()) or "all calls"}
        | {word: getattr(each, word) for word in ("drawn", "labeled", "skipped", "tied", "waiting")}
        | {"answered": None if math.isnan(each.rate) else f"{each.rate:.0%}"}
        for each in sorted(response, key=lambda each: (math.isnan(each.rate), each.rate))
    ]
    return preview(pa.Table.from_pylist(rows), rows=len(rows)) if rows else dg.MetadataValue.md("nothing was drawn")

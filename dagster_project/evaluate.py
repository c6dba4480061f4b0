"""Evaluate: what the labels say of quality, how sure that is, and a check for every monitor."""

import dagster as dg

from canonry import lake
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.estimates import estimate_all
from canonry.evaluate.monitors import check_monitor
from dagster_project.evidence import governed, intervals, owners, preview
from dagster_project.resources import DAILY, RANGE, Platform, days_of

GROUP = "evaluate"
ESTIMATES = dg.AssetKey(["lake", "estimates"])


def build(catalog: Catalog) -> dg.Definitions:
    """Estimates of every eval, written together; one asset an eval shows its own."""
    whole = dg.AssetSpec(
        ESTIMATES,
        deps=[["lake", "labels"], ["lake", "inferences"]],
        description="Rates with their intervals, counts and estimand in words. One row per eval and slice, a day.",
        group_name=GROUP,
        owners=["team:ai_quality"],
        kinds={"parquet"},
    )
    scores = dg.AssetSpec(
        ["lake", "scores"],
        description="Automatic scores of answers, joined into outcomes where a scorer has written them; none does here "
        "yet. One row per inference, metric and scorer version.",
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
        columns = ["slice", "product", "response_model", "value", "interval_low", "interval_high", "labels", "refused"]
        for name in catalog.evals:
            shown = table.filter([value == name for value in table["eval"].to_pylist()])
            by_version = [row for row in shown.to_pylist() if row["slice"] in ("all", "response_model")]
            metadata = {"intervals": intervals(by_version), "preview": preview(shown, columns)}
            yield dg.MaterializeResult(asset_key=["estimates", name], metadata=metadata)

    checks = [_check(name, spec) for name, spec in catalog.monitors.items()]
    return dg.Definitions(assets=[scores, estimate], asset_checks=checks)


def _check(name: str, spec: MonitorSpec) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=["estimates", spec.eval],
        name=name.replace("-", "_").replace(".", "_"),
        description=spec.description,
        metadata=governed("monitors", name),
    )
    def monitor(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        days = lake.days(platform.zones.lake, "estimates")
        if not days:
            return dg.AssetCheckResult(passed=True, description="No estimate has been made yet.")
        verdict = check_monitor(platform.zones, platform.catalog, name, days[-1])
        severity = dg.AssetCheckSeverity.ERROR if verdict.severity == "error" else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(passed=verdict.passed, severity=severity, description=verdict.message)

    return monitor

"""Collect: sources fill `landing/`, and each day of landing becomes typed, deduplicated partitions of the lake."""

from typing import Any

import dagster as dg

from canonry import lake
from canonry.catalog import Catalog, SourceSpec
from canonry.collect import news
from canonry.collect.file_drop import take_files
from canonry.collect.partition import DayReport, collect_day
from canonry.collect.rejected import collect_unreadable
from dagster_project.evidence import by_hour, counts, governed, owners, preview
from dagster_project.resources import DAILY, HOURLY, RANGE, RETRIES, Platform, days_of

GROUP = "collect"
OWNERS = ["team:ai_platform"]
POOL = "collect"
SHOWN = {
    "inferences": ["started_at", "team", "product", "response_model", "input_tokens", "output_tokens", "latency_ms"]
}
"""Columns of a kind that tell most, for its preview."""


def build_source(name: str, spec: SourceSpec) -> dg.Definitions:
    """A source: an asset that takes files where files are dropped, else a sign of who pushes."""
    key = dg.AssetKey(["landing", name])
    common: dict[str, Any] = {"group_name": GROUP, "description": spec.description, "owners": owners(spec.owner)}
    if spec.type == "push":
        return dg.Definitions(assets=[dg.AssetSpec(key, kinds={"jsonl"}, metadata=governed("sources", name), **common)])

    @dg.asset(key=key, kinds={"jsonl"}, pool=POOL, metadata=governed("sources", name), retry_policy=RETRIES, **common)
    def take(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        with platform.alone(POOL, context.log):
            report = take_files(platform.zones, name, platform.catalog.sources[name], now=platform.now())
        for file, problem in report.problems.items():
            context.log.error("%s: %s", file, problem)
        metadata: dict[str, Any] = {
            "files": report.files,
            "unreadable": report.unreadable,
            "files_left": dg.MetadataValue.json(report.problems),
        }
        return dg.MaterializeResult(metadata={**metadata, "events": counts(report.events)})

    return dg.Definitions(assets=[take])


def build(catalog: Catalog) -> dg.Definitions:
    """The lake's event kinds, a day at a time."""
    landing = [dg.AssetKey(["landing", name]) for name in catalog.sources]
    plain: dict[str, Any] = {"partitions_def": DAILY, "backfill_policy": RANGE, "pool": POOL}

    @dg.multi_asset(
        name="collect_inferences",
        specs=[
            _spec("inferences", "Calls to a model: facts without text. One row per inference.", landing, HOURLY),
            _spec("contents", "What was asked, answered and retrieved. One row per inference.", landing),
            _spec(
                "keys",
                "Every id's day and trace: finds copies and what a late thumb is about. One row per id.",
                landing,
            ),
        ],
        **plain,
    )
    def collect_inferences(context: dg.AssetExecutionContext, platform: Platform):  # type: ignore[no-untyped-def]
        metadata = _collect(context, platform, "inferences")
        moments = lake.read(platform.zones.lake, "inferences", days_of(context), ["started_at"])["started_at"]
        metadata["calls_by_hour"] = by_hour(moments)
        yield dg.MaterializeResult(asset_key=["lake", "inferences"], metadata=metadata)
        yield dg.MaterializeResult(asset_key=["lake", "contents"])
        yield dg.MaterializeResult(asset_key=["lake", "keys"])

    others = [
        _event_asset(
            "steps", "Retriever, tool and pipeline spans; beside them what they gave. One row per step.", landing
        ),
        _event_asset("feedback", "What people thought, by the day they said it. One row per feedback.", landing),
        _event_asset("annotations", "Labels that came with foreign data, undrawn. One row per annotation.", landing),
    ]

    @dg.asset(
        key=["lake", "rejected"],
        deps=[*landing, ["lake", "inferences"], ["lake", "steps"], ["lake", "feedback"], ["lake", "annotations"]],
        description="What could not be taken, with its reason and bytes, by the day of the event, or that of its "
        "receipt where the event's cannot be read. One row per rejected event.",
        group_name=GROUP,
        owners=OWNERS,
        kinds={"parquet"},
        **plain,
    )
    def rejected(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        reasons: dict[str, int] = {}
        with platform.alone(POOL, context.log):
            for day in days_of(context):
                collect_unreadable(platform.zones, day)
        table = lake.read(platform.zones.lake, "rejected", days_of(context), ["kind", "source", "reason"])
        for row in table.to_pylist():
            reasons[row["reason"]] = reasons.get(row["reason"], 0) + 1
        metadata = {"dagster/row_count": table.num_rows, "reasons": counts(reasons), "preview": preview(table)}
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset_check(
        asset=["lake", "rejected"],
        name="few_rejected",
        description="On the last fourteen days with rejected events, these are less than a tenth of them and the calls "
        "taken.",
    )
    def few_rejected(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        days = sorted(lake.days(platform.zones.lake, "rejected"))[-14:]
        bad = lake.read(platform.zones.lake, "rejected", days, ["kind"]).num_rows
        good = sum((lake.manifest(platform.zones.lake, "inferences", day) or {"rows": 0})["rows"] for day in days)
        share = bad / (bad + good) if bad else 0.0
        return dg.AssetCheckResult(
            passed=share < 0.1,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"rejected": bad, "taken": good, "share": share},
        )

    return dg.Definitions(assets=[collect_inferences, *others, rejected], asset_checks=[few_rejected])


def _event_asset(kind: str, description: str, landing: list[dg.AssetKey]) -> dg.AssetsDefinition:
    @dg.asset(
        key=["lake", kind],
        deps=[*landing, *([dg.AssetKey(["lake", "keys"])] if kind == "feedback" else [])],
        description=description,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"parquet"},
        partitions_def=DAILY,
        backfill_policy=RANGE,
        pool=POOL,
    )
    def collect_kind(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata=_collect(context, platform, kind))

    return collect_kind


def _spec(
    kind: str, description: str, landing: list[dg.AssetKey], freshness: dg.FreshnessPolicy | None = None
) -> dg.AssetSpec:
    return dg.AssetSpec(
        ["lake", kind],
        deps=landing,
        description=description,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"parquet"},
        freshness_policy=freshness,
    )


def _collect(context: dg.AssetExecutionContext, platform: Platform, kind: str) -> dict[str, Any]:
    """Collect the run's days, then those of them that a later one restated."""
    days = days_of(context)
    reports: dict[object, DayReport] = {}
    with platform.alone(POOL, context.log):
        for day in days:
            reports[day] = collect_day(platform.zones, kind, day, today=platform.today())
        for day in set(days) & set(news.told(platform.zones.lake, kind)):
            reports[day] = collect_day(platform.zones, kind, day, today=platform.today())
    for report in reports.values():
        if report.restated:
            context.log.info("%s: restates %s", report.day, ", ".join(map(str, report.restated)))
    table = lake.read(platform.zones.lake, kind, days[-1:], SHOWN.get(kind))
    return {
        "dagster/row_count": sum(report.rows for report in reports.values()),
        "identical_copies": sum(report.duplicates for report in reports.values()),
        "reconciled": sum(report.reconciled for report in reports.values()),
        "rejected": sum(report.rejected for report in reports.values()),
        "days_changed": sum(report.changed for report in reports.values()),
        "preview": preview(table),
    }

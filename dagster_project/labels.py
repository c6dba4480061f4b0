"""Labels: what reviewers answered by the day of the call, how far they agree, and what is computed from it again."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

import dagster as dg
import pyarrow as pa

from canonry import lake
from canonry.catalog import Catalog, SchemeSpec
from canonry.collect import news
from canonry.label.known import HISTORY_DAYS
from canonry.label.known_answers import write_known_answers
from canonry.label.measure import QUARTER, check_floor, write_agreement
from canonry.label.partition import write_labels
from dagster_project.evidence import governed, matrix, preview
from dagster_project.resources import DAILY, RANGE, Platform, days_of

GROUP = "label"
AGREEMENT = dg.AssetKey(["lake", "agreement"])


def build(catalog: Catalog) -> dg.Definitions:
    """The labels of every scheme, by the day of the call they are about."""

    @dg.asset(
        key=["lake", "labels"],
        deps=[["journal", "annotations", name] for name in catalog.schemes],
        description="Annotations of drawn items, joined with their draw, by the day of the labeled call. "
        "One row per annotation.",
        group_name=GROUP,
        owners=["team:ai_quality"],
        kinds={"parquet"},
        partitions_def=DAILY,
        backfill_policy=RANGE,
    )
    def labels(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        platform.recomputes(context)
        days = days_of(context)
        made = [write_labels(platform.zones, day) for day in days]
        # A later day may have been computed, by a run of its own, from what these days' labels were until now.
        changed = [day for day, each in zip(days, made, strict=True) if each.changed and each.rows]
        for name in catalog.schemes:
            tell(platform, name, changed, done=days)
        known = sum(write_known_answers(platform.zones, day) for day in days)
        table = lake.read(platform.zones.lake, "labels", days, ["scheme", "item_id", "result", "stratum", "simulated"])
        simulated = sum(bool(value) for value in table["simulated"].to_pylist())
        metadata = {"dagster/row_count": table.num_rows, "simulated": simulated, "preview": preview(table)}
        metadata["answers_to_known_items"] = known
        return dg.MaterializeResult(metadata={**metadata, "skipped": sum(each.skipped for each in made)})

    @dg.asset(
        key=AGREEMENT,
        deps=[
            dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping())
            for key in (labels.key, dg.AssetKey(["lake", "annotations"]))
        ],
        description="How far reviewers agree beyond chance, in the week and the quarter that each day ends. One row "
        "per day, scheme version, field, metric, window, annotators and answer.",
        group_name=GROUP,
        owners=["team:ai_quality"],
        kinds={"parquet"},
    )
    def agreement(platform: Platform) -> dg.MaterializeResult:
        made = write_agreement(platform.zones.lake, platform.catalog)
        latest = lake.read(platform.zones.lake, "agreement", lake.days(platform.zones.lake, "agreement")[-1:])
        rows = [row for row in latest.to_pylist() if row["window_days"] == QUARTER]
        shown = pa.Table.from_pylist([row for row in rows if row["metric"] == "alpha"], latest.schema)
        columns = ["scheme", "field", "value", "interval_low", "interval_high", "items", "annotators", "refused"]
        metadata: dict[str, Any] = {"days_measured": made.measured, "alpha": preview(shown, columns)}
        for name, field in sorted({(row["scheme"], row["field"]) for row in rows if row["metric"] == "kappa"}):
            pairs = [row for row in rows if (row["scheme"], row["field"], row["metric"]) == (name, field, "kappa")]
            metadata[f"kappa_{name}_{field}".replace(".", "_")] = matrix(pairs)
        watched = pa.Table.from_pylist([row for row in rows if row["metric"] == "known_answers"], latest.schema)
        columns = ["scheme", "field", "annotator", "value", "interval_low", "interval_high", "items", "refused"]
        metadata["known_answers"] = preview(watched, columns, rows=50)
        return dg.MaterializeResult(metadata={"dagster/row_count": latest.num_rows, **metadata})

    checks = [_agreement_check(name, spec) for name, spec in catalog.schemes.items()]
    return dg.Definitions(assets=[labels, agreement], asset_checks=checks)


def _agreement_check(name: str, spec: SchemeSpec) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=AGREEMENT,
        name=f"{name.replace('-', '_').replace('.', '_')}_reaches_its_floor",
        description=f"The interval of Krippendorff's alpha lies above {spec.agreement.alpha_floor} in every choice.",
        metadata=governed("schemes", name),
    )
    def reaches_its_floor(platform: Platform) -> dg.AssetCheckResult:
        floor = check_floor(platform.zones.lake, name, platform.catalog.schemes[name])
        return dg.AssetCheckResult(passed=floor.passed, severity=dg.AssetCheckSeverity.WARN, description=floor.message)

    return reaches_its_floor


def days_concerned(catalog: Catalog, name: str, days: Iterable[dt.date]) -> set[dt.date]:
    """Days whose estimates are made from labels of one of these days.

    Those of a window, of annotators' history, and of windows with an item that shares a label as it reads the same.
    """
    windows = [each.window_days for each in catalog.evals.values() if each.scheme == name]
    scheme = catalog.schemes[name]
    shared = HISTORY_DAYS + max(windows, default=1) if scheme.sampling.same_text_once else 1
    reach = max([*windows, scheme.consensus.history_days, shared]) if windows else 1
    return {day + dt.timedelta(days=later) for day in days for later in range(reach)}


def tell(platform: Platform, name: str, days: Iterable[dt.date], done: Iterable[dt.date] = ()) -> None:
    """Note the days to compute again, but for those that this run computes.

    One still to come is computed when it has come, though nobody may call on it.
    """
    for day in days_concerned(platform.catalog, name, days) - set(done):
        news.tell(platform.zones.lake, news.OUTCOMES, day, f"labels of {name}")

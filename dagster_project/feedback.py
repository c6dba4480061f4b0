"""Feedback, a part of evaluate: what users said and did, between the two runs of dbt."""

import datetime as dt
import hashlib
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.evaluate.feedback import COLUMNS, MONTH, undefined_signals, write_feedback
from canonry.evaluate.retries import write_retries
from dagster_project.evaluate import GROUP
from dagster_project.evidence import counts, preview
from dagster_project.resources import DAILY, RANGE, WAREHOUSE, Platform, days_of


def build() -> dg.Definitions:
    """Which answers were asked again, and what users said and did, reweighted by the chance of saying it."""
    common: dict[str, Any] = {"group_name": GROUP, "owners": ["team:ai_quality"], "kinds": {"parquet"}}

    @dg.asset(
        key=["lake", "retries"],
        deps=[["lake", "inferences"], ["lake", "contents"]],
        description="Answers whose asker and question are known, and what asked the same again soon after, if anything "
        "did. One row per answer.",
        partitions_def=DAILY,
        backfill_policy=RANGE,
        **common,
    )
    def retries(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        platform.recomputes(context)
        zone, days = platform.zones.lake, days_of(context)
        earlier = [day for day in lake.days(zone, "inferences") if 0 < (days[0] - day).days < MONTH]
        for day in [*earlier, *days]:
            # An answer before midnight may be asked again after it.
            if day >= days[0] - dt.timedelta(days=1) or lake.manifest(zone, "retries", day) is None:
                write_retries(zone, day)
        table = lake.read(zone, "retries", days)
        asked_again = table.num_rows - table["asked_again_by"].null_count
        shown = preview(table.filter(table["asked_again_by"].is_valid()))
        return dg.MaterializeResult(
            metadata={"dagster/row_count": table.num_rows, "asked_again": asked_again, "preview": shown}
        )

    @dg.asset(
        key=["lake", "feedback_rates"],
        deps=["int_inference_outcomes", retries],
        description="What users said and did of the answers of a day, and of the four weeks it ends: as it is, and "
        "reweighted by the chance of saying it, with both intervals. One row per signal, window and slice, a day.",
        partitions_def=DAILY,
        backfill_policy=RANGE,
        pool=WAREHOUSE,
        **common,
    )
    def rates(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        platform.recomputes(context)
        zone, days = platform.zones.lake, _with_windows(platform, days_of(context))
        first = days[0] - dt.timedelta(days=MONTH - 1)
        with (
            platform.alone(WAREHOUSE, context.log),
            duckdb.connect(str(platform.zones.warehouse), read_only=True) as db,
        ):
            answers = db.execute(
                f"SELECT {', '.join(COLUMNS)} FROM int_inference_outcomes WHERE is_answer AND day BETWEEN ? AND ? "
                "ORDER BY day, inference_id",
                [first, days[-1]],
            ).to_arrow_table()
            built = {day for (day,) in db.execute("SELECT DISTINCT day FROM int_inference_outcomes").fetchall()}
        lacking = [
            day
            for day in lake.days(zone, "inferences")
            if first <= day <= days[-1]
            and day not in built
            and lake.read(zone, "inferences", [day], ["product"]).num_rows
        ]
        every_day = [first + dt.timedelta(days=each) for each in range((days[-1] - first).days + 1)]
        of_day = {day: answers.filter(pc.equal(answers["day"], day)) for day in every_day}
        retried = {day: lake.read(zone, "retries", [day]) for day in every_day}
        digests = {day: _digest(of_day[day], retried[day]) for day in every_day}
        rows: list[dict[str, Any]] = []
        for day in days:
            window = [day - dt.timedelta(days=back) for back in reversed(range(MONTH))]
            if missing := sorted(set(window) & set(lacking)):
                context.log.warning("%s is not measured: the warehouse lacks %s; recompute it", day, missing[0])
                continue
            inputs = {f"int_inference_outcomes and lake/retries of {each}": digests[each] for each in window}
            within, again = (pa.concat_tables([part[each] for each in window]) for part in (of_day, retried))
            rows, _ = write_feedback(zone, day, within, again, inputs)
        columns = ["signal", "product", "answers", "known", "raw_value", "value", "interval_low", "interval_high"]
        shown = [row for row in rows if row["window_days"] == MONTH and row["slice"] != "team,product,response_model"]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(rows),
                "days_measured": len(days),
                "preview": preview(pa.Table.from_pylist(shown, lake.SCHEMAS["feedback_rates"]), [*columns, "refused"]),
                "signals_nobody_defined": counts(undefined_signals(answers)),
            }
        )

    return dg.Definitions(assets=[retries, rates])


def _with_windows(platform: Platform, days: list[dt.date]) -> list[dt.date]:
    """Days of a run, and the later ones with calls whose windows hold one of them."""
    later = [
        day for day in lake.days(platform.zones.lake, "inferences") if day <= days[-1] + dt.timedelta(days=MONTH - 1)
    ]
    return sorted({*days, *(day for day in later if day > days[0])})


def _digest(*tables: pa.Table) -> str:
    found = hashlib.sha256()
    for table in tables:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table.combine_chunks())
        found.update(sink.getvalue())
    return found.hexdigest()

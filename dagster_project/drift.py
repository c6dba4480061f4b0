"""Drift, a part of evaluate: whether calls are what they were, prompts registered, and answers consistent."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from canonry import embedded, lake
from canonry.catalog import Catalog
from canonry.encode import files_of
from canonry.evaluate.consistency_partition import days_concerned, write_consistency
from canonry.evaluate.drift_partition import days_with_drift, write_drift
from canonry.evaluate.prompt_drift import DRIFTED, write_prompt_drift
from canonry.evaluate.prompts import registered_prompts
from dagster_project.evaluate import GROUP
from dagster_project.evidence import counts, preview
from dagster_project.resources import DAILY, RANGE, Platform, days_of

CALLS = (["lake", "inferences"], ["lake", "contents"], ["lake", "steps"])
Embed = Callable[[Sequence[str]], np.ndarray]


def build(catalog: Catalog) -> dg.Definitions:
    """Drift of every spec, and prompts that are registered nowhere."""
    common: dict[str, Any] = {"group_name": GROUP, "owners": ["team:ai_quality"], "kinds": {"parquet"}}
    specs = [
        dg.AssetSpec(
            ["lake", "drift"],
            deps=list(CALLS),
            description="Whether the last days' questions, answers, retrieved passages, categories and lengths are "
            "those of the reference, by tests whose false alarms keep a year's budget. One row per drift spec, product "
            "and part, a day.",
            **common,
        ),
        dg.AssetSpec(
            ["lake", "drift_topics"],
            deps=list(CALLS),
            description="Topics of what is asked and answered, and which of them grew. One row per drift spec, "
            "product, part and topic, a day.",
            **common,
        ),
    ]

    @dg.multi_asset(name="measure_drift", specs=specs, partitions_def=DAILY, backfill_policy=RANGE)
    def drift(context: dg.AssetExecutionContext, platform: Platform):  # type: ignore[no-untyped-def]
        platform.recomputes(context)
        zone, first = platform.zones.lake, days_of(context)[0]
        embedders = {spec.encoder: embedder(platform, spec.encoder) for spec in platform.catalog.drifts.values()}
        # A later day may be compared with one of the run's.
        made = write_drift(zone, platform.catalog, days_with_drift(zone, first), embedders)
        table = lake.read(zone, "drift", days_of(context), with_day=True)
        alarms = table.filter(table["alarm"].combine_chunks().fill_null(False))
        columns = ["day", "product", "part", "measure", "value", "noise", "p_value", "window_calls"]
        refused = table.num_rows - table["refused"].null_count
        yield dg.MaterializeResult(
            asset_key=["lake", "drift"],
            metadata={
                "dagster/row_count": table.num_rows,
                "days_computed": len(made.computed),
                "days_unchanged": made.kept,
                "alarms": alarms.num_rows,
                "refused": refused,
                "found_different": preview(alarms.sort_by([("day", "descending")]), columns, rows=20),
            },
        )
        topics = lake.read(zone, "drift_topics", days_of(context), with_day=True)
        grown = topics.filter(topics["found"])
        columns = ["day", "product", "part", "words", "reference_share", "window_share", "interval_low"]
        yield dg.MaterializeResult(
            asset_key=["lake", "drift_topics"],
            metadata={
                "dagster/row_count": topics.num_rows,
                "grown": preview(grown.sort_by([("day", "descending")]), columns, rows=20),
            },
        )

    @dg.asset(
        key=["lake", "prompt_drift"],
        deps=[*CALLS[:2], *(["published", "prompts", name] for name in catalog.prompts)],
        description="Which prompts calls were made with: registered versions, changed ones with what changed, unknown "
        "ones. One row per product, status, claim and changed text, a day.",
        partitions_def=DAILY,
        backfill_policy=RANGE,
        **common,
    )
    def prompt_drift(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        platform.recomputes(context)
        prompts = registered_prompts(platform.zones.published, platform.catalog)
        rows = [row for day in days_of(context) for row in write_prompt_drift(platform.zones.lake, prompts, day)[0]]
        by_status: dict[str, int] = {}
        for row in rows:
            by_status[row["status"]] = by_status.get(row["status"], 0) + row["calls"]
        drifted = [row for row in rows if row["status"] in DRIFTED]
        columns = ["product", "status", "prompt_name", "prompt_version", "nearest_version", "calls", "changes"]
        table = pa.Table.from_pylist(drifted, lake.SCHEMAS["prompt_drift"])
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(rows),
                "registered_versions": len(prompts),
                "calls_by_status": counts(by_status),
                "drifted": preview(table, columns, rows=20),
            }
        )

    return dg.Definitions(assets=[drift, prompt_drift, _consistency(catalog, common)])


def _consistency(catalog: Catalog, common: dict[str, Any]) -> dg.AssetsDefinition:
    specs = [
        dg.AssetSpec(
            ["lake", "consistency"],
            deps=list(CALLS[:2]),
            description="How often two answers to one question disagree, by what they differ in: nothing, prompt, "
            "model or product. One row per difference and product, a day, over the week that it ends.",
            **common,
        ),
        dg.AssetSpec(
            ["lake", "inconsistencies"],
            deps=list(CALLS[:2]),
            description="Pairs of calls whose answers to one question disagree, the most asked questions first. One "
            "row per question, a day.",
            **common,
        ),
    ]

    @dg.multi_asset(name="compare_answers", specs=specs, partitions_def=DAILY, backfill_policy=RANGE)
    def consistency(context: dg.AssetExecutionContext, platform: Platform):  # type: ignore[no-untyped-def]
        platform.recomputes(context)
        zone, days = platform.zones.lake, days_of(context)
        encoder = canonical_encoder(platform.catalog)
        computed = []
        if encoder is None:
            context.log.info("No model has the role encoder: questions are not compared")
        else:
            wanted = days_concerned(zone, days[0], days[-1])
            digest = files_of(encoder, platform.catalog.models[encoder]).sha256
            computed = write_consistency(zone, wanted, embedder(platform, encoder), digest)
        shown = lake.read(zone, "consistency", days[-1:])
        columns = ["across", "product", "questions", "pairs", "value", "interval_low", "interval_high", "refused"]
        yield dg.MaterializeResult(
            asset_key=["lake", "consistency"],
            metadata={
                "dagster/row_count": lake.read(zone, "consistency", days).num_rows,
                "days_computed": len(computed),
                "last_day": preview(shown, columns, rows=20),
            },
        )
        found = lake.read(zone, "inconsistencies", days)
        reasons = Counter(found["reason"].to_pylist())
        yield dg.MaterializeResult(
            asset_key=["lake", "inconsistencies"],
            metadata={"dagster/row_count": found.num_rows, "why": counts(reasons), "preview": preview(found)},
        )

    return consistency


def canonical_encoder(catalog: Catalog) -> str | None:
    """The encoder that most indexes are built with; where there is none, the first of the catalog."""
    used = Counter(spec.encoder for spec in catalog.indexes.values())
    encoders = sorted(name for name, spec in catalog.models.items() if spec.role == "encoder")
    return max(encoders, key=lambda name: used[name], default=None)


def embedder(platform: Platform, name: str) -> Embed:
    """Vectors of texts by an encoder of the catalog, each text embedded once for ever.

    By the runtime that indexes are built with: a text's vector must not depend on which stage came to it first.
    """
    files = files_of(name, platform.catalog.models[name])
    return lambda texts: embedded.embed(platform.zones.lake, files, texts).vectors

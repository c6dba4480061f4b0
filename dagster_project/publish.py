"""Publish: the marts leave the warehouse as immutable releases that everyone may read, and a page shows them."""

import hashlib
from dataclasses import asdict
from pathlib import Path

import dagster as dg
import duckdb

from canonry.catalog import Catalog
from canonry.code import code_version
from canonry.collect import news
from canonry.index.store import judged_candidates
from canonry.label.progress import label_progress
from canonry.label.reviewers import reviewer_progress
from canonry.labels import schemes_drawn
from canonry.publish import publish_tables
from canonry.publish.scorecard import FILE, PATH, publish_scorecard
from canonry.publish.tables import MADE_FROM
from canonry.regressions import shown_texts
from dagster_project.resources import WAREHOUSE, Platform, dbt_project

GROUP = "publish"

SHOWN = ("rejected", "drift_topics", "prompt_drift", "inconsistencies")
"""What of the lake the scorecard shows as it is."""


def build(catalog: Catalog) -> dg.Definitions:
    """One release a mart, and the scorecard."""
    specs = [
        dg.AssetSpec(
            ["published", "tables", mart],
            deps=[dg.AssetDep(mart, partition_mapping=dg.AllPartitionMapping())],
            description=f"The mart {mart} as Parquet. Read it with canonry.client.read_table({mart!r}).",
            group_name=GROUP,
            owners=["team:ai_platform"],
            kinds={"parquet"},
        )
        for mart in MADE_FROM
    ]

    @dg.multi_asset(name="publish_marts", specs=specs, pool=WAREHOUSE)
    def tables(context: dg.AssetExecutionContext, platform: Platform):  # type: ignore[no-untyped-def]
        path = str(platform.zones.warehouse)
        with platform.alone(WAREHOUSE, context.log), duckdb.connect(path, read_only=True) as warehouse:
            found = {
                mart: warehouse.execute(f"SELECT * FROM {mart} ORDER BY ALL").to_arrow_table() for mart in MADE_FROM
            }
        lineage = {"warehouse": platform.zones.warehouse.name, "code": code_version(), "sql": _sql_version()}
        for mart, outcome in publish_tables(
            platform.zones, found, now=platform.published_at(), lineage=lineage
        ).items():
            metadata = {
                "dagster/row_count": found[mart].num_rows,
                "version": outcome.release.version,
                "state": outcome.state,
            }
            yield dg.MaterializeResult(asset_key=["published", "tables", mart], metadata=metadata)
        news.settle(platform.zones.lake, context.run.run_id)

    return dg.Definitions(assets=[tables, _scorecard(catalog, specs)])


def _sql_version() -> str:
    """A digest of the files that say how the tables are made."""
    folder = Path(dbt_project().project_dir)
    seen = hashlib.sha256()
    for each in sorted([*folder.glob("models/**/*.sql"), *folder.glob("macros/**/*.sql")]):
        seen.update(f"{each.relative_to(folder).as_posix()}\0".encode() + each.read_bytes() + b"\0")
    return seen.hexdigest()[:12]


def _scorecard(catalog: Catalog, tables: list[dg.AssetSpec]) -> dg.AssetsDefinition:
    every_day = dg.AllPartitionMapping()

    @dg.asset(
        key=["published", "scorecard"],
        deps=[
            *(table.key for table in tables),
            ["published", "models"],
            *(["published", "indexes", name] for name in catalog.indexes),
            *(["published", "gold", name] for name in catalog.schemes),
            *(["comparisons", name] for name, spec in catalog.comparisons.items() if spec.answers),
            ["published", "tables", "incidents"],
            *(dg.AssetDep(["lake", kind], partition_mapping=every_day) for kind in SHOWN),
        ],
        description="Cost, latency, quality, drift, labels, indexes and what was rejected, on one page for people. "
        "Open published/scorecard/index.html in a browser; `canonry scorecard --open` does.",
        group_name=GROUP,
        owners=["team:ai_platform"],
        kinds={"html"},
    )
    def scorecard(platform: Platform) -> dg.MaterializeResult:
        zones = platform.zones
        names = schemes_drawn(zones.journal)
        labels = [asdict(row) for name in names for row in label_progress(zones, name)]
        reviewers = [asdict(row) for name in names for row in reviewer_progress(zones, name)]
        candidates = judged_candidates(zones.lake)
        texts = shown_texts(zones, platform.catalog, platform.today())
        outcome = publish_scorecard(
            zones,
            labels=labels,
            candidates=candidates,
            reviewers=reviewers,
            texts=texts,
            shows_texts=platform.catalog.shows_texts,
            now=platform.published_at(),
        )
        page = f"{zones.published.url}/{PATH}"
        return dg.MaterializeResult(
            metadata={
                "version": outcome.release.version,
                "state": outcome.state,
                "bytes": outcome.release.manifest.files[FILE].size,
                "path": dg.MetadataValue.path(page),
                "page": dg.MetadataValue.url(page if "://" in page else f"file://{page}"),
            }
        )

    return scorecard

"""The whole platform on one page: every stage of the loop, made from the catalog and merged."""

from __future__ import annotations

import dagster as dg

from canonry import catalog as catalogs
from dagster_project import (
    collect,
    compare,
    cost,
    drift,
    evaluate,
    feedback,
    govern,
    index,
    label,
    labels,
    monitors,
    publish,
    schedules,
    score,
    transform,
)
from dagster_project.resources import ASSETS, Platform, dbt_resource


def build(platform: Platform, timetable: schedules.Timetable) -> dg.Definitions:
    """Every stage of the loop, from the catalog as its files are now."""
    catalog = catalogs.load(ASSETS)
    return dg.Definitions.merge(
        # products ──log, feedback──▶ collect
        *(collect.build_source(name, spec) for name, spec in catalog.sources.items()),
        collect.build(catalog),
        # ─▶ label
        *(label.build(name, spec) for name, spec in catalog.schemes.items()),
        labels.build(catalog),
        # ─▶ cost
        cost.build(catalog),
        # ─▶ evaluate, between the two runs of dbt
        transform.build(),
        score.build(catalog),
        evaluate.build(catalog),
        feedback.build(),
        monitors.build(catalog),
        drift.build(catalog),
        # ─▶ index
        *(index.build(name, spec, catalog) for name, spec in catalog.indexes.items()),
        # ─▶ compare what waits with what is released
        compare.build(catalog),
        # ─▶ publish ──▶ products
        govern.build(catalog),
        publish.build(catalog),
        # and when
        schedules.build(catalog, timetable),
        dg.Definitions(
            resources={"platform": platform, "dbt": dbt_resource()},
            executor=dg.in_process_executor,
        ),
    )


defs = build(Platform(), schedules.Timetable())

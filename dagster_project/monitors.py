"""Monitors, a part of evaluate: every promise is looked at, and what is broken becomes an incident that people see."""

import os
from collections import Counter

import dagster as dg
import pyarrow as pa

from canonry import lake
from canonry.alerts import Incident, deliver, every, last_look, queue, slice_said, write_incidents
from canonry.alerts.channels import send_by_apprise
from canonry.catalog import Catalog, MonitorSpec
from canonry.publish import publish_tables
from dagster_project.evaluate import GROUP
from dagster_project.evidence import counts, governed, owners, preview
from dagster_project.resources import DAILY, RANGE, Platform, days_of

LOOKS = dg.AssetKey(["journal", "looks"])
INCIDENTS = dg.AssetKey(["published", "tables", "incidents"])

_LOOKED_AT = (
    *("inferences", "feedback", "charges", "labels", "scores", "estimates", "feedback_rates"),
    *("drift", "drift_topics", "prompt_drift", "consistency"),
)


def build(catalog: Catalog) -> dg.Definitions:
    """What monitors found, the incidents made of it, and a check for every monitor on the asset it concerns."""
    every_day = dg.AllPartitionMapping()

    @dg.asset(
        key=LOOKS,
        deps=[["lake", kind] for kind in _LOOKED_AT],
        description="What each monitor saw of a day, at its end or at the moment when it looked; incidents are opened, "
        "updated and resolved by it. One entry per look.",
        group_name=GROUP,
        owners=["team:ai_quality"],
        kinds={"json"},
        partitions_def=DAILY,
        backfill_policy=RANGE,
    )
    def looks(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        # pandas comes with it; runs of other steps begin without.
        from canonry.evaluate.monitors import watch

        days = days_of(context)
        looked = watch(platform.zones, platform.catalog, days, platform.now())
        for one in looked:
            for said in one.failed.values():
                context.log.error("%s: could not be measured: %s", one.at, said)
        last = last_look(platform.zones.journal)
        rows = last.rows if last else []
        happened = [f"{each.incident_id}: {each.entries[-1].what}" for one in looked for each in one.incidents]
        shown = [
            {"monitor": row["monitor"], "slice": slice_said(row["slice"]), "state": row["state"], "said": row["said"]}
            for row in rows
        ]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(rows),
                "states": counts(Counter(row["state"] for row in rows)),
                "found": preview(pa.Table.from_pylist(shown), rows=len(shown)),
                "happened": "\n".join(happened) or "nothing",
            }
        )

    @dg.asset(
        key=["journal", "notifications"],
        deps=[dg.AssetDep(LOOKS, partition_mapping=every_day)],
        description="What channels are told of incidents, kept until each has taken it: a channel that fails is tried "
        "again, ever more slowly. One entry per message.",
        group_name=GROUP,
        owners=["team:ai_quality"],
        kinds={"json"},
    )
    def notifications(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        journal = platform.zones.journal
        queued = queue(
            journal, {name: spec.channels for name, spec in platform.catalog.monitors.items()}, platform.now()
        )
        told = deliver(journal, send_by_apprise, now=platform.now, variables=os.environ, holder=context.run.run_id)
        for name, why in told.failed.items():
            context.log.warning("%s: %s; it is tried again", name, why)
        return dg.MaterializeResult(
            metadata={
                "queued": len(queued),
                "delivered": len(told.delivered),
                "failed": len(told.failed),
                "waiting": told.waiting,
            }
        )

    @dg.asset(
        key=["lake", "incidents"],
        deps=[dg.AssetDep(LOOKS, partition_mapping=every_day)],
        description="What is or was broken, from the journal: since when, how far, of what likely cause, whose it is, "
        "and what to do. One row per incident, on the day it opened.",
        group_name=GROUP,
        owners=["team:ai_quality"],
        kinds={"parquet"},
    )
    def incidents(platform: Platform) -> dg.MaterializeResult:
        table = write_incidents(platform.zones)
        columns = ["incident_id", "state", "owner", "said", "cause_said", "runbook"]
        return dg.MaterializeResult(
            metadata={"dagster/row_count": table.num_rows, "incidents": preview(table, columns, rows=20)}
        )

    @dg.asset(
        key=INCIDENTS,
        deps=[incidents],
        description="Every incident as Parquet. Read it with canonry.client.read_table('incidents').",
        group_name="publish",
        owners=["team:ai_quality"],
        kinds={"parquet"},
    )
    def published(platform: Platform) -> dg.MaterializeResult:
        zones = platform.zones
        table = _all(platform)
        outcome = publish_tables(zones, {"incidents": table}, now=platform.published_at(), lineage={"zone": "lake"})
        state = outcome["incidents"]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": table.num_rows,
                "version": state.release.version,
                "state": state.state,
            }
        )

    checks = [_check(name, spec) for name, spec in catalog.monitors.items()]
    return dg.Definitions(assets=[looks, notifications, incidents, published], asset_checks=checks)


def _all(platform: Platform) -> pa.Table:
    zone = platform.zones.lake
    table = lake.read(zone, "incidents", lake.days(zone, "incidents"))
    return table.sort_by([("state", "ascending"), ("opened_at", "descending"), ("incident_id", "ascending")])


def concerned(spec: MonitorSpec) -> dg.AssetKey:
    """The asset that a monitor's promise is about."""
    of = spec.of or ""
    by_measure = {
        "quality": ["estimates", of],
        "feedback": ["lake", "feedback_rates"],
        "feedback_volume": ["lake", "feedback_rates"],
        "table_freshness": ["published", "tables", of],
        "label_backlog": ["journal", "annotations", of],
        "index_staleness": ["published", "indexes", of],
        "cost_per_call": ["lake", "charges"],
        "total_cost": ["lake", "charges"],
        "score": ["lake", "scores"],
        "anchors": ["lake", "scores"],
    }
    return dg.AssetKey(by_measure.get(spec.measure, ["lake", "inferences"]))


def _check(name: str, spec: MonitorSpec) -> dg.AssetChecksDefinition:
    """Cheap: reads what the last look left, after the run's own look where it has one."""

    @dg.asset_check(
        asset=concerned(spec),
        additional_deps=[LOOKS],
        name=name.replace("-", "_").replace(".", "_"),
        description=spec.description,
        metadata={**governed("monitors", name), "owner": ", ".join(owners(spec.owner)), "runbook": _runbook(spec)},
    )
    def monitor(platform: Platform) -> dg.AssetCheckResult:
        last = last_look(platform.zones.journal)
        found = [row for row in last.rows if row["monitor"] == name] if last else []
        broken = [each for each in every(platform.zones.journal, name) if each.state == "open"]
        severity = dg.AssetCheckSeverity.ERROR if spec.severity == "error" else dg.AssetCheckSeverity.WARN
        said = [f"{each.incident_id}: {_said(each)}" for each in broken]
        said += [f"{row['state']}: {row['said']}" for row in found]
        return dg.AssetCheckResult(
            passed=not broken and not any(row["state"] in ("broken", "failed") for row in found),
            severity=severity,
            description="\n".join(said) or "Nothing of it was measured yet.",
            metadata={
                "incidents": len(broken),
                "looked_at": str(last.at) if last and found else "never",
                "runbook": _runbook(spec),
            },
        )

    return monitor


def _runbook(spec: MonitorSpec) -> dg.MetadataValue:
    """What to do when it is broken: a link where it is an address, else a file of the repository and its part."""
    web = spec.runbook.startswith(("https://", "http://"))
    return dg.MetadataValue.url(spec.runbook) if web else dg.MetadataValue.path(spec.runbook)


def _said(incident: Incident) -> str:
    cause = incident.latest.get("cause")
    return f"{incident.latest['said']}" + (f"; cause: {cause['said']}" if cause else "")

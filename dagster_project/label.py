"""Label: each day's draw, its tasks for Label Studio, what reviewers answered, and the gold set they agree on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from canonry.catalog import SchemeSpec
from canonry.label.doubts import export_doubts, send_doubts
from canonry.label.draws import draw_day, never_in_frame
from canonry.label.gold import CANDIDATE, gold_set, judge
from canonry.label.gold.read import read_datasheet
from canonry.label.inbox import import_annotations
from canonry.label.progress import label_progress
from canonry.label.project import page_url
from canonry.label.pull import NOTHING, pull_annotations
from canonry.label.recall import recall_stale
from canonry.label.reviewers import reviewer_progress
from canonry.label.send import send_tasks
from canonry.label.studio import NOT_CONFIGURED, LabelStudioError, connect
from canonry.label.tasks import export_tasks
from canonry.label.wakeup import look_now
from canonry.labels import list_draws
from canonry.publish import release_and_promote
from canonry.release import PRODUCTION
from dagster_project.evidence import counts, governed, labeling, owners
from dagster_project.labels import GROUP, tell
from dagster_project.resources import DAILY, RANGE, Platform, days_of

POOL = "label_studio"
"""Of everything that writes to the server: it notices no second import."""


def build(name: str, spec: SchemeSpec) -> dg.Definitions:
    """A labeling scheme: draw, tasks, annotations, gold set."""
    common: dict[str, Any] = {"group_name": GROUP, "owners": owners(spec.owner), "metadata": governed("schemes", name)}
    daily: dict[str, Any] = {"partitions_def": DAILY, "backfill_policy": RANGE, **common}

    @dg.asset(
        key=["journal", "draws", name],
        deps=[["lake", "inferences"], ["lake", "contents"], ["lake", "steps"]],
        description=f"{spec.description} Which calls people are asked about, chosen once a day is over, each with the "
        "probability of being chosen. One draw per day.",
        kinds={"json"},
        **daily,
    )
    def draws(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        scheme = platform.catalog.schemes[name]
        drawn, known, late = 0, 0, 0
        for day in days_of(context):
            if day >= platform.today():
                context.log.info("%s is not over yet: nothing is drawn before all its calls are in", day)
            elif draw := draw_day(platform.zones, name, scheme, day, platform.now()):
                drawn += len(draw.items)
                known += len(draw.known)
                late += never_in_frame(platform.zones.lake, draw)
        return dg.MaterializeResult(metadata={"drawn": drawn, "known": known, "arrived_too_late_to_be_drawn": late})

    @dg.asset(
        key=["exchange", "tasks", name],
        deps=[draws],
        description="The draw as tasks for Label Studio, with question, passages and answer. One file per day.",
        kinds={"json", "labelstudio"},
        **daily,
    )
    def tasks(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        scheme = platform.catalog.schemes[name]
        days = set(days_of(context))
        made = [
            export_tasks(platform.zones, name, scheme, draw)
            for version, day in list_draws(platform.zones.journal, name)
            if day in days and version == scheme.version
            if (draw := draw_day(platform.zones, name, scheme, day, platform.now()))
        ]
        problems = [problem for each in made for problem in each.problems]
        for problem in problems:
            context.log.warning(problem)
        shown = {"tasks": sum(each.tasks for each in made), "files": len(made), "predictions_left_out": len(problems)}
        return dg.MaterializeResult(metadata=shown)

    @dg.asset(
        key=["label_studio", name, "tasks"],
        deps=[dg.AssetDep(tasks, partition_mapping=dg.AllPartitionMapping())],
        description="The tasks on the Label Studio server, each once, in a project kept in step with the scheme. "
        "One task per drawn item.",
        kinds={"labelstudio"},
        pool=POOL,
        **common,
    )
    def sent(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        with _server_errors(), platform.alone(POOL, context.log):
            client = connect()
            if client is None:
                context.log.info(NOT_CONFIGURED)
                return dg.MaterializeResult(metadata={"server": NOT_CONFIGURED})
            scheme = platform.catalog.schemes[name]
            recalled = recall_stale(platform.zones, client, name, scheme, platform.now())
            found = send_tasks(platform.zones, client, name, scheme)
        for problem in found.problems:
            context.log.warning(problem)
        shown = {"sent": found.sent, "already_there": found.already_there, "problems": len(found.problems)}
        shown |= {"recalled": recalled.removed, "answered_while_recalled": recalled.answered}
        return dg.MaterializeResult(metadata={**shown, "project": dg.MetadataValue.url(page_url(found.project))})

    @dg.asset(
        key=["journal", "annotations", name],
        deps=[sent],
        description="What reviewers answered, from exported files and from the Label Studio server, checked against "
        "the scheme. One entry per version of an annotation.",
        kinds={"json", "labelstudio"},
        pool=POOL,
        **common,
    )
    def annotations(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        zones, scheme = platform.zones, platform.catalog.schemes[name]
        with _server_errors(), platform.alone(POOL, context.log):
            look_now(zones.exchange, name)
            found = import_annotations(zones, name, scheme)
            tell(platform, name, found.days)
            client = connect()
            pulled = pull_annotations(zones, client, name, scheme, platform.now()) if client else NOTHING
            tell(platform, name, pulled.days)
            now = platform.now()
            settled = pull_annotations(zones, client, name, scheme, now, adjudication=True) if client else NOTHING
            tell(platform, name, settled.days)
        problems = [*found.problems, *pulled.problems, *settled.problems]
        for place, problem in problems:
            context.log.warning("%s: %s", place, problem)
        new = found.new + pulled.new + settled.new
        metadata: dict[str, Any] = {"new": new, "problems": len(problems), "imported": found.new}
        if client is None:
            return dg.MaterializeResult(metadata={**metadata, "server": NOT_CONFIGURED})
        seen = {"pulled": pulled.new, "deleted": pulled.deleted, "tasks_looked_at": pulled.tasks, "swept": pulled.swept}
        return dg.MaterializeResult(metadata={**metadata, **seen, "settled": settled.new})

    @dg.asset(
        key=["label_studio", name, "adjudication"],
        deps=[dg.AssetDep(["lake", "labels"], partition_mapping=dg.AllPartitionMapping()), sent],
        description="Items on which reviewers are tied or unsure, in the exchange and in a project of their own on the "
        "Label Studio server; what is answered there overrules. One task per item.",
        kinds={"json", "labelstudio"},
        pool=POOL,
        **common,
    )
    def doubts(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        scheme = platform.catalog.schemes[name]
        with _server_errors(), platform.alone(POOL, context.log):
            export = export_doubts(platform.zones, name, scheme)
            metadata: dict[str, Any] = {"exported": export.tasks if export else 0}
            client = connect()
            if client is None:
                return dg.MaterializeResult(metadata={**metadata, "server": NOT_CONFIGURED})
            found = send_doubts(platform.zones, client, name, scheme)
        if found is None:
            return dg.MaterializeResult(metadata={**metadata, "sent": 0, "already_there": 0})
        for problem in found.problems:
            context.log.warning(problem)
        metadata |= {"sent": found.sent, "already_there": found.already_there, "problems": len(found.problems)}
        return dg.MaterializeResult(metadata={**metadata, "project": dg.MetadataValue.url(page_url(found.project))})

    @dg.asset(
        key=["published", "gold", name],
        deps=[dg.AssetDep(["lake", "labels"], partition_mapping=dg.AllPartitionMapping())],
        description="Items whose reviewers agree, to train and test scorers on. One row per item and field.",
        kinds={"parquet"},
        **common,
    )
    def gold(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        scheme = platform.catalog.schemes[name]
        days = [day for version, day in list_draws(platform.zones.journal, name) if version == scheme.version]
        made = gold_set(platform.zones.lake, platform.zones.journal, name, scheme, days)
        totals = labeling(label_progress(platform.zones, name), reviewer_progress(platform.zones, name))
        if made.empty:
            context.log.info("Nothing is labeled yet; nothing is released")
            return dg.MaterializeResult(metadata=totals)
        verdict = judge(made.datasheet, scheme.agreement)
        # A set that does not pass is kept, and its channel says which it is.
        for channel in (CANDIDATE, PRODUCTION) if verdict.passed else (CANDIDATE,):
            outcome = release_and_promote(
                platform.zones,
                "gold",
                name,
                made.files,
                metadata=made.metadata,
                lineage=made.lineage,
                reason=verdict.message,
                now=platform.published_at(),
                channel=channel,
            )
        if not verdict.passed:
            context.log.warning("%s %s is not promoted: %s", name, outcome.release.version, verdict.message)
        found: dict[str, Any] = {
            "version": outcome.release.version,
            "promoted": verdict.passed,
            "agreement": verdict.message,
        }
        shown = {"items": made.metadata["items"], "splits": counts(made.metadata["splits"])}
        return dg.MaterializeResult(metadata={**totals, **found, **shown})

    @dg.asset_check(
        asset=gold,
        name="agreement_reaches_its_floor",
        description="Agreement surely reaches the scheme's floor in every choice; where not, the set is not promoted.",
        metadata=governed("schemes", name),
    )
    def promoted(platform: Platform) -> dg.AssetCheckResult:
        sheet = read_datasheet(platform.zones.published, name, CANDIDATE)
        if sheet is None:
            return dg.AssetCheckResult(passed=True, description="Nothing is labeled yet.")
        verdict = judge(sheet, platform.catalog.schemes[name].agreement)
        said = verdict.message if verdict.passed else f"Not promoted: {verdict.message}"
        return dg.AssetCheckResult(passed=verdict.passed, severity=dg.AssetCheckSeverity.WARN, description=said)

    return dg.Definitions(assets=[draws, tasks, sent, annotations, doubts, gold], asset_checks=[promoted])


@contextmanager
def _server_errors() -> Iterator[None]:
    """What the server refused, as a failure that says what to do, without a traceback."""
    try:
        yield
    except LabelStudioError as error:
        raise dg.Failure(str(error)) from None

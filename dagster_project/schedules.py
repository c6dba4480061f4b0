"""When: jobs name what runs together, schedules and sensors ask for it, and ask for nothing where nothing is new.

Whether there is news is read from the zones, never remembered here: a daemon that was away catches up by itself.
"""

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from canonry.catalog import Catalog
from canonry.catalog.specs import Files, JsonLines, Vectors
from canonry.collect.file_drop import waiting_files
from canonry.collect.news import days_to_collect
from canonry.evaluate.scorers import reasons_to_train
from canonry.label.studio import NOT_CONFIGURED, server_url
from canonry.label.tasks import folder
from canonry.locations import LocationError, expand
from canonry.publish import unpublished
from dagster_project.compare import compare_candidates
from dagster_project.due import days_to_draw, days_to_recompute
from dagster_project.incident_sensors import incidents_changed, messages_wait
from dagster_project.index_shards import SHARDED
from dagster_project.resources import DAILY, Platform
from dagster_project.runs import FIRST_DAY, LAST_DAY, Requests, Tick, by_range, once, running, when_changed
from dagster_project.score import trained
from dagster_project.wakeups import label_studio_changed

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as Job

MINUTES_BEFORE_ASKING_AGAIN = 10


@dataclass(frozen=True)
class Timetable:
    """When schedules tick, as cron in UTC, and how many seconds lie between looks of a sensor."""

    take_files: str = "5 * * * *"
    collect: str = "10 * * * *"
    recompute: str = "30 1 * * *"
    draw_labels: str = "0 6 * * 1-5"
    pull_labels: str = "35 6-19 * * 1-5"
    rebuild_indexes: str = "0 3 * * 0"
    train_scorers: str = "0 4 * * *"
    compare_candidates: str = "0 5 * * *"
    watch: str = "20 * * * *"
    landing_news: int = 60
    label_inbox: int = 60
    label_studio_changed: int = 30
    corpus_changed: int = 600
    incidents_changed: int = 60
    messages_wait: int = 30
    failures: int = 30


def build(catalog: Catalog, timetable: Timetable) -> dg.Definitions:
    """Jobs, schedules and sensors."""
    jobs = _jobs(catalog)
    schedules = _schedules(catalog, jobs, timetable)
    sensors = [_landing_news(jobs["collect"], timetable.landing_news), _failures(timetable.failures)]
    sensors += [_corpus_changed(jobs["rebuild_indexes"], timetable.corpus_changed)] if catalog.indexes else []
    if catalog.monitors:
        sensors.append(incidents_changed(jobs["show_incidents"], timetable.incidents_changed))
        sensors.append(messages_wait(jobs["notify"], timetable.messages_wait))
    if catalog.schemes:
        sensors.append(_label_inbox(jobs["pull_labels"], timetable.label_inbox))
        sensors.append(label_studio_changed(jobs["pull_labels"], timetable.label_studio_changed))
    return dg.Definitions(jobs=list(jobs.values()), schedules=schedules, sensors=sensors)


def _jobs(catalog: Catalog) -> "dict[str, Job]":
    keys = dg.AssetSelection.assets
    files = keys(*(["landing", name] for name, each in catalog.sources.items() if each.location))
    indexes = dg.AssetSelection.groups("index")
    cut = keys(
        *(["index", name, each] for name, spec in catalog.indexes.items() if spec.shards > 1 for each in SHARDED)
    )
    scorers = keys(*(["published", "scorers", name] for name in trained(catalog)))
    answers = keys(*(["journal", "annotations", name] for name in catalog.schemes))
    sent = keys(*(["label_studio", name, "tasks"] for name in catalog.schemes))
    doubts = keys(*(["label_studio", name, "adjudication"] for name in catalog.schemes))
    made_of_answers = keys(
        ["lake", "labels"], ["lake", "agreement"], *(["published", "gold", name] for name in catalog.schemes)
    )
    draws = dg.AssetSelection.groups("label") - answers - made_of_answers - doubts
    tables = dg.AssetSelection.groups("cost", "transform", "evaluate", "govern", "publish") | made_of_answers
    comparisons = dg.AssetSelection.groups("compare")
    daily = {
        "loop": (
            dg.AssetSelection.all() - indexes - files - scorers - comparisons,
            "The whole loop for some days, as a backfill runs it.",
        ),
        "loop_and_train": (
            dg.AssetSelection.all() - indexes - files,
            "The same, with every scorer trained on the way, so that it scores what it is first promoted for, and what "
            "waits compared with what is released.",
        ),
        "collect": (dg.AssetSelection.groups("collect") - files, "From landing to the lake."),
        "recompute": (tables - scorers, "Labels, charges, estimates and tables, and their releases."),
        "draw_labels": (draws, "Draw what people are asked about, and hand it out."),
        "watch": (
            keys(["journal", "looks"], ["journal", "notifications"]),
            "Look with every monitor, open, update and resolve incidents, and tell who is to hear of them.",
        ),
    }
    other = {
        "notify": (keys(["journal", "notifications"]), "Tell channels what they have not taken yet."),
        "show_incidents": (
            keys(
                ["journal", "notifications"],
                ["lake", "incidents"],
                ["published", "tables", "incidents"],
                ["published", "scorecard"],
            ),
            "Publish the table of incidents, and show them on the scorecard.",
        ),
        "take_files": (files, "Take new files of every file drop."),
        "pull_labels": (sent | answers | doubts, "Send what Label Studio lacks, and take in what people answered."),
        "rebuild_indexes": (indexes - cut, "Every canonical index, each behind its gate."),
        "train_scorers": (scorers, "Every trained scorer from the newest gold set, each behind its gate."),
    }
    if catalog.comparisons:
        promoted = keys(["published", "models"], *(["published", "prompts", name] for name in catalog.prompts))
        other["compare_candidates"] = (
            comparisons | promoted | keys(["published", "scorecard"]),
            "What waits beside what is released; what passes is promoted, and the scorecard shows all of it.",
        )
    made = {
        name: dg.define_asset_job(name, selection, partitions_def=DAILY, description=description)
        for name, (selection, description) in daily.items()
    }
    return made | {
        name: dg.define_asset_job(name, selection, description=description)
        for name, (selection, description) in other.items()
    }


def _schedules(catalog: Catalog, jobs: "dict[str, Job]", timetable: Timetable) -> list[dg.ScheduleDefinition]:
    def common(name: str) -> dict[str, Any]:
        running = dg.DefaultScheduleStatus.RUNNING
        return {"job": jobs[name], "cron_schedule": getattr(timetable, name), "default_status": running, "name": name}

    @dg.schedule(**common("take_files"), description="Every hour, where a file drop has a new file.")
    def take_files(context: Tick, platform: Platform) -> Requests:
        waiting = [
            name
            for name, spec in platform.catalog.sources.items()
            if spec.location and any(waiting_files(platform.zones, name, spec))
        ]
        return once(context, "take_files", ", ".join(waiting)) if waiting else dg.SkipReason("No file waits")

    @dg.schedule(**common("collect"), description="Every hour, the days that the sensor on landing has not asked for.")
    def collect(context: Tick, platform: Platform) -> Requests:
        days = days_to_collect(platform.zones, today=platform.today())
        return by_range(context, "collect", days, platform.now()) if days else dg.SkipReason("Nothing landed")

    @dg.schedule(**common("recompute"), description="Every night, the days whose calls, feedback or labels changed.")
    def recompute(context: Tick, platform: Platform) -> Requests:
        today = platform.today()
        if days := days_to_recompute(platform, running(context)):
            return by_range(context, "recompute", days, platform.now())
        if days_to_recompute(platform):
            return dg.SkipReason("A run at work computes all that is out of date")
        if names := unpublished(platform.zones, platform.catalog, today):
            return by_range(context, "recompute", [today], platform.now(), f"not released yet: {', '.join(names)}")
        return dg.SkipReason("No table is out of date, and no prompt or model either")

    @dg.schedule(**common("draw_labels"), description="On weekdays, the days that are over and were not drawn from.")
    def draw_labels(context: Tick, platform: Platform) -> Requests:
        if days := days_to_draw(platform):
            return by_range(context, "draw_labels", days, platform.now())
        return dg.SkipReason("Every day that is over was drawn from")

    @dg.schedule(**common("pull_labels"), description="On weekdays, every hour, from Label Studio.")
    def pull_labels(context: Tick) -> Requests:
        if server_url() is None:
            return dg.SkipReason(NOT_CONFIGURED)
        return once(context, "pull_labels", "")

    @dg.schedule(**common("rebuild_indexes"), description="Every week: what did not change is not embedded again.")
    def rebuild_indexes(context: Tick) -> Requests:
        return once(context, "rebuild_indexes", "")

    @dg.schedule(**common("train_scorers"), description="Every night, where a gold set was promoted since the last.")
    def train_scorers(context: Tick, platform: Platform) -> Requests:
        new = reasons_to_train(platform.zones.published, platform.catalog.scorers)
        return once(context, "train_scorers", new) if new else dg.SkipReason("No gold set is new")

    @dg.schedule(**common("watch"), description="Every hour, with today's calls, whether or not anything came in.")
    def watch(context: Tick, platform: Platform) -> Requests:
        return by_range(context, "watch", [platform.today()], platform.now())

    labeling = [draw_labels, pull_labels] if catalog.schemes else []
    indexing = [rebuild_indexes] if catalog.indexes else []
    filed = [take_files] if any(each.location for each in catalog.sources.values()) else []
    scoring = [train_scorers] if trained(catalog) else []
    watching = [watch] if catalog.monitors else []
    comparing = [compare_candidates(**common("compare_candidates"))] if catalog.comparisons else []
    return [*filed, collect, recompute, *labeling, *indexing, *scoring, *watching, *comparing]


def _landing_news(job: "Job", seconds: int) -> dg.SensorDefinition:
    @dg.sensor(
        job=job,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Collects every day that has news in landing, today's included, and again until it has none.",
    )
    def landing_news(context: dg.SensorEvaluationContext, platform: Platform) -> Requests:
        now = platform.now()
        asked = now - dt.timedelta(minutes=now.minute % MINUTES_BEFORE_ASKING_AGAIN)
        days = days_to_collect(platform.zones, today=now.date())
        return by_range(context, "collect", days, asked) if days else dg.SkipReason("Nothing new has landed")

    return landing_news


def _corpus_changed(job: "Job", seconds: int) -> dg.SensorDefinition:
    @dg.sensor(
        job=job,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Rebuilds the indexes when a file of one's documents came, went or changed.",
    )
    def corpus_changed(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult | dg.SkipReason:
        locations = []
        sources = (source for spec in platform.catalog.indexes.values() for source in spec.documents)
        for location in (source.location for source in sources if isinstance(source, JsonLines | Files | Vectors)):
            try:
                locations.append(expand(location, {"CANONRY_HOME": platform.zones.home}))
            except LocationError as error:
                context.log.info("%s", error)
        return when_changed(context, locations, "No index's documents changed")

    return corpus_changed


def _label_inbox(job: "Job", seconds: int) -> dg.SensorDefinition:
    @dg.sensor(
        job=job,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes in what people answered as soon as an export lies in the exchange.",
    )
    def label_inbox(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult | dg.SkipReason:
        url = platform.zones.exchange.url
        inboxes = [f"{url}/{folder(name)}/in" for name in platform.catalog.schemes]
        return when_changed(context, inboxes, "No export came in")

    return label_inbox


def _failures(seconds: int) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Journals every failed run under incidents/, where `canonry status` finds it.",
    )
    def failures(context: dg.RunFailureSensorContext, platform: Platform) -> None:
        run = context.dagster_run
        entry = {
            "run_id": run.run_id,
            "job": run.job_name,
            "days": [run.tags.get(FIRST_DAY), run.tags.get(LAST_DAY)],
            "steps": sorted(str(event.step_key) for event in context.get_step_failure_events()),
            "message": context.failure_event.message,
        }
        path = f"incidents/{platform.today()}/{run.run_id}.json"
        platform.zones.journal.put_if_absent(path, json.dumps(entry, indent=1).encode())

    return failures

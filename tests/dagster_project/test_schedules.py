"""What schedules and sensors ask for: days with news as ranges, and nothing where nothing is new."""

from __future__ import annotations

import datetime as dt
import functools
import os
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.utils import make_new_run_id

from canonry import catalog
from canonry.collect import news
from canonry.collect.partition import collect_day
from canonry.label.partition import write_labels
from canonry.label.wakeup import look_now, wake
from canonry.landing import LandingWriter
from canonry.storage import Zones, open_zones
from dagster_project import runs
from dagster_project.labels import days_concerned
from dagster_project.resources import ASSETS, DAYS_PER_RUN, Platform

TODAY = dt.date(2026, 11, 20)
DAY = dt.timedelta(days=1)


class Fixed(Platform):
    """A platform on which it is always noon of one day."""

    @staticmethod
    def now() -> dt.datetime:
        return dt.datetime.combine(TODAY, dt.time(12))

    @staticmethod
    def today() -> dt.date:
        return TODAY


@functools.cache
def repository() -> dg.RepositoryDefinition:
    """The graph. Importing it tells dbt where the zones are by the environment, which other tests must not see."""
    before = dict(os.environ)
    try:
        from dagster_project.definitions import defs
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
    return defs.get_repository_def()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Zones:
    for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY", "CANONRY_DATA", "CANONRY_WAREHOUSE"):
        monkeypatch.delenv(name, raising=False)
    return open_zones(tmp_path)


def tick(name: str, zones: Zones, instance: dg.DagsterInstance | None = None) -> list[dg.RunRequest] | str:
    """What a schedule or sensor answers: its requests, or why there are none."""
    if instance is None:
        with dg.instance_for_test() as instance:
            return tick(name, zones, instance)
    if repository().has_sensor_def(name):
        found = look(name, zones, instance)
        return found.run_requests or str(found.skip_message)
    resources = {"platform": Fixed(home=zones.home)}
    schedule = dg.build_schedule_context(
        instance, resources=resources, scheduled_execution_time=dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    )
    found = repository().get_schedule_def(name).evaluate_tick(schedule)
    return list(found.run_requests or ()) or str(found.skip_message)


def look(name: str, zones: Zones, instance: dg.DagsterInstance, cursor: str | None = None) -> SensorExecutionData:
    """What a sensor answers that stands at a cursor, with the cursor it goes to."""
    resources = {"platform": Fixed(home=zones.home)}
    context = dg.build_sensor_context(instance, cursor, resources=resources, repository_def=repository())
    return repository().get_sensor_def(name).evaluate_tick(context)


def ranges(requests: list[dg.RunRequest] | str) -> list[tuple[str, str]]:
    assert not isinstance(requests, str), requests
    return [(each.tags[runs.FIRST_DAY], each.tags[runs.LAST_DAY]) for each in requests]


def land(zones: Zones, *days: dt.date) -> None:
    for day in days:
        at = dt.datetime.combine(day, dt.time(9))
        call = {"inference_id": f"call-{day}", "started_at": at.isoformat(), "product": "shop", "team": "sales"}
        LandingWriter(zones.landing, "shop", clock=lambda at=at: at).append("inferences", [call])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("landing_news", "Nothing new has landed"),
        ("collect", "Nothing landed"),
        ("draw_labels", "Every day that is over was drawn from"),
        ("pull_labels", "no server is configured: set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY"),
        ("label_inbox", "No export came in"),
        ("take_files", "No file waits"),
        ("corpus_changed", "No index's documents changed"),
    ],
)
def test_an_empty_home_asks_for_nothing_and_says_why(home: Zones, name: str, why: str) -> None:
    assert tick(name, home) == why


@pytest.mark.parametrize("name", ["landing_news", "collect"])
def test_days_with_news_are_asked_for_as_ranges_todays_included(home: Zones, name: str) -> None:
    land(home, TODAY - 5 * DAY, TODAY - DAY, TODAY)
    assert ranges(tick(name, home)) == [("2026-11-15", "2026-11-15"), ("2026-11-19", "2026-11-20")]


def test_a_sensor_asks_again_only_after_a_while(home: Zones) -> None:
    land(home, TODAY)
    first, second = (tick("landing_news", home) for _ in range(2))
    assert not isinstance(first, str)
    assert not isinstance(second, str)
    assert first[0].run_key == second[0].run_key == "2026-11-20 2026-11-20 2026-11-20T12:00"


@pytest.mark.parametrize("name", ["landing_news", "collect"])
def test_days_that_a_run_is_about_to_collect_are_not_asked_for_again(home: Zones, name: str) -> None:
    land(home, TODAY - 5 * DAY, TODAY - DAY, TODAY)
    with dg.instance_for_test() as instance:
        queue(instance, {runs.FIRST_DAY: "2026-11-15", runs.LAST_DAY: "2026-11-19"})
        assert ranges(tick(name, home, instance=instance)) == [("2026-11-20", "2026-11-20")]
        queue(instance, {runs.FIRST_DAY: "2026-11-20", runs.LAST_DAY: "2026-11-20"}, dg.DagsterRunStatus.STARTING)
        assert tick(name, home, instance=instance) == runs.QUEUED


def queue(
    instance: dg.DagsterInstance,
    tags: dict[str, str],
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.NOT_STARTED,
) -> None:
    instance.add_run(dg.DagsterRun(job_name="collect", run_id=make_new_run_id(), tags=tags, status=status))


def test_tables_are_asked_for_on_days_that_were_collected_until_they_are_computed(home: Zones) -> None:
    land(home, TODAY - DAY)
    collect_day(home, "inferences", TODAY - DAY, today=TODAY)
    assert ranges(tick("recompute", home)) == [("2026-11-19", "2026-11-19")]
    with news.taking(home.lake, news.OUTCOMES, TODAY - DAY):
        pass
    (request,) = tick("recompute", home)
    assert request.tags["canonry/news"].startswith("not released yet: docs-answer, models")


def test_what_a_run_at_work_computes_is_not_asked_for_again(home: Zones) -> None:
    news.tell(home.lake, news.OUTCOMES, TODAY - DAY, "inferences arrived")
    with dg.instance_for_test() as instance:
        run = dg.DagsterRun(job_name="recompute", run_id=make_new_run_id(), status=dg.DagsterRunStatus.STARTED)
        instance.add_run(run)
        news.begin(home.lake, [TODAY - DAY], run.run_id)
        assert tick("recompute", home, instance) == "A run at work computes all that is out of date"
        news.tell(home.lake, news.OUTCOMES, TODAY - DAY, "inferences arrived")
        assert ranges(tick("recompute", home, instance)) == [("2026-11-19", "2026-11-19")]
        instance.report_run_failed(run)
        news.begin(home.lake, [TODAY - DAY], run.run_id)
        assert ranges(tick("recompute", home, instance)) == [("2026-11-19", "2026-11-19")]


def test_labels_that_a_run_journalled_and_did_not_note_are_found(home: Zones) -> None:
    behind = TODAY - 3 * DAY
    home.journal.put(f"annotations/{behind}/groundedness/entry.json", b'{"annotations": []}')
    assert ranges(tick("recompute", home)) == [(f"{behind}", f"{TODAY}")]
    write_labels(home, behind)
    (request,) = tick("recompute", home)
    assert "not released yet" in request.tags["canonry/news"]


def test_a_label_concerns_every_estimate_that_it_goes_into_however_late_it_comes() -> None:
    governed = catalog.load(ASSETS)
    [(name, scheme)] = governed.schemes.items()
    window = max(each.window_days for each in governed.evals.values())
    day = dt.date(2025, 3, 1)
    last = day + dt.timedelta(days=scheme.consensus.history_days - 1)
    assert (min(found := days_concerned(governed, name, [day])), max(found)) == (day, last)
    # A call of four weeks later may share the label, and is in the windows that end up to a week after that.
    sampling = scheme.sampling.model_copy(update={"same_text_once": True})
    governed.schemes[name] = scheme.model_copy(update={"sampling": sampling})
    last = day + dt.timedelta(days=28 + window - 1)
    assert max(days_concerned(governed, name, [day])) == last


def test_labels_are_drawn_from_days_that_are_over_but_not_long(home: Zones) -> None:
    for day in (TODAY, TODAY - DAY, TODAY - 40 * DAY):
        land(home, day)
        collect_day(home, "inferences", day, today=TODAY)
    assert ranges(tick("draw_labels", home)) == [("2026-11-19", "2026-11-19")]


def test_what_lies_in_the_inbox_is_asked_for_once_and_again_when_it_is_as_it_was_before(home: Zones) -> None:
    inbox = "label-studio/groundedness/in"
    with dg.instance_for_test() as instance:
        home.exchange.put(f"{inbox}/export.json", b"[]")
        first = look("label_inbox", home, instance)
        assert look("label_inbox", home, instance, first.cursor).skip_message == "No export came in"
        home.exchange.put(f"{inbox}/another.json", b"[]")
        second = look("label_inbox", home, instance, first.cursor)
        home.exchange.delete(f"{inbox}/another.json")
        third = look("label_inbox", home, instance, second.cursor)
    assert third.cursor == first.cursor != second.cursor
    requests = [request for each in (first, second, third) for request in each.run_requests or ()]
    assert [request.run_key for request in requests] == [None] * 3, "Dagster grants a key once"


def test_a_scheme_that_changed_on_label_studio_is_pulled_once_and_again_when_it_changed_since(
    home: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no server is configured" in tick("label_studio_changed", home)
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "key")
    assert "of nothing" in tick("label_studio_changed", home)
    asked = []
    for hour in (9, 10):
        wake(home.exchange, "groundedness", dt.datetime(2026, 11, 20, hour))
        asked += [*tick("label_studio_changed", home), *tick("label_studio_changed", home)]
        look_now(home.exchange, "groundedness")
    assert {tuple(each.asset_selection or ()) for each in asked} == {
        (dg.AssetKey(["journal", "annotations", "groundedness"]),)
    }
    # Dagster grants a key once: the same note asks for one run.
    assert [each.run_key for each in asked] == [
        f"groundedness 2026-11-20T{hour}:00:00" for hour in ("09", "09", "10", "10")
    ]


def test_a_file_in_a_drop_is_asked_for(home: Zones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data" / "ragtruth"
    folder.mkdir(parents=True)
    (folder / "responses.jsonl.gz").write_bytes(b"")
    monkeypatch.setenv("CANONRY_DATA", str(tmp_path / "data"))
    requests = tick("take_files", home)
    assert not isinstance(requests, str), requests
    assert "ragtruth" in requests[0].tags["canonry/news"]


def test_months_are_cut_into_runs() -> None:
    days = [TODAY + number * DAY for number in range(70)]
    found = list(runs.stretches(days))
    assert [(last - first).days + 1 for first, last in found] == [DAYS_PER_RUN, DAYS_PER_RUN, 70 - 2 * DAYS_PER_RUN]
    assert list(runs.stretches([])) == []

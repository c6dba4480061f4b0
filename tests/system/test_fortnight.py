"""Days under the real daemon, its servers killed at random: all ticks fire, nothing is lost or doubled.

    CANONRY_FORTNIGHT_DAYS=14 .venv/bin/python -m pytest tests/system/test_fortnight.py

lives through the whole fortnight; without it, through five days, which take 10 to 20 minutes.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

from canonry.client import open_index
from canonry.collect.news import days_to_collect, days_to_recompute
from canonry.demo.live_reviewers import review_live
from canonry.demo.reviewers import review
from canonry.label.progress import label_progress
from canonry.label.project import find_project
from canonry.label.studio import LabelStudioError, connect, list_tasks
from canonry.storage import Zones, open_zones
from tests.loop_home import embedded_texts, lake_digests, mart_rows
from tests.system.fortnight import CALLS, DAYS, DOCUMENTS, ROOT, THUMBS, Home, Servers, live

SCHEME = "groundedness"
SECONDS_A_DAY = 30
KILLS = 20 * len(DAYS) // 14 // 4 * 4
AFTER = DAYS[-1] + dt.timedelta(days=1)
IN_PROGRESS = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home that has lived through the fortnight."""
    folder = tmp_path_factory.mktemp("fortnight") / "home"
    home, zones = Home(folder), open_zones(folder)
    servers = Servers(home)
    chance = random.Random(20261102)
    whom = ["daemon", "webserver", "daemon", "label-studio"] * (KILLS // 4)
    moments = sorted(chance.uniform(0, len(DAYS)) for _ in whom)
    answered = 0
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in servers.label_studio.items():
            patch.setenv(variable, value)
        try:
            for number, day in enumerate(DAYS):
                home.set_clock(dt.datetime.combine(day, dt.time(12)))
                # On two days the timetable has to find what landed; the sensor is quicker as long as it is on.
                if number == 1:
                    _switch(folder, "landing_news", InstigatorStatus.STOPPED)
                elif number == 3:
                    _switch(folder, "landing_news", InstigatorStatus.DECLARED_IN_CODE)
                live(zones, day, home.data)
                servers.start()
                begun = time.monotonic()
                while (passed := time.monotonic() - begun) < SECONDS_A_DAY or (
                    passed < 4 * SECONDS_A_DAY and days_to_collect(zones, today=day)
                ):
                    while moments and number + passed / SECONDS_A_DAY > moments[0]:
                        moments.pop(0)
                        servers.kill(whom.pop())
                        servers.start()
                    # The first answers come through a file: who answers on the server first leaves it none.
                    answered += _answer(zones, through_files=not answered or number % 3 == 0) or 0
                    time.sleep(1)
            assert not whom
            home.set_clock(dt.datetime.combine(AFTER, dt.time(12)))
            _settle(folder, servers, answered)
            yield folder
        finally:
            servers.stop()


def test_every_schedule_and_sensor_asked_for_runs(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        fired = Counter()
        for state in instance.all_instigator_state():
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
            fired[state.instigator_name] = sum(tick.status == TickStatus.SUCCESS for tick in ticks)
            failed = [tick.error.message for tick in ticks if tick.status == TickStatus.FAILURE and tick.error]
            assert not failed, (state.instigator_name, failed)
    expected = {"take_files", "collect", "recompute", "draw_labels", "rebuild_indexes"}
    expected |= {"pull_labels", "landing_news", "label_inbox", "corpus_changed", "failures"}
    assert expected <= {name for name, times in fired.items() if times}, fired


def test_no_run_failed_but_those_that_were_killed_or_met_a_server_that_was(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])):
            events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
            failed = [str(event.dagster_event) for event in events]
            assert all("Label Studio at http://127.0.0.1" in each for each in failed), (run.job_name, failed)


def test_nothing_was_lost_or_doubled(home: Path) -> None:
    rows = mart_rows(home)
    assert rows["cost_daily"]
    zones = open_zones(home)
    costs = _table(home, "SELECT sum(calls), sum(input_tokens) FROM cost_daily WHERE product LIKE 'product-%'")
    late = len(DAYS) - 1
    assert costs == [(len(DAYS) * CALLS + late, len(DAYS) * sum(100 + n for n in range(CALLS)) + late * (100 + CALLS))]
    assert _table(home, "SELECT sum(calls) FROM cost_daily WHERE product = 'azure-code'") == [(10,)]
    assert _table(home, "SELECT count(*) FROM stg_feedback") == [((len(DAYS) - 1) * THUMBS,)]
    assert _table(home, "SELECT count(*) - count(DISTINCT inference_id) FROM stg_inferences") == [(0,)]
    progress = label_progress(zones, SCHEME)
    drawn, labeled, skipped = (sum(getattr(row, word) for row in progress) for word in ("drawn", "labeled", "skipped"))
    assert drawn >= 12 * len(DAYS[:-1])
    assert drawn == labeled + skipped
    client = connect()
    assert client
    project = find_project(client, zones.journal, SCHEME, 1)
    assert project
    there = [task["data"]["item_id"] for task in list_tasks(client, project.project_id, [])]
    assert (len(there), len(set(there))) == (drawn, drawn)
    assert len(open_index("python-packages", home=home)) == DOCUMENTS


def test_a_backfill_of_the_same_landing_and_journal_gives_the_same_lake_and_marts(home: Path, tmp_path: Path) -> None:
    other = Home(tmp_path / "home")
    for zone in ("landing", "journal", "exchange"):
        shutil.copytree(home / zone, other.folder / zone)
    other.set_clock(dt.datetime.combine(AFTER, dt.time(12)))
    tags = {
        "dagster/asset_partition_range_start": DAYS[0].isoformat(),
        "dagster/asset_partition_range_end": AFTER.isoformat(),
    }
    program = [sys.executable, "-m", "dagster", "job", "execute", "--job", "loop", "--tags", json.dumps(tags)]
    found = subprocess.run(
        [*program, "-m", "tests.system.fast_definitions"],
        cwd=ROOT,
        env=other.environment,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr[-5_000:]
    assert mart_rows(other.folder) == mart_rows(home)
    assert lake_digests(other.folder).items() <= lake_digests(home).items()
    assert embedded_texts(other.folder) <= embedded_texts(home)


def _switch(home: Path, sensor: str, status: InstigatorStatus) -> None:
    """Switch a sensor on or off, as somebody may in the UI; what it is doing just then may end first."""
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        until = time.monotonic() + 60
        while not (found := [each for each in instance.all_instigator_state() if each.instigator_name == sensor]):
            assert time.monotonic() < until, f"{sensor} has not looked once"
            time.sleep(0.5)
        (state,) = found
        instance.update_instigator_state(state.with_status(status))
        # One that was killed in the midst of it never ends.
        until = time.monotonic() + 15
        while time.monotonic() < until:
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            if not ticks or ticks[0].status != TickStatus.STARTED:
                break
            time.sleep(0.5)


def _answer(zones: Zones, *, through_files: bool) -> int | None:
    """How many answers the simulated reviewers gave now, or None where the server is away or has no tasks yet."""
    if through_files:
        return review(zones, SCHEME)
    try:
        return review_live(zones, SCHEME, version=1)
    except LabelStudioError:
        return None


def _settle(home: Path, servers: Servers, answered: int, seconds: int = 1_800) -> None:
    """Wait until nothing is new, nothing runs and nothing waits; the first answers come through a file here, too."""
    zones = open_zones(home)
    until = time.monotonic() + seconds
    quiet_since, last_answer = None, time.time()
    # What is due each minute has had its turn by then.
    while quiet_since is None or time.monotonic() - quiet_since < 75:
        servers.start()
        given = _answer(zones, through_files=not answered)
        answered += given or 0
        if given:
            last_answer = time.time()
        with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
            runs = instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS))
            pulled = instance.get_run_records(
                dg.RunsFilter(job_name="pull_labels", statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1
            )
        busy = {
            "runs": [run for run in runs if run.job_name != "pull_labels"],
            "collect": days_to_collect(zones, today=AFTER),
            "recompute": [day for day in days_to_recompute(zones) if day <= AFTER],
            "unanswered": given != 0,
            "not pulled": all((record.start_time or 0) < last_answer for record in pulled),
        }
        if any(busy.values()):
            quiet_since = None
        elif quiet_since is None:
            quiet_since = time.monotonic()
        assert time.monotonic() < until, busy
        time.sleep(2)


def _table(home: Path, query: str) -> list[tuple[object, ...]]:
    import duckdb

    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        return warehouse.execute(query).fetchall()

"""A fortnight under the real daemon, its servers killed at random: all ticks fire, nothing is lost or doubled."""

from __future__ import annotations

import datetime as dt
import json
import random
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import TickStatus

from canonry.client import open_index
from canonry.collect.news import days_to_collect, days_to_recompute
from canonry.demo.reviewers import review
from canonry.label.progress import label_progress
from canonry.storage import open_zones
from tests.loop_home import lake_digests, mart_rows
from tests.system.fortnight import CALLS, DAYS, DOCUMENTS, ROOT, THUMBS, Servers, live

SCHEME = "groundedness"
SECONDS_A_DAY = 30
KILLS = 20
AFTER = DAYS[-1] + dt.timedelta(days=1)
IN_PROGRESS = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home that has lived through the fortnight."""
    home = tmp_path_factory.mktemp("fortnight") / "home"
    zones = open_zones(home)
    servers = Servers(home, _free_port())
    chance = random.Random(20261102)
    kills = Counter(chance.choices(range(len(DAYS)), k=KILLS))
    try:
        for number, day in enumerate(DAYS):
            servers.set_clock(dt.datetime.combine(day, dt.time(12)))
            live(zones, day, servers.data)
            servers.start()
            moments = sorted(chance.uniform(0, SECONDS_A_DAY) for _ in range(kills[number]))
            begun = time.monotonic()
            while (passed := time.monotonic() - begun) < SECONDS_A_DAY or (
                passed < 4 * SECONDS_A_DAY and days_to_collect(zones, today=day)
            ):
                if moments and passed > moments[0]:
                    moments.pop(0)
                    servers.kill(chance.choice(["daemon", "daemon", "webserver"]))
                    servers.start()
                review(zones, SCHEME)
                time.sleep(1)
        servers.set_clock(dt.datetime.combine(AFTER, dt.time(12)))
        _settle(home, servers)
        yield home
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
    expected |= {"landing_news", "label_inbox", "corpus_changed", "failures"}
    assert expected <= {name for name, times in fired.items() if times}, fired


def test_no_run_failed_but_those_that_were_killed(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])):
            events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
            assert not events, (run.job_name, [str(event.dagster_event) for event in events])


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
    assert len(open_index("python-packages", home=home)) == DOCUMENTS


def test_a_backfill_of_the_same_landing_and_journal_gives_the_same_lake_and_marts(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "home"
    servers = Servers(other, 0)
    for zone in ("landing", "journal", "exchange"):
        shutil.copytree(home / zone, other / zone)
    servers.set_clock(dt.datetime.combine(AFTER, dt.time(12)))
    tags = {
        "dagster/asset_partition_range_start": DAYS[0].isoformat(),
        "dagster/asset_partition_range_end": AFTER.isoformat(),
    }
    program = [sys.executable, "-m", "dagster", "job", "execute", "--job", "loop", "--tags", json.dumps(tags)]
    found = subprocess.run(
        [*program, "-m", "tests.system.fast_definitions"],
        cwd=ROOT,
        env=servers.environment,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr[-5_000:]
    assert mart_rows(other) == mart_rows(home)
    assert lake_digests(other).items() <= lake_digests(home).items()


def _settle(home: Path, servers: Servers, seconds: int = 900) -> None:
    """Wait until nothing is new, nothing runs and nothing waits."""
    zones = open_zones(home)
    until = time.monotonic() + seconds
    quiet_since = None
    while quiet_since is None or time.monotonic() - quiet_since < 130:
        servers.start()
        written = review(zones, SCHEME)
        with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
            runs = instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS))
        due = [day for day in days_to_recompute(zones) if day <= AFTER]
        busy = {"runs": runs, "collect": days_to_collect(zones, today=AFTER), "recompute": due, "reviewed": written}
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


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])

"""The graph run as the platform runs it: once, twice, without its warehouse, and killed on the way."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from canonry.client import read_table
from tests.loop_home import DAYS, Start, embedded_texts, lake_digests, mart_rows

KILLS = 6


def test_the_loop_counts_what_was_sent_and_publishes_it(undisturbed: Path) -> None:
    costs = read_table("cost_daily", home=undisturbed).to_pylist()
    assert sum(row["calls"] for row in costs) == 90
    assert sum(row["input_tokens"] for row in costs) == 3 * sum(100 + call for call in range(30))
    quality = read_table("quality_daily", home=undisturbed).to_pylist()
    assert quality
    thumbs = [row for row in read_table("feedback_daily", home=undisturbed).to_pylist() if row["signal"] == "thumb"]
    assert (
        sum(row["known"] for row in thumbs if (row["slice"], row["window_days"]) == ("all", 1))
        == sum(
            row["known"] for row in thumbs if (row["slice"], row["day"], row["window_days"]) == ("all", DAYS[-1], 28)
        )
        > 0
    )


def test_running_a_range_twice_leaves_the_same_bytes_and_marts(
    undisturbed: Path, tmp_path: Path, run_loop: Callable[[Path], None]
) -> None:
    home = tmp_path / "home"
    shutil.copytree(undisturbed, home)
    (home / "warehouse.duckdb").unlink()
    run_loop(home)
    assert lake_digests(home) == lake_digests(undisturbed)
    assert embedded_texts(home) == embedded_texts(undisturbed)
    assert mart_rows(home) == mart_rows(undisturbed)


def test_a_run_killed_at_random_moments_and_repeated_ends_as_if_undisturbed(
    undisturbed: Path,
    seconds_undisturbed: float,
    tmp_path: Path,
    start_loop: Start,
    run_loop: Callable[[Path], None],
) -> None:
    home = tmp_path / "home"
    # The same segments, prices taken and scorers released at the same time: what a partition's bytes are a function of.
    shutil.copytree(undisturbed / "landing", home / "landing")
    for facts in ("prices", "releases/scorers"):
        shutil.copytree(undisturbed / "journal" / facts, home / "journal" / facts)
    moments, latest = random.Random(20261124), min(18.0, 0.7 * seconds_undisturbed)
    killed = 0
    for attempt in range(KILLS):
        process = start_loop(home)
        time.sleep(moments.uniform(latest / 6, latest))
        # Every other time a dbt it has started lives on for a while, with the warehouse open.
        kill = os.kill if attempt % 2 else os.killpg
        with suppress(ProcessLookupError):
            kill(process.pid, signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed >= KILLS // 2, "the moments lie after the run's end: nothing was tried"
    run_loop(home)
    assert lake_digests(home) == lake_digests(undisturbed)
    assert embedded_texts(home) == embedded_texts(undisturbed)
    assert mart_rows(home) == mart_rows(undisturbed)


def test_definitions_are_valid(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent.parent
    found = subprocess.run(
        ["dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=root,
        env={
            **os.environ,
            "CANONRY_HOME": str(tmp_path),
            "DAGSTER_HOME": "",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr

"""The graph run as a program on a home of its own, as the platform runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from filelock import FileLock

from tests.loop_home import DAYS, Start, send_events

ROOT = Path(__file__).parent.parent.parent
# As the process of a run does; `dagster job execute` reads the definitions twice, in a server beside itself first.
RUN = """
import sys
import dagster as dg
from dagster_project.definitions import defs
days = zip(("start", "end"), sys.argv[1:])
tags = {f"dagster/asset_partition_range_{end}": day for end, day in days}
with dg.DagsterInstance.get() as instance:
    job = defs.resolve_job_def("loop")
    sys.exit(not job.execute_in_process(instance=instance, tags=tags, raise_on_error=False).success)
"""


@pytest.fixture(scope="session")
def start_loop() -> Start:
    """Starts the job `loop` over the three days on a home, or with its zones where the environment says."""

    def start(home: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        dagster_home = home / "dagster"
        dagster_home.mkdir(parents=True, exist_ok=True)
        (dagster_home / "dagster.yaml").write_bytes((ROOT / "dagster_project" / "dagster.yaml").read_bytes())
        return subprocess.Popen(
            [sys.executable, "-c", RUN, DAYS[0].isoformat(), DAYS[-1].isoformat()],
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("CANONRY_")},
                "CANONRY_HOME": str(home),
                "DAGSTER_HOME": str(dagster_home),
                "CANONRY_LAKE": str(home / "lake"),
                "CANONRY_WAREHOUSE": str(home / "warehouse.duckdb"),
                **(environment or {}),
            },
            stdout=open(home.with_suffix(".log"), "wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    return start


@pytest.fixture(scope="session")
def run_loop(start_loop: Start) -> Callable[[Path], None]:
    """Runs the job to its end; its log is the message where it fails."""

    def run(home: Path) -> None:
        with start_loop(home) as process:
            process.wait(timeout=300)
        assert process.returncode == 0, home.with_suffix(".log").read_text()[-8_000:]

    return run


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, run_loop: Callable[[Path], None]) -> Path:
    """A home on which the loop ran once, from beginning to end: one for all workers, which only read it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    home, done = folder / "undisturbed" / "home", folder / "undisturbed" / "done"
    home.parent.mkdir(exist_ok=True)
    with FileLock(home.with_suffix(".lock")):
        if not done.exists():
            shutil.rmtree(home, ignore_errors=True)
            send_events(home)
            begun = time.monotonic()
            run_loop(home)
            done.write_text(str(time.monotonic() - begun))
    return home


@pytest.fixture(scope="session")
def seconds_undisturbed(undisturbed: Path) -> float:
    """How long that took."""
    return float((undisturbed.parent / "done").read_text())

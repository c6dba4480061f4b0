"""Runs Dagster as a program, shows how far it is, and keeps its whole log."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

DEFINITIONS = "dagster_project.definitions"

Days = tuple[dt.date, dt.date]
"""First and last day."""

_STEP = re.compile(r" - ([\w-]+) - STEP_(START|SUCCESS|FAILURE) - ")
_PORTION = re.compile(r"^(.+): (\d+) of (\d+), .* a second")
_TAIL = 25


class DagsterFailed(Exception):
    """A run did not succeed; the message has the end of its log, and says where all of it is."""


def materialize(selection: str, days: Days | None, log: Path, config: Mapping[str, Any] | None = None) -> None:
    """Materialise a selection: daily assets over a range of days, or assets without days. Raises DagsterFailed."""
    partitions = ["--partition-range", f"{days[0]}...{days[1]}"] if days else []
    settings = ["--config-json", json.dumps(config)] if config else []
    _run(["asset", "materialize", "--select", selection, *partitions, *settings, "-m", DEFINITIONS], log)


def execute_job(job: str, days: Days, log: Path) -> None:
    """Execute a job over a range of days, as one run. Raises DagsterFailed."""
    first, last = days
    tags = {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": last.isoformat(),
    }
    _run(["job", "execute", "-j", job, "--tags", json.dumps(tags), "-m", DEFINITIONS], log)


def _run(arguments: Sequence[str], log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    tail: deque[str] = deque(maxlen=_TAIL)
    program = [sys.executable, "-m", "dagster", *arguments]
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with (
        open(log, "w", encoding="utf-8") as file,
        subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_environment()) as process,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("starting Dagster", total=None)
        for raw in process.stdout or ():
            line = raw.decode(errors="replace")
            file.write(line)
            tail.append(line)
            _show(progress, task, line)
    if process.returncode:
        raise DagsterFailed(f"dagster {arguments[0]} {arguments[1]} failed:\n\n{''.join(tail)}\nThe whole log: {log}")


def _show(progress: Progress, task: TaskID, line: str) -> None:
    if (step := _STEP.search(line)) and step[2] == "START":
        progress.update(task, description=step[1].replace("__", "/"), total=None)
    elif portion := _PORTION.search(line):
        progress.update(task, description=portion[1], completed=int(portion[2]), total=int(portion[3]))
        if not progress.console.is_terminal:
            progress.console.print(line.rstrip(), highlight=False, markup=False)


def _environment() -> dict[str, str]:
    # Steps that say how far they are would otherwise be read when they are over.
    return {**os.environ, "PYTHONUNBUFFERED": "1"}

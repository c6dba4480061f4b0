"""Runs the graph as a program, and shows each step as it ends."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

_STEP = re.compile(r" - (?P<step>\S+) - STEP_(?P<state>START|SUCCESS|FAILURE) - ")
_TAIL_LINES = 25


class LoopError(Exception):
    """A run of the graph failed; the message has the end of its log and where the whole of it lies."""


def materialize(selection: str, log: Path, console: Console) -> None:
    """Materialise unpartitioned assets, as `dagster asset materialize --select` selects them."""
    _run(["asset", "materialize", "--select", selection], log, console)


def run_loop(days: Sequence[dt.date], log: Path, console: Console) -> None:
    """Run the job `loop` over the range of these days, in one run."""
    tags = {
        "dagster/asset_partition_range_start": min(days).isoformat(),
        "dagster/asset_partition_range_end": max(days).isoformat(),
    }
    _run(["job", "execute", "--job", "loop", "--tags", json.dumps(tags)], log, console)


def _run(arguments: list[str], log: Path, console: Console) -> None:
    command = [sys.executable, "-m", "dagster", *arguments, "-m", "dagster_project.definitions"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        open(log, "w") as file,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
        console.status("starting Dagster") as status,
    ):
        assert process.stdout
        done = 0
        for line in process.stdout:
            file.write(line)
            if match := _STEP.search(line):
                done += match["state"] == "SUCCESS"
                status.update(f"{match['step']} ({done} steps done)")
    if process.returncode:
        tail = "\n".join(log.read_text().splitlines()[-_TAIL_LINES:])
        raise LoopError(f"{' '.join(arguments[:2])} failed; the whole log is {log}, its end:\n{tail}")

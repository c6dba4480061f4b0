"""Sending 50,000 items to a real Label Studio, pulling 50,000 annotations: time, memory, and going on half way.

A Label Studio of its own (SQLite, one process) serves both. Sending and pulling are programs of their own, whose peak
memory is measured; each is killed once, half way, and started again: what a second look fetches again is counted. The
annotations (simulated, one an item) are written into the server's database at once, as people would take weeks.
The ratio is tasks fetched over tasks there were, while pulling.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import multiprocessing
import os
import resource
import signal
import sqlite3
import tempfile
import time
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa

from bench._report import arguments, report
from canonry import lake
from canonry.catalog import SchemeSpec
from canonry.demo.label_studio_server import running
from canonry.label import pull, send, studio
from canonry.label.draws import draw_day
from canonry.label.partition import write_labels
from canonry.label.studio import KEY, URL, connect
from canonry.label.tasks import export_tasks
from canonry.storage import open_zones

NAME = "bench"
DAY = dt.date(2026, 11, 9)
NOW = dt.datetime(2026, 11, 10, 12)

SETTLE_S = 10
"""For the server to finish what it was asked by a program that was killed; a restarted run comes later than that."""


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__, rows=50_000, quick_rows=1_000)
    scheme = made_scheme(options.rows)
    with tempfile.TemporaryDirectory(prefix="canonry-bench-") as home:
        prepare(home, scheme, options.rows)
        data = Path(home) / "label-studio"
        with running(data) as server:
            os.environ |= {URL: server.url, KEY: server.api_key}
            rows = [row("send", *halves(sending, home, scheme, options.rows))]
            annotate(data / "label_studio.sqlite3")
            rows.append(row("pull", *halves(pulling, home, scheme, options.rows)))
        made = write_labels(open_zones(home), DAY)
        assert made.rows == options.rows, f"{made.rows} labels of {options.rows} annotations"
    header = ["simulated", "tasks", "until killed s", "rest s", "tasks a second", "peak MB", "tasks moved"]
    report("labels", rows[1][-1] / options.rows, "lower", header, rows)


def made_scheme(rows: int) -> SchemeSpec:
    """Two choices, and a draw of everything."""
    return SchemeSpec.model_validate(
        {
            "description": "Simulated.",
            "owner": "bench",
            "version": 1,
            "instructions": "Simulated.",
            "choices": [{"name": "groundedness", "question": "?", "choices": ["grounded", "hallucinated"]}],
            "sampling": {"strata": ["product"], "per_stratum": rows},
        }
    )


def prepare(home: str, scheme: SchemeSpec, rows: int) -> None:
    """Draw and export a day of calls."""
    zones = open_zones(home)
    empty = dict.fromkeys(lake.SCHEMAS["inferences"].names)
    at = {"started_at": dt.datetime.combine(DAY, dt.time(9)), "team": "docs", "product": "site"}
    calls = [empty | at | {"inference_id": f"c{number}"} for number in range(rows)]
    texts = [
        {
            "inference_id": f"c{number}",
            "input_messages": json.dumps([{"role": "user", "content": f"How do I open file {number}?"}]),
            "output_messages": json.dumps([{"role": "assistant", "content": "Call open(path) and read it. " * 10}]),
            "retrieved": [{"chunk_id": "io.open", "score": 0.5, "text": "Open a file and return a stream. " * 30}],
        }
        for number in range(rows)
    ]
    for kind, found in (("inferences", calls), ("contents", texts)):
        lake.write(zones.lake, kind, DAY, pa.Table.from_pylist(found, lake.SCHEMAS[kind]), {})
    draw = draw_day(zones, NAME, scheme, DAY, NOW)
    assert draw is not None
    export_tasks(zones, NAME, scheme, draw)


def annotate(database: Path) -> None:
    """Give every task of the server an annotation, by its database."""
    value = {"id": "r", "from_name": "groundedness", "to_name": "answer", "type": "choices"}
    result = json.dumps([{**value, "value": {"choices": ["grounded"]}, "meta": {"simulated": True}}])
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        columns = connection.execute("pragma table_info(task_completion)").fetchall()
        needed: dict[str, Any] = {
            name: 0 for _, name, kind, must, default, key in columns if must and default is None and not key
        }
        now = "2026-11-10 08:00:00.000000"
        needed |= {"created_at": now, "updated_at": now, "result": result, "was_cancelled": 0, "ground_truth": 0}
        needed |= {"completed_by_id": 1}
        names = ", ".join(f'"{name}"' for name in (*needed, "task_id", "project_id"))
        marks = ", ".join("?" * len(needed))
        connection.execute(
            f"insert into task_completion ({names}) select {marks}, id, project_id from task", list(needed.values())
        )
        # One a minute: a pull looks again at what changed in the last minute of the one before.
        when = "strftime('%Y-%m-%d %H:%M:%S.000000', '2026-01-01', '+' || id || ' minutes')"
        connection.execute(f"update task set total_annotations = 1, is_labeled = 1, updated_at = {when}")


def sending(home: str, scheme: SchemeSpec, moved: Synchronized[int], memory: Synchronized[int]) -> None:
    """Send all tasks, counting those that went over the line."""
    send_chunk = send._send_chunk

    def counted(*given: Any) -> None:
        send_chunk(*given)
        moved.value += len(given[-1])
        note(memory)

    client = connect()
    assert client is not None
    with patch.object(send, "_send_chunk", counted):
        send.send_tasks(open_zones(home), client, NAME, scheme)
    note(memory)


def pulling(home: str, scheme: SchemeSpec, moved: Synchronized[int], memory: Synchronized[int]) -> None:
    """Pull all annotations, counting the tasks that were fetched."""

    def counted(*given: Any, **more: Any) -> list[dict[str, Any]]:
        page = studio.page_of_tasks(*given, **more)
        moved.value += len(page)
        note(memory)
        return page

    client = connect()
    assert client is not None
    with patch.object(pull, "page_of_tasks", counted):
        pull.pull_annotations(open_zones(home), client, NAME, scheme, NOW)
    note(memory)


def note(memory: Synchronized[int]) -> None:
    """Peak memory of this process, in kB, if it is the highest."""
    memory.value = max(memory.value, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def halves(work: Any, home: str, scheme: SchemeSpec, rows: int) -> tuple[int, float, float, int, int]:
    """Do the work, killed once when half of the tasks have moved; tasks, seconds until then and after, kB, moved."""
    context = multiprocessing.get_context("spawn")
    moved, memory = context.Value("q", 0), context.Value("q", 0)
    seconds = []
    for half in (rows / 2, float("inf")):
        start = time.monotonic()
        process = context.Process(target=work, args=(home, scheme, moved, memory))
        process.start()
        while process.is_alive() and moved.value < half:
            process.join(0.05)
        if process.is_alive() and process.pid:
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        seconds.append(time.monotonic() - start)
        time.sleep(SETTLE_S)
    assert process.exitcode == 0, f"{work.__name__} failed"
    return rows, seconds[0], seconds[1], memory.value, moved.value


def row(name: str, rows: int, before: float, after: float, memory: int, moved: int) -> list[Any]:
    """A line of the table."""
    return [name, rows, before, after, rows / (before + after), memory // 1024, moved]


if __name__ == "__main__":
    main()

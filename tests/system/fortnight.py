"""Days of a small company: what its products send each day, and the servers that run Canonry meanwhile."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import random
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg

from canonry.demo.label_studio_server import running
from canonry.label.studio import KEY, URL
from canonry.landing import LandingWriter
from canonry.storage import Zones

ROOT = Path(__file__).parent.parent.parent
FIRST = dt.date(2026, 11, 2)
DAYS = [FIRST + dt.timedelta(days=number) for number in range(int(os.environ.get("CANONRY_FORTNIGHT_DAYS", "5")))]
CALLS = 40
THUMBS = 10
DOCUMENTS = 100
_ONE_DAY = dt.timedelta(days=1)


def live(zones: Zones, day: dt.date, data: Path) -> None:
    """What happens on a day: calls, thumbs on the day before's, a few copies and torn events, files in a drop."""
    noon = dt.datetime.combine(day, dt.time(12))
    writer = LandingWriter(zones.landing, "docs-assistant", clock=lambda: noon)
    calls = [_call(day, number) for number in range(CALLS)]
    writer.append("inferences", [*calls, calls[0], {"inference_id": f"{day}-without-time"}, b"not JSON"])
    if day > FIRST:
        writer.append("inferences", [{**_call(day - _ONE_DAY, CALLS), "feature": "late"}])
        writer.append("feedback", [_thumb(day, number) for number in range(THUMBS)])
    if day in (DAYS[0], DAYS[len(DAYS) // 2]):
        _write_documents(zones, DOCUMENTS - 5 if day == DAYS[0] else DOCUMENTS)
    if day == DAYS[3]:
        _write_trace(data)


def _call(day: dt.date, number: int) -> dict[str, Any]:
    at = dt.datetime.combine(day, dt.time(8)) + dt.timedelta(minutes=number)
    chance = random.Random(f"{day} {number}")
    supported = chance.random() > 0.2
    return {
        "inference_id": f"{day}-{number}",
        "trace_id": f"trace-{day}-{number}",
        "started_at": at.isoformat(),
        "product": f"product-{number % 2}",
        "team": "docs-experience",
        "operation": "chat",
        "provider": "canonry-demo",
        "response_model": "docs-extractive-1.0",
        "input_tokens": 100 + number,
        "output_tokens": 20,
        "latency_ms": round(chance.uniform(5, 50), 1),
        "input_messages": [{"role": "user", "content": f"What does function {number} do?"}],
        "output_messages": [{"role": "assistant", "content": "It merges two tables."}],
        "attributes": {"simulation": {"asked_about": "a"}, "quoted_document": "a" if supported else "b"},
    }


def _thumb(day: dt.date, number: int) -> dict[str, Any]:
    return {
        "feedback_id": f"thumb-{day}-{number}",
        "inference_id": f"{day - _ONE_DAY}-{number}",
        "given_at": dt.datetime.combine(day, dt.time(9)).isoformat(),
        "origin": "user",
        "signal": "thumb",
        "value": 1 if number % 3 else -1,
    }


def _write_documents(zones: Zones, count: int) -> None:
    # Fewer golden queries could not rule out that a new version finds less.
    texts = [f"Function number {number} of the library merges {number + 2} tables by key." for number in range(count)]
    documents = [{"id": f"doc-{number}", "title": f"merge_{number}", "text": text} for number, text in enumerate(texts)]
    golden = [{"query": text, "documents": [f"doc-{number}"]} for number, text in enumerate(texts[:80])]
    folder = "documents/python-packages"
    for path, rows in ((f"{folder}/library.jsonl", documents), (f"{folder}/golden/queries.jsonl", golden)):
        zones.exchange.put(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def _write_trace(data: Path) -> None:
    """A file of a form that a source's YAML reads, with ten calls on the third day."""
    folder = data / "azure_llm_trace_2023"
    folder.mkdir(parents=True)
    rows = "".join(f"{DAYS[2]} 10:00:{second:02d},100,20\n" for second in range(10))
    packed = gzip.compress(f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}".encode(), mtime=0)
    beside = folder / "beside.tmp"
    beside.write_bytes(packed)
    beside.rename(folder / "AzureLLMInferenceTrace_code.csv.gz")


class Home:
    """A home with Dagster's tables, and the environment of who works on it. Its clock stands still until it is set."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.data = folder, folder / "clock", folder / "data"
        dagster_home = folder / "dagster"
        dagster_home.mkdir(parents=True)
        settings = (ROOT / "dagster_project" / "dagster.yaml").read_text()
        quick = "run_monitoring:\n  enabled: true\n  poll_interval_seconds: 5\n"
        (dagster_home / "dagster.yaml").write_text(settings.replace("run_monitoring:\n  enabled: true\n", quick))
        # Made before anybody starts: two servers that meet an empty home both write its first tables.
        with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
            assert not instance.get_runs()
            assert not instance.all_asset_keys()
            assert not instance.all_instigator_state()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CANONRY_", "LABEL_STUDIO"))},
            "CANONRY_HOME": str(folder),
            "CANONRY_DATA": str(self.data),
            "CANONRY_WAREHOUSE": str(folder / "warehouse.duckdb"),
            "CANONRY_LAKE": str(folder / "lake"),
            "DAGSTER_HOME": str(dagster_home),
            "FORTNIGHT_CLOCK": str(self.clock),
        }

    def set_clock(self, moment: dt.datetime) -> None:
        """What every process takes for now."""
        beside = self.clock.with_suffix(".tmp")
        beside.write_text(moment.isoformat())
        beside.replace(self.clock)


class Servers:
    """The daemon, the webserver and Label Studio of a home, each in a process group of its own."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        people, port = home.folder / "label-studio", str(free_port())
        with running(people, int(port)) as server:
            self.label_studio = {URL: server.url, KEY: server.api_key}
        module = ["-m", "tests.system.fast_definitions"]
        self._programs = {
            "daemon": ["-m", "dagster._daemon", "run", *module],
            "webserver": ["-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(free_port()), *module],
            "label-studio": ["-m", "canonry.demo.label_studio_server", str(people), port],
        }

    def start(self) -> None:
        """Start whatever does not run."""
        for name, program in self._programs.items():
            if name not in self._running or self._running[name].poll() is not None:
                with open(self._home.folder / f"{name}.log", "ab") as log:
                    self._running[name] = subprocess.Popen(
                        [sys.executable, *program],
                        cwd=ROOT,
                        env=self._home.environment | self.label_studio,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )

    def kill(self, name: str) -> None:
        """Kill a server and all it started, runs included."""
        process = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """End whatever still runs."""
        for process in self._running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for name, process in list(self._running.items()):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill(name)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])

"""The client against `canonry serve`, which is killed and started again while products log."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from canonry.client import EventLog, Stats, _sender
from canonry.landing import list_segments, read_committed
from canonry.service import keys
from canonry.storage import Zones

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool of the test's own, and little patience between attempts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(_sender, "LONGEST_RETRY_SECONDS", 0.3)


@pytest.fixture
def key(zones: Zones) -> str:
    return make_key(zones, "write:events")


@pytest.fixture
def port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def make_key(zones: Zones, scope: str) -> str:
    now = dt.datetime.now(dt.UTC)
    made = keys.create(
        zones.journal, team="docs", source="docs-assistant", scopes=[scope], access=[], note="test", now=now
    )
    return made[1]


@contextlib.contextmanager
def serving(zones: Zones, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`canonry serve` on this port, ready; killed in the end."""
    command = [str(Path(sys.executable).parent / "canonry"), "serve", "--port", str(port)]
    environment = {**os.environ, "CANONRY_HOME": zones.home, "CANONRY_ASSETS": str(ROOT / "assets")}
    folder = tempfile.TemporaryDirectory()
    said = Path(folder.name, "said.txt")
    with open(said, "wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the service did not start:\n{said.read_text()}")
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        folder.cleanup()


def landed(zones: Zones, kind: str) -> list[dict[str, object]]:
    """Every event in landing that was not rejected, as often as it lies there."""
    found = []
    for segment in list_segments(zones.landing, kind):
        if segment.day is None:
            continue
        with zones.landing.local_copy(segment.path) as path:
            data = path.read_bytes()
            for batch in read_committed(path).batches:
                found += [orjson.loads(line) for line in data[batch.start : batch.end].splitlines()]
    return found


def test_what_is_logged_lies_in_landing_as_the_keys_team(zones: Zones, key: str, port: int) -> None:
    with serving(zones, port), EventLog(f"http://127.0.0.1:{port}", key) as log:
        made = log.log_inference(product="docs-site", output_tokens=3, colour="blue")
        given = log.give_feedback(made, signal="thumb", value=1)
        log.log_inference(product="docs-site", team="somebody else")
        assert log.flush(30)
        assert log.stats() == Stats(sent=2, rejected=1)
    [event] = landed(zones, "inferences")
    assert (event["inference_id"], event["team"], event["source"]) == (made, "docs", "docs-assistant")
    assert event["attributes"]["colour"] == "blue"  # type: ignore[index]
    assert [each["feedback_id"] for each in landed(zones, "feedback")] == [given]


def test_a_service_that_is_killed_and_comes_back_has_every_event(zones: Zones, key: str, port: int) -> None:
    made: list[str] = []
    with EventLog(f"http://127.0.0.1:{port}", key, batch=20, interval_s=0.02) as log:
        for _ in range(4):
            made += [log.log_inference(product="docs-site", output_tokens=number) for number in range(100)]
            with serving(zones, port):
                before = log.stats().sent
                while log.stats().sent == before:
                    made.append(log.log_inference(product="docs-site"))
                    time.sleep(0.001)
            # Killed with requests under way; the product goes on.
        with serving(zones, port):
            assert log.flush(60)
        stats = log.stats()
    assert (stats.sent, stats.rejected, stats.dropped) == (len(made), 0, 0)
    assert {each["inference_id"] for each in landed(zones, "inferences")} == set(made)


def test_a_key_that_may_not_write_is_refused_once_and_for_all(zones: Zones, key: str, port: int) -> None:
    reader = make_key(zones, "read:tables")
    with serving(zones, port):
        for wrong in (reader, f"{key}x", ""):
            with EventLog(f"http://127.0.0.1:{port}", wrong) as log:
                log.log_inference(product="docs-site")
                assert log.flush(30)
                assert log.stats() == Stats(rejected=1)
    assert landed(zones, "inferences") == []


def test_an_event_the_service_cannot_read_is_rejected_alone(zones: Zones, key: str, port: int) -> None:
    with serving(zones, port), EventLog(f"http://127.0.0.1:{port}", key) as log:
        log.log_inference(product="docs-site")
        log.log_inference(product="docs-site", started_at="yesterday")
        log.log_inference(product="docs-site")
        assert log.flush(30)
        assert log.stats() == Stats(sent=2, rejected=1)


def test_batches_larger_than_the_service_takes_arrive_in_parts(
    zones: Zones, key: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANONRY_SERVICE_MAX_DECOMPRESSED_BYTES", "20000")
    with serving(zones, port), EventLog(f"http://127.0.0.1:{port}", key, interval_s=0.3) as log:
        for number in range(60):
            log.log_inference(product="docs-site", input_messages="x" * 1000, output_tokens=number)
        assert log.flush(30)
        assert log.stats() == Stats(sent=60)
    assert sorted(each["output_tokens"] for each in landed(zones, "inferences")) == list(range(60))  # type: ignore[type-var]

"""Whoever logs is never held up or harmed: threads, finalisers, a disk that is slow or full."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from canonry import client
from canonry.client import EventLog
from tests.client import stand_in_service
from tests.client.logging_to import log_some, log_to, spool_files, wait_until
from tests.client.stand_in_service import StandIn, hang, status

pytestmark = pytest.mark.usefixtures("quick")


def test_a_full_spool_drops_the_oldest_and_counts(service: StandIn, tmp_path: Path) -> None:
    service.behaviour = status(503)
    limit = 40_000
    with log_to(service, batch=10, spool_bytes=limit) as log:
        made = [log.log_inference(input_messages=os.urandom(300).hex()) for _ in range(600)]
        wait_until(lambda: log.stats().queued == 0, "everything spooled or dropped")
        assert sum(file.stat().st_size for file in spool_files(tmp_path)) <= limit * 1.1
        assert 300 < log.stats().dropped < 600
        service.behaviour = stand_in_service.take
        assert log.flush(30)
        stats = log.stats()
    assert stats == client.Stats(sent=len(service.order), dropped=600 - len(service.order))
    # What was dropped is the oldest, but for the batch that was under way.
    assert service.order[10:] == made[-len(service.order[10:]) :]


def test_a_spool_that_cannot_be_written_is_memory(
    service: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("in the way")
    service.behaviour = status(500)
    with log_to(service) as log:
        made = log_some(log, 30)
        wait_until(lambda: log.stats().spooled == 30, "everything kept")
        service.behaviour = stand_in_service.take
        assert log.flush(30)
    assert service.order == made
    assert "kept in memory" in caplog.text


def test_a_full_disk_moves_events_to_memory_and_back(service: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    service.behaviour = status(500)
    real, full = os.write, threading.Event()

    def write(descriptor: int, data: Any) -> int:
        if full.is_set() and threading.current_thread().name == "canonry-log-spool":
            if len(data) > 20:
                return real(descriptor, bytes(data)[:20])
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    with log_to(service) as log:
        made = log_some(log, 10)
        wait_until(lambda: log.stats().spooled == 10, "the first on disk")
        full.set()
        made += log_some(log, 10)
        wait_until(lambda: log.stats().spooled == 20, "the second kept")
        full.clear()
        made += log_some(log, 10)
        wait_until(lambda: log.stats().spooled == 30, "the third on disk")
        service.behaviour = stand_in_service.take
        assert log.flush(30)
        assert log.stats() == client.Stats(sent=30)
    assert service.order == made


def test_logging_does_no_io_in_the_callers_thread(service: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted by Python's own audit of files, sockets, processes and imports, in every state of the service."""
    caller = threading.get_ident()
    done: list[str] = []
    watching = False

    def audit(event: str, _: Any) -> None:
        if watching and threading.get_ident() == caller and event.partition(".")[0] in (
            *("open", "socket", "os", "subprocess", "shutil", "tempfile", "import", "fcntl", "ctypes"),
        ):  # fmt: skip
            done.append(event)

    sys.addaudithook(audit)
    for name in ("write", "read", "fsync", "fdatasync", "pread"):
        real = getattr(os, name)

        def counted(*args: Any, _name: str = name, _real: Any = real) -> Any:
            audit(f"os.{_name}", args)
            return _real(*args)

        monkeypatch.setattr(os, name, counted)
    with log_to(service, spool_bytes=100_000) as log:
        for behaviour in (stand_in_service.take, status(500), hang, status(401), stand_in_service.take):
            service.behaviour = behaviour
            watching = True
            for number in range(300):
                log.log_inference(output_tokens=number, input_messages="x" * 1000)
                log.give_feedback("an id", signal="thumb", value=1)
                with log.inference(product="docs-site") as call:
                    call.output_tokens = number
                log.stats()
            watching = False
            time.sleep(0.1)
    assert done == []
    assert service.seen


def test_a_spool_that_is_held_up_by_its_disk_holds_up_nobody_who_logs(service: StandIn) -> None:
    arrived, go = threading.Event(), threading.Event()

    def held(handler: stand_in_service.Handler, events: list[dict[str, Any]]) -> None:
        arrived.set()
        assert go.wait(30)
        stand_in_service.take(handler, events)

    service.behaviour = held
    with log_to(service) as log:
        log.log_inference()
        assert arrived.wait(30) and log._delivery
        spool = log._delivery._spool
        assert spool
        with spool._lock:  # as while a batch is written
            go.set()
            wait_until(lambda: log.stats().sent == 1, "the batch is answered")
            logged = threading.Thread(target=log.log_inference, daemon=True)
            logged.start()
            logged.join(10)
            assert not logged.is_alive()
        assert log.flush(30)


def test_threads_may_log_at_one_time(service: StandIn) -> None:
    with log_to(service) as log:
        made: list[str] = []
        threads = [threading.Thread(target=lambda: made.extend(log_some(log, 200))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log.flush(30)
    assert sorted(service.order) == sorted(made)
    assert set(service.seen.values()) == {1}


def test_a_finaliser_may_log_while_an_event_is_being_logged(service: StandIn) -> None:
    class Product:
        def __init__(self, log: EventLog) -> None:
            self.log = log
            self.itself = self

        def __del__(self) -> None:
            self.log.log_inference(operation="from a finaliser")

    with log_to(service) as log:
        for number in range(3000):
            Product(log)
            log.log_inference(output_tokens=number)
        assert log.flush(30)
        assert log.stats().sent > 3000


def test_a_finaliser_that_logs_at_any_moment_never_ends_the_interpreter() -> None:
    """With memory that is overwritten when it is freed, so that its use is seen at once."""
    program = """
import gc, random
from canonry.client import EventLog, last_inference_id
log = EventLog.disabled()
class Product:
    def __init__(self):
        self.itself = self
    def __del__(self):
        log.log_inference(operation="from a finaliser")
for number in range(3000):
    gc.set_threshold(random.randint(1, 7))
    Product()
    log.log_inference(output_tokens=number)
gc.disable()
assert log.log_inference() == last_inference_id()
assert log.stats().dropped > 3001
"""
    environment = {**os.environ, "PYTHONMALLOC": "debug"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_async_form_closes_without_holding_up_the_loop(service: StandIn) -> None:
    async def use() -> bool:
        async with log_to(service) as log:
            log_some(log, 3)
            return await log.aflush(30)

    assert asyncio.run(use())
    assert len(service.order) == 3


def test_events_after_the_end_are_counted_as_dropped(service: StandIn) -> None:
    log = log_to(service)
    log_some(log, 1)
    assert log.close()
    log_some(log, 2)
    assert log.close()
    assert log.stats() == client.Stats(sent=1, dropped=2)

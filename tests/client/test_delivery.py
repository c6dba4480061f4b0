"""What goes wrong around a log: threads that cannot be had, handlers that raise, logs that nobody closes."""

from __future__ import annotations

import gc
import logging
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from canonry import client
from canonry.client import Stats, _log, _queue, _sender
from canonry.client._queue import Queue
from canonry.client._send import THREAD_NAME
from canonry.client._sender import pause
from tests.client import stand_in_service
from tests.client.logging_to import log_to, wait_until
from tests.client.stand_in_service import StandIn, status

pytestmark = pytest.mark.usefixtures("quick")


def our_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith(THREAD_NAME)]


def descriptors_of_ours(folder: Path) -> int:
    """Files of the spool and sockets that this process has open."""
    open_ones = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return sum(str(folder) in each or each.startswith("socket:") for each in open_ones)


def test_logs_that_were_closed_leave_nothing_open_and_nothing_in_memory(service: StandIn, tmp_path: Path) -> None:
    import multiprocessing.util  # where it is there, the client has it flush at the end of a child

    assert multiprocessing.util
    with log_to(service) as log:
        log.log_inference()
        assert log.flush(30)
    # The stand-in serves each connection in a thread, which ends when the client hangs up.
    wait_until(lambda: not our_threads(), "its threads have ended")
    before, gone = descriptors_of_ours(tmp_path), []
    for _ in range(50):
        with log_to(service) as log:
            log.log_inference()
            assert log.flush(30)
        gone += [weakref.ref(log), weakref.ref(log._delivery), weakref.ref(log._destination)]
    del log
    gc.collect()
    wait_until(lambda: descriptors_of_ours(tmp_path) <= before, "nothing more is open than before")
    assert our_threads() == []
    assert [each for each in gone if each() is not None] == []
    assert len(service.seen) == 51


def test_a_log_that_nobody_has_any_more_sends_what_it_has_and_ends(service: StandIn) -> None:
    made = [log_to(service).log_inference() for _ in range(5)]
    gc.collect()
    wait_until(lambda: set(service.seen) == set(made), "what they had")
    wait_until(lambda: not our_threads(), "their threads have ended")


@pytest.mark.parametrize("which", ["spool", "send"])
def test_a_thread_that_cannot_be_started_is_tried_again_at_the_next_event(
    which: str, service: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, refusing = threading.Thread.start, True

    def start(thread: threading.Thread) -> None:
        if refusing and thread.name == f"{THREAD_NAME}-{which}":
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with log_to(service) as log:
        made = [log.log_inference(output_tokens=number) for number in range(3)]
        assert not log.flush(0.1)
        assert service.order == []
        assert log.stats().dropped == 0
        refusing = False
        made.append(log.log_inference())
        assert log.flush(30)
        assert log.stats() == Stats(sent=4)
    assert service.order == made
    assert caplog.text.count("can't start new thread") == 1


def test_where_no_thread_can_be_started_the_end_brings_events_to_the_disk(
    service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with log_to(service) as log:
            made = [log.log_inference() for _ in range(3)]
    with log_to(service) as log:
        made.append(log.log_inference())
        wait_until(lambda: service.order == made, "those of the first before those of the second")


class Broken(logging.Filter):
    """What a product has hung on its loggers, and what raises for every record."""

    def __init__(self) -> None:
        self.asked = 0

    def filter(self, record: logging.LogRecord) -> bool:
        self.asked += 1
        raise RuntimeError("a product's own mistake")


@pytest.fixture
def broken() -> Iterator[Broken]:
    made, loggers = Broken(), [logging.getLogger(name) for name in ("canonry.client", "httpx", "httpcore.http11")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.addFilter(made)
        each.setLevel(logging.DEBUG)
    yield made
    for each, level in zip(loggers, levels, strict=True):
        each.removeFilter(made)
        each.setLevel(level)


def test_a_filter_that_raises_costs_no_event(service: StandIn, tmp_path: Path, broken: Broken) -> None:
    (tmp_path / "state").write_text("in the way")
    service.behaviour = status(503)
    with log_to(service) as log:
        made = [log.log_inference(), log.give_feedback(signal="thumb", value=1)]
        wait_until(lambda: len(service.requests) > 2, "attempts")
        service.behaviour = stand_in_service.take
        assert log.flush(30)
        made.append(log.log_inference())
        assert log.flush(30)
        assert log.stats() == Stats(sent=3)
    assert service.order == made
    assert broken.asked > 2


def test_a_filter_that_raises_never_reaches_the_product(monkeypatch: pytest.MonkeyPatch, broken: Broken) -> None:
    monkeypatch.setattr(_log, "_logs", {})
    for name in ("CANONRY_URL", "CANONRY_API_KEY", "CANONRY_HOME", "CANONRY_SOURCE"):
        monkeypatch.delenv(name, raising=False)
    assert len(client.log_inference(product="docs-site")) == 26
    assert client.stats() == Stats(dropped=1)
    assert broken.asked == 1


def test_without_a_disk_as_much_is_kept_in_memory_as_is_said(service: StandIn) -> None:
    service.behaviour = status(503)
    with log_to(service, spool=False) as log:
        made = []
        for number in range(1, 25):
            # One after the other, since no more than 16 MB may be on their way there.
            made.append(log.log_inference(input_messages=os.urandom(500_000).hex()))
            wait_until(lambda number=number: log.stats().spooled == number, f"{number} in memory")  # type: ignore[misc]
        service.behaviour = stand_in_service.take
        assert log.flush(60)
        assert log.stats() == Stats(sent=24)
    assert service.order == made


def test_without_a_disk_the_oldest_are_dropped_where_there_is_more(service: StandIn) -> None:
    service.behaviour = status(503)
    with log_to(service, spool=False, spool_bytes=40_000, batch=10) as log:
        made = [log.log_inference(input_messages=os.urandom(300).hex()) for _ in range(600)]
        wait_until(lambda: log.stats().queued == 0, "everything kept or dropped")
        assert 300 < log.stats().dropped < 600
        service.behaviour = stand_in_service.take
        assert log.flush(30)
        assert log.stats() == Stats(sent=len(service.order), dropped=600 - len(service.order))
    # What was dropped is the oldest, but for the batch that was under way.
    assert service.order[10:] == made[-len(service.order[10:]) :]


def test_a_full_queue_drops_its_oldest_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_queue, "QUEUE_BYTES", 100)
    queue = Queue(threading.RLock(), batch=1000, interval_s=0.001)
    for number in range(20):
        queue.put("inferences", b"%010d" % number)
    assert (queue.waiting, queue.dropped, queue.logged) == (10, 10, 20)
    assert [int(line) for _, line in queue.take()] == list(range(10, 20))
    queue.taken()
    # One that is larger than all that may wait is not dropped for it: the spool says what becomes of it.
    queue.put("inferences", b"x" * 1000)
    assert (queue.waiting, queue.dropped) == (1, 10)


@pytest.mark.parametrize("failures", [1, 5, 500])
def test_attempts_grow_apart_and_never_come_sooner_than_asked(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sender, "FIRST_RETRY_SECONDS", 0.5)
    monkeypatch.setattr(_sender, "LONGEST_RETRY_SECONDS", 60.0)
    longest = {1: 0.5, 5: 8.0, 500: 60.0}[failures]
    for retry_after in (None, 0.0):
        assert longest / 2 <= pause(failures, retry_after) <= longest
    assert 100 <= pause(failures, 100.0) <= 110


def test_odd_arguments_never_fail_a_call(service: StandIn) -> None:
    class Odd:
        def __bool__(self) -> bool:
            raise ValueError("neither true nor false, as an array is")

    with log_to(service) as log:
        made = [log.log_inference(self=1), log.log_inference(inference_id=Odd()), log.log_inference(inference_id=17)]
        with log.inference(self=2) as call:
            call.set(self=3)
        with log.inference(inference_id=Odd()) as other:
            pass
        made += [call.inference_id, other.inference_id]
        given = log.give_feedback(made[0], signal="thumb", self=4, feedback_id=Odd())
        assert log.flush(float("inf"))
    assert service.order == [*made, given]
    assert (made[2], service.events[made[0]]["self"]) == ("17", 1)


def test_a_working_folder_that_is_gone_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_log, "_logs", {})
    for name in ("CANONRY_URL", "CANONRY_API_KEY", "CANONRY_HOME", "CANONRY_SOURCE"):
        monkeypatch.delenv(name, raising=False)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert len(client.log_inference(product="docs-site")) == 26

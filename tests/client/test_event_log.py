"""What a product logs arrives, however the service behaves, and the product never notices."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canonry import client
from canonry.client import EventLog, _log, _sender
from canonry.landing import list_segments, read_committed
from canonry.storage import Zones
from tests.client import stand_in_service
from tests.client.stand_in_service import StandIn, cut_off, hang, status

KEY = "cnr_abc_secret"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool of the test's own, and little patience between attempts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(_sender, "FIRST_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(_sender, "LONGEST_RETRY_SECONDS", 0.1)


@pytest.fixture
def service() -> Iterator[StandIn]:
    with StandIn() as found:
        yield found


def log_to(service: StandIn, **options: Any) -> EventLog:
    return EventLog(service.url, KEY, **{"interval_s": 0.02, "fields": {"product": "docs-site"}, **options})


def log_some(log: EventLog, events: int) -> list[str]:
    return [log.log_inference(output_tokens=number) for number in range(events)]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"not within 30 s: {what}"
        time.sleep(0.01)


def spool_files(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.glob("state/canonry/spool/*/*.spool"))


def test_events_arrive_in_order_as_they_were_said(service: StandIn) -> None:
    with log_to(service, batch=7) as log:
        made = log_some(log, 50)
        given = log.give_feedback(made[0], signal="thumb", value=1, comment="ünïcode\n👍")
        assert log.flush(30)
        assert log.stats() == client.Stats(sent=51)
    assert service.order == [*made, given]
    assert service.events[made[3]].items() >= {"product": "docs-site", "output_tokens": 3}.items()
    assert service.events[given].items() >= {"inference_id": made[0], "value": 1, "comment": "ünïcode\n👍"}.items()
    assert {request["path"] for request in service.requests} == {"/v1/inferences", "/v1/feedback"}
    for request in service.requests:
        assert request["authorization"] == f"Bearer {KEY}"
        assert (request["content-type"], request["content-encoding"]) == ("application/x-ndjson", "gzip")


def test_calls_and_the_thumbs_on_them_take_one_request_each(service: StandIn) -> None:
    with log_to(service, interval_s=0.5) as log:
        made, given = [], []
        for number in range(100):
            made.append(log.log_inference(output_tokens=number))
            given.append(log.give_feedback(made[-1], signal="thumb", value=1))
        assert log.flush(30)
    assert service.order == [*made, *given]
    assert [request["path"] for request in service.requests] == ["/v1/inferences", "/v1/feedback"]


def test_an_event_is_as_it_was_when_it_was_logged(service: StandIn) -> None:
    messages = [{"role": "user", "content": "before"}]
    with log_to(service) as log:
        made = log.log_inference(input_messages=messages, error_type=None)
        messages[0]["content"] = "after"
        assert log.flush(30)
    assert service.events[made]["input_messages"][0]["content"] == "before"
    assert "error_type" not in service.events[made]


@pytest.mark.parametrize(
    "behaviour",
    [status(500), status(503), status(429), status(404), cut_off],
    ids=["500", "503", "429", "404", "cut-off"],
)
def test_what_the_service_does_not_take_is_sent_again(
    behaviour: stand_in_service.Behaviour, service: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    service.behaviour = behaviour
    with log_to(service, batch=3) as log:
        made = log_some(log, 20)
        wait_until(lambda: len(service.requests) >= 3, "three attempts")
        assert log.stats().sent == 0
        service.behaviour = stand_in_service.take
        assert log.flush(30)
        assert log.stats() == client.Stats(sent=20)
    assert list(dict.fromkeys(service.order)) == made
    assert len([each for each in caplog.records if each.levelno >= logging.WARNING]) == 1
    assert KEY not in caplog.text


def test_events_wait_on_disk_until_the_service_is_there(tmp_path: Path) -> None:
    with StandIn() as service:
        port = service.server_address[1]
    with EventLog(f"http://127.0.0.1:{port}", KEY, interval_s=0.02) as log:
        made = log_some(log, 500)
        assert not log.flush(0.3)
        assert log.stats() == client.Stats(spooled=500)
        [file] = spool_files(tmp_path)
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
        with StandIn(port=port) as service:
            assert log.flush(30)
        assert service.order == made
        assert log.stats() == client.Stats(sent=500)


def test_retry_after_is_honoured_even_by_flush(service: StandIn) -> None:
    service.behaviour = status(429, {"Retry-After": "100"})
    log = log_to(service)
    log_some(log, 1)
    wait_until(lambda: len(service.requests) == 1, "an attempt")
    service.behaviour = stand_in_service.take
    assert not log.flush(0.5)
    assert len(service.requests) == 1
    log.close(0.1)


def test_a_service_that_hangs_holds_up_nobody(service: StandIn) -> None:
    service.behaviour = hang
    log = log_to(service)
    made = log_some(log, 10)
    wait_until(lambda: len(service.requests) == 1, "a request that hangs")
    made += log_some(log, 10)
    # While one request hangs, events still reach the disk.
    wait_until(lambda: log.stats() == client.Stats(spooled=20), "everything on disk")
    service.behaviour = stand_in_service.take
    assert log.flush(30)
    assert service.order == made
    log.close()


@pytest.mark.parametrize("code", [400, 401, 403])
def test_what_is_refused_is_kept_aside_and_not_sent_for_ever(
    code: int, service: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service.behaviour = status(code)
    with log_to(service) as log:
        refused = log_some(log, 5)
        assert log.flush(30)
        log_some(log, 5)
        assert log.flush(30)
        assert log.stats() == client.Stats(rejected=10)
        service.behaviour = stand_in_service.take
        after = log_some(log, 2)
        assert log.flush(30)
    assert service.order == after
    warnings = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert str(code) in warnings[0]
    # What was kept aside is sent again once somebody names it so.
    kept = sorted(tmp_path.glob("state/canonry/spool/*/*.refused"))
    kept[0].rename(kept[0].with_suffix(".spool"))
    with log_to(service) as log:
        log_some(log, 1)
        wait_until(lambda: set(refused[:1]) <= set(service.order), "what was refused")


def test_a_batch_that_is_too_large_is_halved(service: StandIn) -> None:
    def small_ones(handler: stand_in_service.Handler, events: list[dict[str, Any]]) -> None:
        too_large = len(events) > 3 or any(event["output_tokens"] == 7 for event in events)
        (status(413) if too_large else stand_in_service.take)(handler, events)

    service.behaviour = small_ones
    with log_to(service, interval_s=0.2) as log:
        made = log_some(log, 20)
        assert log.flush(30)
        assert log.stats() == client.Stats(sent=19, rejected=1)
    assert service.order == [each for each in made if each != made[7]]


def test_items_that_are_rejected_are_counted_and_said_once_without_content(
    service: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    def reject_one(handler: stand_in_service.Handler, events: list[dict[str, Any]]) -> None:
        reason = "started_at: 'my secret diary' is not an ISO 8601 time"
        results = [{"status": "rejected", "reason": reason}, *({"status": "accepted"} for _ in events[1:])]
        handler.answer(200, {"results": results, "accepted": len(events) - 1, "duplicate": 0, "rejected": 1})

    service.behaviour = reject_one
    with log_to(service) as log:
        for _ in range(3):
            log_some(log, 4)
            assert log.flush(30)
        stats = log.stats()
        assert stats.sent + stats.rejected == 12
        assert stats.rejected == len(service.requests)
    [warning] = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert "started_at" in warning
    assert "diary" not in caplog.text


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


def test_what_json_has_no_form_for_is_logged_all_the_same(service: StandIn) -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    class Worse:
        def __str__(self) -> str:
            raise RuntimeError("no")

    loop: list[Any] = []
    loop.append(loop)
    with log_to(service) as log:
        made = [
            log.log_inference(attributes={1: Odd(), "set": {1}, "bytes": b"x", "path": Path("/x")}),
            log.log_inference(request_model="half \ud800 pair"),
            log.log_inference(input_tokens=1 << 80),
            log.log_inference(parameters=loop),
        ]
        log.log_inference(parameters=Worse())
        assert log.flush(30)
        assert log.stats() == client.Stats(sent=4, dropped=1)
    assert service.order == made
    assert service.events[made[0]]["attributes"] == {"1": "odd", "set": [1], "bytes": "b'x'", "path": "/x"}


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


def test_no_connection_is_made_before_something_is_logged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    log = EventLog("http://127.0.0.1:1", KEY)
    assert log.flush(1)
    assert log.close()
    assert not (tmp_path / "state").exists()


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


def landed_line(zones: Zones, kind: str) -> str:
    """The one batch of a kind that lies on a day."""
    [segment] = [each for each in list_segments(zones.landing, kind) if each.day]
    with zones.landing.local_copy(segment.path) as path:
        [batch] = read_committed(path).batches
        return path.read_bytes()[batch.start : batch.end].decode()


def test_straight_into_landing(zones: Zones) -> None:
    with EventLog(home=zones.home, source="docs-assistant", fields={"team": "docs"}) as log:
        made = log.log_inference(product="docs-site", colour="blue")
        log.log_inference(product="docs-site", started_at="yesterday")
        log.give_feedback(made, signal="thumb", value=1)
        assert log.flush(30)
        assert log.stats() == client.Stats(sent=2, rejected=1)
    line, thumb = (landed_line(zones, kind) for kind in ("inferences", "feedback"))
    assert made in line and made in thumb and '"team":"docs"' in thumb
    # A field nobody knows is an attribute: the rule of landing.
    assert '"attributes":{"colour":"blue"}' in line
    assert '"source":"docs-assistant"' in line


def test_straight_into_landing_text_is_redacted_as_the_source_says(
    zones: Zones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "assets" / "sources"
    sources.mkdir(parents=True)
    monkeypatch.setenv("CANONRY_ASSETS", str(tmp_path / "assets"))
    governed = sources / "docs-assistant.yaml"
    governed.write_text("description: [")
    with EventLog(home=zones.home, source="docs-assistant", interval_s=0.02) as log:
        log.log_inference(product="docs-site", input_messages=[{"role": "user", "content": "I am jane@example.com"}])
        assert not log.flush(0.5)
        # What cannot be redacted is not written.
        assert list(zones.landing.list()) == []
        governed.write_text("description: The assistant.\nowner: docs\ntype: push\nredaction: {content: mask}\n")
        assert log.flush(30)
        assert log.stats() == client.Stats(sent=1)
    [entry] = zones.landing.list("inferences")
    assert b"I am" in zones.landing.read(entry.path)
    assert b"jane" not in zones.landing.read(entry.path)


def test_straight_into_landing_nothing_is_written_before_the_source_is_governed(
    zones: Zones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CANONRY_ASSETS", raising=False)
    monkeypatch.chdir(tmp_path)
    with EventLog(home=zones.home, source="docs-assistant", interval_s=0.02) as log:
        log.log_inference(product="docs-site", input_messages=[{"role": "user", "content": "I am jane@example.com"}])
        assert not log.flush(0.3)
        assert log.stats() == client.Stats(spooled=1)
        assert list(zones.landing.list()) == []
        assert "set CANONRY_ASSETS" in caplog.text
        assert str(tmp_path / "assets" / "sources" / "docs-assistant.yaml") in caplog.text
        monkeypatch.setenv("CANONRY_ASSETS", str(ROOT / "assets"))
        assert log.flush(30)
        assert log.stats() == client.Stats(sent=1)


def test_straight_into_landing_the_base_install_says_what_it_needs(
    zones: Zones, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [each for each in sys.modules if each == "yaml" or each.startswith("canonry.catalog")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("canonry.catalog", raising=False)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with EventLog(home=zones.home, source="docs-assistant", interval_s=0.02) as log:
        log_some(log, 1)
        assert not log.flush(0.3)
        assert log.stats() == client.Stats(spooled=1)
    assert "needs yaml; run: pip install 'canonry[service]'" in caplog.text


def test_a_landing_zone_that_is_away_is_waited_for(zones: Zones) -> None:
    landing = Path(zones.home, "landing")
    landing.rmdir() if landing.is_dir() else None
    landing.write_text("in the way")
    with EventLog(home=zones.home, source="docs-assistant", interval_s=0.02) as log:
        log_some(log, 3)
        assert not log.flush(0.3)
        landing.unlink()
        assert log.flush(30)
        assert log.stats() == client.Stats(sent=3)


def test_the_environment_says_where_to_send(service: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_log, "_logs", {})
    monkeypatch.setenv("CANONRY_URL", f"{service.url}/")
    monkeypatch.setenv("CANONRY_API_KEY", KEY)
    made = client.log_inference(product="docs-site")
    given = client.give_feedback(trace_id="t", signal="copied", origin="implicit")
    assert client.last_inference_id() == made
    assert asyncio.run(client.aflush(30))
    assert client.flush(1)
    assert set(service.seen) == {made, given}
    assert client.stats() == client.Stats(sent=2)
    _log.default_log().close()


def test_without_settings_events_are_counted_and_one_warning_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_log, "_logs", {})
    for name in ("CANONRY_URL", "CANONRY_API_KEY", "CANONRY_HOME", "CANONRY_SOURCE"):
        monkeypatch.delenv(name, raising=False)
    for _ in range(3):
        assert len(client.log_inference(product="docs-site")) == 26
    client.give_feedback("x", signal="thumb")
    assert client.stats() == client.Stats(dropped=4)
    assert client.flush()
    assert caplog.text.count("CANONRY_URL") == 1


@pytest.mark.parametrize("url", ["canonry.example.com", "ftp://x", "http://"])
def test_a_wrong_address_is_said_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="CANONRY_URL"):
        EventLog(url, KEY)


def test_a_key_that_cannot_be_sent_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="CANONRY_API_KEY") as raised:
        EventLog("https://x", "cnr_abc_sécret")
    assert "cret" not in str(raised.value)


def test_two_keys_never_share_a_spool(service: StandIn, tmp_path: Path) -> None:
    service.behaviour = status(503)
    for key in ("cnr_one_secret", "cnr_two_secret"):
        with EventLog(service.url, key) as log:
            log_some(log, 1)
    assert len({file.parent for file in spool_files(tmp_path)}) == 2
    assert not any("secret" in str(path) for path in tmp_path.rglob("*"))


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

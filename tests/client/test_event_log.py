"""What a product logs arrives, however the service behaves, and the product never notices."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from canonry import client
from canonry.client import EventLog
from tests.client import stand_in_service
from tests.client.logging_to import KEY, log_some, log_to, spool_files, wait_until
from tests.client.stand_in_service import StandIn, cut_off, hang, status

pytestmark = pytest.mark.usefixtures("quick")


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

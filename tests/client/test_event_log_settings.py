"""Where a log sends to and with which key: from the environment, and said at once where it cannot."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from canonry import client
from canonry.client import EventLog, _log
from tests.client.logging_to import KEY, log_some, spool_files
from tests.client.stand_in_service import StandIn, status

pytestmark = pytest.mark.usefixtures("quick")


def test_no_connection_is_made_before_something_is_logged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    log = EventLog("http://127.0.0.1:1", KEY)
    assert log.flush(1)
    assert log.close()
    assert not (tmp_path / "state").exists()


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

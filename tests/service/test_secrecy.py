"""What is never said: keys and content in logs, faults in answers; and revocation without a restart."""

from __future__ import annotations

import datetime as dt
import json
import logging
import subprocess
import time

import pytest

from canonry.service import keys, telemetry
from canonry.service.access import Gate
from tests.service.serving import FULL, FailingFiles, bearer, build, call, client_of, make_key, on, serving

SECRET_TEXT = "my mother's maiden name"


@pytest.fixture
def logged(monkeypatch, tmp_path):
    """Lines of the service's log; the file replaces standard error."""
    path, made = tmp_path / "log.jsonl", telemetry.structlog_logger
    with open(path, "wb") as file:
        monkeypatch.setattr(telemetry, "structlog_logger", lambda _=None: made(file))
        yield lambda: [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_revoked_key_is_refused_by_a_running_service_and_a_new_one_taken(stored, monkeypatch):
    monkeypatch.setattr(keys, "CACHE_SECONDS", 0.3)
    token = make_key(stored)
    with client_of(build(stored)) as client:
        assert client.post("/v1/inferences", json=[], headers=bearer(token)).status_code == 200
        keys.revoke(stored.journal, token.split("_")[1], reason="lost", now=dt.datetime.now(dt.UTC))
        deadline = time.monotonic() + 20
        while client.post("/v1/inferences", json=[], headers=bearer(token)).status_code == 200:
            assert time.monotonic() < deadline, "the revoked key is still taken"
            time.sleep(0.05)
        refused = client.post("/v1/inferences", json=call(1), headers=bearer(token))
        assert (refused.status_code, "revoked" in refused.json()["detail"]) == (401, True)
        other = make_key(stored)
        deadline = time.monotonic() + 20
        while client.post("/v1/inferences", json=[], headers=bearer(other)).status_code == 401:
            assert time.monotonic() < deadline, "the new key is never taken"
            time.sleep(0.05)


def test_each_request_is_a_line_that_names_key_and_team_and_counts_but_no_content(stored, logged):
    token = make_key(stored)
    with client_of(build(stored), token) as client:
        event = call(1, input_messages=[{"role": "user", "content": SECRET_TEXT}])
        client.post("/v1/inferences?q=" + token, json=[event, {"started_at": SECRET_TEXT}])
        client.post("/v1/inferences", content=f'["{SECRET_TEXT}'.encode(), headers={"content-type": "application/json"})
        client.get(f"/v1/{token}")
        client.post("/v1/inferences", json=[], headers=bearer(token[:-1]))
        client.post("/v1/traces", content=SECRET_TEXT.encode(), headers={"content-type": "application/x-protobuf"})
    lines = [line for line in logged() if line["event"] == "request"]
    first = lines[0]
    assert {name: first[name] for name in ("key_id", "team", "method", "path", "status", "accepted", "rejected")} == {
        "key_id": token.split("_")[1],
        "team": "docs",
        "method": "POST",
        "path": "/v1/inferences",
        "status": 200,
        "accepted": 1,
        "rejected": 1,
    }
    assert [line["status"] for line in lines] == [200, 400, 404, 401, 400]
    assert len({line["request_id"] for line in lines}) == 5
    assert lines[3]["key_id"] is None
    everything = json.dumps(logged())
    assert SECRET_TEXT not in everything
    assert token[:-1] not in everything
    assert token[-43:-1] not in everything


def test_a_key_that_is_sent_as_the_id_of_a_request_is_not_taken_for_one(zones, logged):
    token = make_key(zones)
    with client_of(build(zones)) as client:
        for sent in (token, f"id-{token}"):
            answer = client.post("/v1/inferences", json=[], headers={"x-request-id": sent, **bearer(token)})
            assert answer.status_code == 200
            assert "cnr_" not in answer.headers["x-request-id"]
    assert token not in json.dumps(logged())
    assert len({line["request_id"] for line in logged()}) == 2


def test_faults_are_logged_by_kind_and_place_and_answered_without_either(zones, logged, monkeypatch):
    async def fail(*_: object) -> None:
        raise ValueError(SECRET_TEXT)

    monkeypatch.setattr(Gate, "admit", fail)
    with client_of(build(zones), make_key(zones)) as client:
        answer = client.post("/v1/inferences", json=call(1))
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert SECRET_TEXT not in answer.text
    fault, request = logged()
    assert (fault["event"], fault["error"]) == ("fault", "ValueError")
    assert any("test_secrecy" in place for place in fault["places"])
    assert fault["request_id"] == request["request_id"] == answer.headers["x-request-id"]
    assert SECRET_TEXT not in json.dumps(logged())


def test_a_disk_that_refuses_is_logged_without_its_path(zones, logged):
    disk = FailingFiles()
    with client_of(build(on(zones, disk)), make_key(zones)) as client:
        disk.error = FULL
        client.post("/v1/inferences", json=call(1))
    (failure,) = [line for line in logged() if line["event"] == "commit failed"]
    assert (failure["error"], failure["errno"]) == ("OSError", FULL)
    assert "message" not in failure


def test_what_libraries_log_becomes_a_line_without_what_was_sent():
    formatter = telemetry.JsonLines()
    try:
        raise ValueError(SECRET_TEXT)
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
        record = logging.LogRecord("uvicorn.error", logging.ERROR, "x.py", 1, "Exception in %s", ("app",), info)
    line = json.loads(formatter.format(record))
    assert (line["error"], line["level"], line["logger"]) == ("ValueError", "error", "uvicorn.error")
    assert SECRET_TEXT not in json.dumps(line)
    plain = logging.LogRecord("uvicorn.error", logging.INFO, "x.py", 1, "Started %d", (7,), None)
    assert json.loads(formatter.format(plain))["event"] == "Started 7"


def test_curl_sends_an_event_and_shows_what_became_of_it(zones):
    token = make_key(zones)
    with serving(build(zones)) as url:
        command = ["curl", "--silent", "--fail-with-body", "--compressed", f"{url}/v1/inferences"]
        command += ["--header", f"Authorization: Bearer {token}", "--json", json.dumps(call(1))]
        done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout)["accepted"] == 1

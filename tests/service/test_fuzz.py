"""Requests that no honest client sends: answered, logged without what they held, and kept inside the landing folder.

FUZZ_SECONDS is how long (20), half of it with the zones on the object store. FUZZ_SEED tries other requests, or the
same again:

    FUZZ_SECONDS=600 .venv/bin/python -m pytest -s tests/service/test_fuzz.py
"""

from __future__ import annotations

import datetime as dt
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings

from canonry.landing import list_foreign
from canonry.service import app, telemetry
from canonry.service.keys import SCOPES
from canonry.service.settings import Settings
from canonry.storage import Zones
from tests.collect.making import collect_all, rows
from tests.released import release_all
from tests.service.fuzz_seeds import MARKER, reads, searches, seeds
from tests.service.fuzzing import request, send
from tests.service.serving import bearer, landed, make_key, serving

SECONDS = float(os.environ.get("FUZZ_SECONDS", "20"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
EXAMPLES = max(10, int(SECONDS))
CANARY = "canary-4d1c9b"
FAULTS_ALLOWED = (503, 507)
KINDS = ("inferences", "steps", "feedback")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The file that the service logs to."""
    path, made = tmp_path / "log.jsonl", telemetry.structlog_logger
    with open(path, "wb", buffering=0) as file:
        monkeypatch.setattr(telemetry, "structlog_logger", lambda _=None: made(file))
        yield path


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """Sources that keep, mask and drop."""
    folder = tmp_path / "assets" / "sources"
    folder.mkdir(parents=True)
    for content in ("keep", "mask", "drop"):
        source = {"description": "A source that is fuzzed.", "owner": "nobody", "type": "push"}
        text = yaml.safe_dump({**source, "redaction": {"content": content}})
        (folder / f"{content}.yaml").write_text(text)
    return folder.parent


def test_no_request_breaks_the_service_leaves_its_folder_or_is_told_in_the_log(
    stored: Zones, assets, log, tmp_path, capsys
):
    zones = stored
    canaries = [tmp_path / "canary.txt", tmp_path.parent / "canary.txt", tmp_path / "canary"]
    for canary in canaries:
        canary.write_text(CANARY)
    for zone in (zones.journal, zones.lake, zones.exchange):
        zone.put("canary.txt", CANARY.encode())
    tokens = [make_key(zones, *SCOPES, source=name) for name in ("keep", "mask", "drop")]
    release_all(zones)
    built = app.build(Settings(assets=assets, requests_per_second=0), zones)
    chance, good, found = random.Random(SEED), seeds(), searches()
    readable = reads(zones)
    statuses: Counter[int] = Counter()
    with serving(built) as url:
        port = int(url.rpartition(":")[2])
        taken = 0
        for path, kind, body in (*good, *found, *(("", path, b"") for path in readable)):
            answer = send(port, plain(path, kind, body, tokens[0]))
            assert answer.status == 200, answer
            lines = [line for each in KINDS for line in landed(zones.landing, each)]
            assert all("reason" not in line for line in lines), (path, kind, body, lines[-1])
            assert len(lines) > taken or (path, kind, body) not in good, (path, kind, body)
            taken = len(lines)
        before = tree(zones, tmp_path)
        ends = time.monotonic() + SECONDS / 2
        while time.monotonic() < ends:
            sent = request(chance, [*good, *found], readable, chance.choice(tokens))
            answer = send(port, sent)
            statuses[answer.status] += 1
            assert answer.status < 500 or answer.status in FAULTS_ALLOWED, (SEED, sent, answer, tail(log))
            assert CANARY.encode() not in answer.raw, (SEED, sent, answer)
            assert b"Traceback" not in answer.raw and b"root:x:0" not in answer.raw, (SEED, sent, answer)
        health = send(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert health.status == 200
    assert list(list_foreign(zones.landing)) == []
    assert tree(zones, tmp_path) == before
    assert all(canary.read_text() == CANARY for canary in canaries)
    reasons = [line["reason"] for each in KINDS for line in landed(zones.landing, each) if "reason" in line]
    assert not [reason for reason in reasons if "cannot be read" in reason], "a fault of ours was taken for an odd item"
    said = log.read_bytes()
    assert said.count(b"\n") > 50
    assert MARKER.encode() not in said
    assert not any(token.split("_", 2)[2].encode() in said for token in tokens)
    collect_all(zones, today=dt.datetime.now(dt.UTC).date() + dt.timedelta(days=3))
    assert rows(zones, "rejected")
    assert {"keep"} <= {row["source"] for row in rows(zones, "inferences")} <= {"keep", "mask", "drop"}
    with capsys.disabled():
        print(f"\n{statuses.total():,} requests: {dict(sorted(statuses.items()))}")


def test_what_the_openapi_document_promises_is_what_is_answered(zones: Zones, assets):
    token = make_key(zones, *SCOPES, source="mask")
    built = app.build(Settings(assets=assets, requests_per_second=0), zones)
    with serving(built) as url:
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        assert {"/v1/inferences", "/v1/feedback", "/v1/traces"} <= {each.path for each in operations}
        for operation in operations:

            @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            @given(operation.as_strategy())
            def check(case: Any) -> None:
                answer = case.call(headers=bearer(token))
                assert answer.status_code < 500 or answer.status_code in FAULTS_ALLOWED, case.as_curl_command()
                checks = schemathesis.checks.CHECKS
                case.validate_response(answer, checks=[checks.get_one(name) for name in CONFORMING])

            check()


CONFORMING = ("not_a_server_error", "content_type_conformance", "response_schema_conformance")


def plain(path: str, kind: str, body: bytes, token: str) -> bytes:
    """A request as an honest client sends it: to read where no path to write to is given."""
    head = f"POST {path} HTTP/1.1\r\nContent-Type: {kind}\r\n" if path else f"GET {kind} HTTP/1.1\r\n"
    head += f"Host: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def tree(zones: Zones, folder: Path) -> dict[str, int]:
    """Size of everything but landing: of every file below, what the tests themselves write apart, and every object."""
    files = {
        str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "log.jsonl"
    }
    found = {path: size for path, size in files.items() if not path.startswith(f"{folder}/landing/")}
    for zone in (zones.journal, zones.lake, zones.exchange, zones.published):
        found |= {f"{zone.url}/{entry.path}": entry.size for entry in zone.list()}
    return found


def tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:]

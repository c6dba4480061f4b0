"""The routes that take events: what is taken, what is refused, and how each is said."""

from __future__ import annotations

import gzip
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from canonry.service import native
from canonry.service.openapi_in import describe
from tests.service.serving import (
    FULL,
    FailingFiles,
    HeldFiles,
    accepted,
    bearer,
    build,
    call,
    client_of,
    landed,
    make_key,
    on,
    serving,
    thumb,
)

NDJSON = {"content-type": "application/x-ndjson"}
JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.fixture
def door(zones):
    """A client of the service, with a key of team docs that may write events."""
    with client_of(build(zones), make_key(zones)) as client:
        yield client


def test_an_object_an_array_and_lines_are_taken_and_answered_one_by_one(stored):
    with client_of(build(stored), make_key(stored)) as client:
        one = client.post("/v1/inferences", json=call(1))
        assert (one.status_code, one.headers["content-type"]) == (200, "application/json")
        assert one.json() == {
            "results": [{"status": "accepted", "id": "call-00001", "reason": None}],
            "accepted": 1,
            "duplicate": 0,
            "rejected": 0,
        }
        repeated = call(2)
        many = client.post("/v1/inferences", json=[repeated, repeated, call(3, input_tokens=-1), 5]).json()
        assert [each["status"] for each in many["results"]] == ["accepted", "duplicate", "rejected", "rejected"]
        assert many["results"][2]["reason"] == "input_tokens: is below 0"
        assert many["results"][3]["reason"] == "event: expected an object, found int"
        assert (many["accepted"], many["duplicate"], many["rejected"]) == (1, 1, 2)
        lines = b"\n".join([json.dumps(thumb(1)).encode(), b"", b"{torn", json.dumps(thumb(2)).encode()]) + b"\n"
        thumbs = client.post("/v1/feedback", content=lines, headers=NDJSON).json()
        assert [each["status"] for each in thumbs["results"]] == ["accepted", "rejected", "accepted"]
    assert accepted(stored.landing) == ["call-00001", "call-00002"]
    assert accepted(stored.landing, "feedback") == ["thumb-00001", "thumb-00002"]
    assert sum("reason" in line for line in landed(stored.landing)) == 2


def test_nothing_sent_is_nothing_taken(door):
    for body in (b"[]", b""):
        headers = JSON if body else NDJSON
        answer = door.post("/v1/inferences", content=body, headers=headers)
        assert answer.json() == {"results": [], "accepted": 0, "duplicate": 0, "rejected": 0}


@pytest.mark.parametrize(
    ("body", "row", "message"),
    [
        (b'[\n{"a": 1},\n{"b" 2}]', 3, "is not JSON at column"),
        (b"", 1, "is not JSON"),
        (b"5", 1, "expected an object or an array of objects, found int"),
        (b'"\xff"', 1, "is not JSON"),
        (b"[" * 100_000, 1, "is not JSON"),
    ],
)
def test_what_is_not_json_is_said_with_its_row_and_field(door, body, row, message):
    answer = door.post("/v1/inferences", content=body, headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert (error["row"], error["field"]) == (row, "body")
    assert message in error["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({}, 415),
        ({**JSON, "content-encoding": "br"}, 415),
        ({**JSON, "content-encoding": "gzip, gzip"}, 415),
        ({**JSON, "content-encoding": "identity"}, 200),
        ({"content-type": "Application/JSON; charset=utf-8"}, 200),
    ],
)
def test_a_type_or_encoding_that_is_not_spoken_is_refused_with_what_is(door, headers, status):
    answer = door.post("/v1/inferences", content=json.dumps(call(1)).encode(), headers=headers)
    assert answer.status_code == status
    if status == 415:
        assert "send" in answer.json()["detail"]
        assert "accept" in answer.headers or "accept-encoding" in answer.headers


def test_gzip_is_unpacked_in_one_piece_or_in_members(door, zones):
    first, second = (gzip.compress(json.dumps(call(number)).encode() + b"\n") for number in (1, 2))
    headers = {**NDJSON, "content-encoding": "gzip"}
    assert door.post("/v1/inferences", content=first + second, headers=headers).json()["accepted"] == 2
    assert accepted(zones.landing) == ["call-00001", "call-00002"]
    for broken in (first[:-9], b"not gzip", b"\x1f\x8b"):
        answer = door.post("/v1/inferences", content=broken, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "body")
    assert accepted(zones.landing) == ["call-00001", "call-00002"]


def test_more_events_than_one_request_may_hold_are_refused(door, zones):
    for content, headers in ((b"[" + b"{}," * 10_000 + b"{}]", JSON), (b"{}\n" * 10_001, NDJSON)):
        answer = door.post("/v1/inferences", content=content, headers=headers)
        assert (answer.status_code, "10,001 events" in answer.json()["detail"]) == (413, True)
    assert landed(zones.landing) == []


@pytest.mark.parametrize(("headers", "around"), [(JSON, b"[%b]"), (NDJSON, b"%b")])
def test_while_a_large_body_is_parsed_others_are_answered(door, monkeypatch, headers, around):
    parse, begun, going = native.parse_batch, threading.Event(), threading.Event()

    def parse_held(*given):
        begun.set()
        assert going.wait(20), "nobody else was answered"
        return parse(*given)

    monkeypatch.setattr(native, "parse_batch", parse_held)
    body = around % json.dumps(call(1, feature="x" * 40_000)).encode()
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(door.post, "/v1/inferences", content=body, headers=headers)
        assert begun.wait(20)
        assert door.get("/healthz", timeout=10).status_code == 200
        going.set()
        assert sent.result().json()["accepted"] == 1


def test_an_event_that_cannot_be_written_costs_itself_alone(door, zones):
    deep = b'{"inference_id":"deep","started_at":"2026-11-01T00:00:00Z","product":"x","y":' + b"[" * 600 + b"]" * 600
    body = b"[" + deep + b"}," + json.dumps(call(1)).encode() + b"]"
    answer = door.post("/v1/inferences", content=body, headers=JSON).json()
    assert [each["status"] for each in answer["results"]] == ["rejected", "accepted"]
    assert "nested too deeply" in answer["results"][0]["reason"]


@pytest.mark.parametrize("path", ["/v1/inferences", "/v1/feedback", "/v1/traces", "/v1/logs", "/v1/litellm"])
def test_every_door_asks_for_a_key_with_the_scope(zones, path):
    reader = make_key(zones, "read:indexes", "read:tables")
    admin = make_key(zones, "admin")
    with client_of(build(zones)) as client:
        none = client.post(path, json=[])
        assert none.status_code == 401
        assert none.headers["www-authenticate"].startswith("Bearer")
        for wrong in ("Bearer", "Bearer x", f"Basic {reader}", f"Bearer {reader}x"):
            assert client.post(path, json=[], headers={"Authorization": wrong}).status_code == 401
        assert client.post(path, json=[], headers=bearer(reader)).status_code == 403
        assert client.post(path, content=b"{}", headers={**bearer(admin), **JSON}).status_code in (200, 400)
        assert client.get(path, headers=bearer(admin)).status_code == 405


def test_without_keys_whoever_asks_on_this_machine_is_served_but_a_wrong_key_is_not(zones):
    with client_of(build(zones, insecure_local=True)) as client:
        assert client.post("/v1/inferences", json=call(1, team="any")).json()["accepted"] == 1
        assert client.post("/v1/inferences", json=call(2), headers=bearer("cnr_wrong")).status_code == 401


def test_a_source_that_is_not_governed_stores_nothing_and_says_so(zones):
    token = make_key(zones, source="unheard-of")
    with client_of(build(zones), token) as client:
        answer = client.post("/v1/inferences", json=call(1))
        assert answer.status_code == 503
        assert "assets/sources/unheard-of.yaml" in answer.json()["detail"]
    assert landed(zones.landing) == []


def test_a_full_disk_is_507_to_writers_and_503_to_opentelemetry_and_nothing_to_readers(zones):
    disk = FailingFiles()
    with client_of(build(on(zones, disk)), make_key(zones)) as client:
        disk.error = FULL
        refused = client.post("/v1/inferences", json=call(1))
        assert (refused.status_code, refused.headers["retry-after"]) == (507, "1")
        assert refused.json()["title"] == "Insufficient Storage"
        traces = client.post("/v1/traces", content=b"{}", headers=JSON)
        assert (traces.status_code, traces.headers["retry-after"]) == (503, "1")
        assert client.get("/healthz").status_code == 200
        unready = client.get("/readyz")
        assert (unready.status_code, "full" in unready.json()["checks"]["landing"]) == (503, True)
        disk.error = 0
        while client.post("/v1/inferences", json=call(1)).status_code == 507:
            time.sleep(0.1)
        assert client.get("/readyz").status_code == 200
    assert accepted(zones.landing) == ["call-00001"]


def test_more_than_may_wait_is_429_before_the_body_is_read(zones):
    disk = HeldFiles()
    token = make_key(zones)
    application = build(on(zones, disk), max_queue_bytes=100_000)
    with serving(application) as url:
        disk.going.clear()
        answers: list[int] = []

        def send(number: int) -> None:
            body = [call(number, feature="x" * 60_000)]
            answers.append(httpx.post(f"{url}/v1/inferences", json=body, headers=bearer(token), timeout=60).status_code)

        first = threading.Thread(target=send, args=(1,))
        first.start()
        while application.state.intake.budget.held < 60_000:
            time.sleep(0.01)
        send(2)
        assert answers == [429]
        disk.going.set()
        first.join()
        assert answers == [429, 200]
        assert application.state.intake.budget.held == 0
        send(2)
        assert answers[-1] == 200
    assert accepted(zones.landing) == ["call-00001", "call-00002"]


def test_a_key_that_asks_too_often_waits_and_others_do_not(zones):
    hasty, calm = make_key(zones), make_key(zones)
    with client_of(build(zones, requests_per_second=0.1, burst=3)) as client:
        statuses = [client.post("/v1/inferences", json=[], headers=bearer(hasty)) for _ in range(5)]
        assert [answer.status_code for answer in statuses] == [200, 200, 200, 429, 429]
        assert 1 <= int(statuses[-1].headers["retry-after"]) <= 11
        assert client.post("/v1/inferences", json=[], headers=bearer(calm)).status_code == 200


SPAN = {
    "traceId": "5b8efff798038103d269b633813fc60c",
    "spanId": "eee19b7ec3c1b174",
    "name": "chat gpt",
    "kind": 3,
    "attributes": [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.provider.name", "value": {"stringValue": "openai"}},
        {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-x"}},
    ],
}


def traces(*changed: dict) -> dict:
    now = time.time_ns()
    timed = {"startTimeUnixNano": str(now - 10**9), "endTimeUnixNano": str(now)}
    spans = [{**SPAN, **timed, **each} for each in changed]
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return {"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": spans}]}]}


def test_traces_are_answered_in_their_own_type_with_what_was_rejected(door, zones):
    taken = door.post("/v1/traces", json=traces({}))
    assert (taken.status_code, taken.headers["content-type"], taken.json()) == (200, "application/json", {})
    old = {"spanId": "eee19b7ec3c1b175", "startTimeUnixNano": "1000000000", "endTimeUnixNano": "2000000000"}
    partly = door.post("/v1/traces", json=traces({"spanId": "eee19b7ec3c1b176"}, old)).json()["partialSuccess"]
    assert partly["rejectedSpans"] == "1"
    assert "started_at" in partly["errorMessage"]
    assert accepted(zones.landing) == ["eee19b7ec3c1b174", "eee19b7ec3c1b176"]
    assert {line["team"] for line in landed(zones.landing) if "reason" not in line} == {"docs"}
    empty = door.post("/v1/traces", content=b"", headers=PROTOBUF)
    assert (empty.status_code, empty.headers["content-type"]) == (200, "application/x-protobuf")
    assert ExportTraceServiceResponse.FromString(empty.content) == ExportTraceServiceResponse()


def test_traces_that_cannot_be_read_are_refused_as_the_protocol_says(door):
    broken = door.post("/v1/traces", content=b"\xff\xff", headers=PROTOBUF)
    assert (broken.status_code, broken.headers["content-type"]) == (400, "application/x-protobuf")
    assert Status.FromString(broken.content).code == 3
    assert "ExportTraceServiceRequest" in Status.FromString(broken.content).message
    assert door.post("/v1/traces", content=b"[]", headers=JSON).json()["code"] == 3
    assert door.post("/v1/traces", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    alien = door.post("/v1/traces", content=b"", headers={**PROTOBUF, "Authorization": "Bearer no"})
    assert (alien.status_code, Status.FromString(alien.content).code) == (401, 16)


def test_what_litellm_posts_is_taken(door, zones):
    broken = door.post("/v1/litellm", content=b"{torn", headers=JSON)
    assert broken.status_code == 400
    listed = door.post("/v1/litellm", json=[{"id": "no payload"}])
    assert (listed.status_code, listed.json()["rejected"]) == (200, 1)
    assert [line["reason"] != "" for line in landed(zones.landing)] == [True]


def test_answers_carry_headers_of_safety_and_nothing_of_the_server(door):
    for answer in (door.get("/healthz"), door.get("/nowhere"), door.post("/v1/inferences", json=[])):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
    assert door.get("/healthz", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert door.get("/healthz", headers={"x-request-id": "a b"}).headers["x-request-id"] != "a b"
    assert door.get("/nowhere").json()["status"] == 404
    assert door.get("/docs").status_code == 404


def test_figures_count_events_requests_and_commits(door):
    event = call(1)
    door.post("/v1/inferences", json=[event, event, {}])
    figures = door.get("/metrics").text
    for outcome in ("accepted", "duplicate", "rejected"):
        line = f'canonry_events_total{{kind="inferences",outcome="{outcome}",source="docs-assistant"}} 1.0'
        assert line in figures
    assert 'canonry_request_seconds_count{method="POST",route="/v1/inferences",status="200"} 1.0' in figures
    assert "canonry_commits_total 1.0" in figures
    assert "canonry_commit_seconds_count 1.0" in figures
    assert "canonry_queue_bytes 0.0" in figures


def test_the_openapi_document_names_every_door(door):
    document = door.get("/openapi.json").json()
    for path in ("/v1/inferences", "/v1/feedback", "/v1/traces", "/v1/logs", "/v1/litellm"):
        assert "requestBody" in document["paths"][path]["post"]
    fields = document["components"]["schemas"]["Feedback"]["properties"]
    assert fields["value"] == {
        "type": "number",
        "description": fields["value"]["description"],
        "minimum": -1,
        "maximum": 1,
    }
    assert describe({})["paths"].keys() < document["paths"].keys()

"""Limits on a real server: too long, packed too tightly, or too slow is refused while it comes; raw sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

from canonry.service.limits import Budget, RateLimit
from canonry.service.problems import Problem
from canonry.service.small_body import SmallBodyRoute
from canonry.service.workers import Workers
from canonry.storage import open_zones
from tests.service.serving import accepted, bearer, build, call, client_of, make_key, serving

LIMIT = 200_000
JSON = {"content-type": "application/json"}


@pytest.fixture
def service(zones) -> Iterator[tuple[str, str, FastAPI]]:
    """URL, key and application of a service that takes bodies of 200 kB, unpacked 400 kB."""
    token = make_key(zones)
    application = build(zones, max_body_bytes=LIMIT, max_decompressed_bytes=2 * LIMIT)
    with serving(application) as url:
        yield url, token, application


def talk(url: str, head: str, *pieces: bytes) -> bytes:
    """What the server says to raw bytes, which it may say before all of them are sent."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n")
        for piece in pieces:
            connection.sendall(piece)
        return connection.recv(65536)


def test_a_body_that_says_it_is_too_long_is_refused_before_any_of_it_comes(service):
    url, token, application = service
    head = f"POST /v1/inferences HTTP/1.1\nHost: x\nAuthorization: Bearer {token}\nContent-Type: application/json\n"
    answer = talk(url, f"{head}Content-Length: 999999999999\n")
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"longer than 200,000 bytes" in answer
    assert application.state.intake.budget.held == 0


def test_a_body_that_does_not_say_how_long_it_is_is_refused_once_it_is_too_long(service):
    url, token, application = service
    head = f"POST /v1/inferences HTTP/1.1\nHost: x\nAuthorization: Bearer {token}\nContent-Type: application/json\n"
    piece = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    # The last piece of a chunked body is never sent: the answer comes all the same.
    answer = talk(url, f"{head}Transfer-Encoding: chunked\n", *([piece] * 8))
    assert answer.startswith(b"HTTP/1.1 413")
    assert application.state.intake.budget.held == 0


def bodies() -> list[str]:
    """Every route that takes a body."""
    routes = (route for route in build(open_zones("unused")).routes if isinstance(route, Route))
    return [route.path.replace("{name}", "docs") for route in routes if "POST" in (route.methods or ())]


def test_every_route_that_takes_no_events_reads_a_small_body_only_and_after_it_has_asked_for_a_key(service):
    """FastAPI reads a parameter that is a body before anything else: no route has one."""
    ours = [route for route in service[2].routes if isinstance(route, APIRoute)]
    assert {type(route) for route in ours} == {SmallBodyRoute}
    assert [route.path for route in ours if route.body_field] == []


@pytest.mark.parametrize("path", bodies())
def test_a_key_is_asked_for_before_a_body_is_read(service, zones, path):
    url, _, _ = service
    head = f"POST {path} HTTP/1.1\nHost: x\nContent-Type: application/json\n"
    wrong = make_key(zones, "read:prompts")
    for length in ("Content-Length: 100000\n", "Content-Length: 999999999999\n", "Transfer-Encoding: chunked\n"):
        assert talk(url, head + length).startswith(b"HTTP/1.1 401")
        assert talk(url, f"{head}Authorization: Bearer {wrong}\n{length}").startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize("path", bodies())
def test_a_body_that_never_comes_or_never_ends_is_given_up(service, zones, path, monkeypatch):
    from canonry.service import body

    monkeypatch.setattr(body, "SECONDS", 0.2)
    url, _, application = service
    head = f"POST {path} HTTP/1.1\nHost: x\nAuthorization: Bearer {make_key(zones, 'admin')}\n"
    head += "Content-Type: application/json\n"
    assert talk(url, f"{head}Content-Length: 1000\n").startswith(b"HTTP/1.1 408")
    assert talk(url, f"{head}Content-Length: 1000\n", b"[").startswith(b"HTTP/1.1 408")
    assert talk(url, f"{head}Transfer-Encoding: chunked\n", b"1\r\n[\r\n").startswith(b"HTTP/1.1 408")
    assert application.state.intake.budget.held == 0


def test_a_search_that_is_too_long_is_refused_before_all_of_it_comes(service, zones):
    url, _, _ = service
    head = f"POST /v1/indexes/docs/search HTTP/1.1\nHost: x\nAuthorization: Bearer {make_key(zones, 'read:indexes')}\n"
    piece = b"20000\r\n" + b" " * 0x20000 + b"\r\n"
    for length, pieces in (("Content-Length: 1048577\n", []), ("Transfer-Encoding: chunked\n", [piece] * 9)):
        answer = talk(url, head + length, *pieces)
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"longer than 1,048,576 bytes" in answer


@pytest.mark.parametrize("layers", [1, 2])
def test_a_bomb_is_refused_and_nothing_of_it_stays(service, layers):
    url, token, application = service
    bomb = b" " * 50_000_000
    for _ in range(layers):
        bomb = zlib.compress(bomb, 9, wbits=31)
    headers = {**bearer(token), **JSON, "content-encoding": "gzip"}
    answer = httpx.post(f"{url}/v1/inferences", content=bomb, headers=headers)
    assert len(bomb) < LIMIT
    # Packed twice, what comes out of the first layer is small and no JSON: nobody unpacks it again.
    assert answer.status_code == (413 if layers == 1 else 400)
    assert application.state.intake.budget.held == 0
    assert httpx.post(f"{url}/v1/inferences", json=call(1), headers=bearer(token)).status_code == 200


def test_a_body_of_many_empty_gzip_members_is_refused(service):
    url, token, _ = service
    headers = {**bearer(token), **JSON, "content-encoding": "gzip"}
    answer = httpx.post(f"{url}/v1/inferences", content=gzip.compress(b"") * 5_000, headers=headers)
    assert answer.status_code == 413
    assert "members" in answer.json()["detail"]


def test_whoever_goes_away_in_the_middle_leaves_nothing_behind(service, zones):
    url, token, application = service
    parts = urlsplit(url)
    head = f"POST /v1/inferences HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode() + b"[" + b" " * 50_000)
        while not application.state.intake.budget.held:
            time.sleep(0.01)
    while application.state.intake.budget.held:
        time.sleep(0.01)
    assert accepted(zones.landing) == []


def test_a_body_of_several_pieces_is_put_together(stored):
    events = [call(number, feature="x" * 1000) for number in range(500)]
    body = json.dumps(events).encode()

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    with client_of(build(stored), make_key(stored)) as client:
        answer = client.post("/v1/inferences", content=pieces(), headers=JSON)
        assert answer.json()["accepted"] == 500
        packed = {**JSON, "content-encoding": "gzip"}
        assert client.post("/v1/inferences", content=gzip.compress(body), headers=packed).json()["duplicate"] == 500
    assert len(accepted(stored.landing)) == 500


def test_a_bucket_fills_again_and_no_key_is_kept_for_ever():
    now = [0.0]
    limit = RateLimit(10, 2, clock=lambda: now[0])
    assert [limit.take("a") for _ in range(3)] == [0, 0, pytest.approx(0.1)]
    now[0] = 0.1
    assert [limit.take("a"), limit.take("a")] == [0, pytest.approx(0.1)]
    now[0] = 100
    assert [limit.take("a") for _ in range(3)] == [0, 0, pytest.approx(0.1)]
    for number in range(20_000):
        limit.take(str(number))
    assert len(limit._buckets) <= 10_000
    assert RateLimit(0, 1).take("a") == 0


def test_bytes_are_held_up_to_the_limit_and_one_alone_always_fits():
    budget = Budget(10)
    assert budget.take(25)
    assert not budget.take(1)
    budget.give_back(25)
    assert budget.take(6)
    assert not budget.take(5)
    assert budget.take(4)
    assert budget.held == 10


def test_more_than_may_wait_are_told_to_come_back() -> None:
    asyncio.run(more_than_may_wait())


async def more_than_may_wait() -> None:
    workers, going = Workers(1, 1), threading.Event()
    held = [asyncio.create_task(workers.run(going.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Problem) as caught:
        await workers.run(going.wait)
    assert caught.value.status == 429 and "Retry-After" in caught.value.headers
    going.set()
    assert await asyncio.gather(*held) == [True, True]
    assert await workers.run(int, "5") == 5

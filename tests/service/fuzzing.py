"""Requests that no honest client sends: bodies, headers and paths made from good ones by chance."""

from __future__ import annotations

import gzip
import json
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from tests.service.fuzz_seeds import JSON, LINES, MARKER, PROTOBUF

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW", "")
NAMES = (
    "docs", "..", "../..", "%2e%2e", "..%2f..%2f..%2fcanary", "%2e%2e%2fcanary", "..\\..\\canary", "..%5ccanary", "",
    "/etc/passwd", "%2fetc%2fpasswd", "//etc/passwd", "%00", "a%00b", "~root", "a" * 5_000, "é", "%ff%fe", "%", "%zz",
    ".", "...", "$(id)", "'; DROP TABLE x; --", "%0d%0aSet-Cookie:x", "con", "*", "?", "#", "a/b/../../../../canary",
    "file:///etc/passwd", "s3://bucket/x", "{name}", "${HOME}", "canary.txt", "../canary.txt", "../../canary.txt",
    "..%2f..%2fjournal%2fapi_keys", "%2e%2e/%2e%2e/journal",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**63, -(2**63), 1e308, 5e-324, "", " ", "\0", "é" * 100, "\u202e", "../../canary",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "1970-01-01", "2026-02-30T00:00:00Z", [], {}, [[]], {"": {}},
    {"$ref": "#"}, "'; DROP TABLE x; --", "a" * 10_000, "\ud7ff", "NaN", "Infinity", "=1+1", "{{7*7}}", "%s%n",
    "ada@example.com", "+49 30 1234567", "1" * 400, {"inference_id": {"inference_id": 1}}, [1, [2, [3, [4]]]],
)  # fmt: skip
HEADERS = (
    ("Content-Type", ("", JSON, LINES, PROTOBUF, "text/plain", "application/json; charset=utf-16", ";", "x" * 9_000)),
    ("Content-Encoding", ("gzip", "GZIP", "identity", "br", "deflate", "gzip, gzip", "", "zstd", "x")),
    ("Content-Length", ("0", "-1", "1", "99999999999999999999", "abc", "0x10", "1, 2", "")),
    ("Transfer-Encoding", ("chunked", "gzip", "identity", "chunked, chunked", "x")),
    ("Authorization", ("", "Bearer", "Bearer ", "Basic eDp5", "Bearer cnr__", "bearer x", "Bearer " + "a" * 9_000)),
    ("Expect", ("100-continue", "x")),
    ("Range", ("bytes=0-", "bytes=-1", "bytes=9-1", "bytes=0-0,2-3", "x=1", "bytes=99999999999999999999-")),
    ("If-None-Match", ("*", '"x"', "W/", "")),
    ("Accept", ("", "*/*", "application/vnd.apache.arrow.stream", "x", ",,,")),
    ("Host", ("", "evil.example", "a:b:c", "[::1", "x" * 5_000)),
    ("X-Request-Id", ("../../canary", "a b", "\x7f", "x" * 500, "\xff")),
    ("X-Forwarded-For", ("1.2.3.4", "x")),
    ("Connection", ("keep-alive", "upgrade", "x")),
    ("Upgrade", ("websocket", "h2c")),
    ("Cookie", ("a=b", "=")),
    ("traceparent", ("00-0-0-0", "x")),
    ("X-" + "y" * 300, ("z",)),
)


_PATIENCE = 0.5


@dataclass(frozen=True)
class Answer:
    """What came back: a status, or 0 where the connection was closed without one, and all bytes."""

    status: int
    raw: bytes


def request(chance: random.Random, good: list[tuple[str, str, bytes]], readable: list[str], token: str) -> bytes:
    """One request as bytes. Most of it is good, or nothing would come further than the first check."""
    path, kind, body = chance.choice(good)
    method = "POST"
    body = mutated(chance, body)
    if chance.random() < 0.35:
        path = mutated_path(chance, chance.choice(readable))
        method = chance.choice(METHODS) if chance.random() < 0.3 else chance.choice(("GET", "GET", "POST"))
    if chance.random() < 0.2:
        path += f"{'&' if '?' in path else '?'}q={MARKER}&k={chance.choice(NAMES)}&version={chance.choice(NAMES)}"
    headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {token}", "Content-Type": kind, "X-Note": MARKER}
    if chance.random() < 0.15:
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"
        body = mutated(chance, body) if chance.random() < 0.5 else body
    headers["Content-Length"] = str(len(body))
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        name, values = chance.choice(HEADERS)
        headers[name] = chance.choice(values)
    if chance.random() < 0.05:
        headers.pop(chance.choice(list(headers)))
    head = f"{method} {path or '/'} HTTP/1.{chance.choice('1111109')}\r\n".encode("latin-1", "replace")
    head += b"".join(f"{name}: {value}\r\n".encode("latin-1", "replace") for name, value in headers.items())
    if chance.random() < 0.03:
        head = mutated_bytes(chance, head)
    return head + b"Connection: close\r\n\r\n" + body


def mutated(chance: random.Random, body: bytes) -> bytes:
    """A body with something wrong: in its bytes, or in what its JSON says."""
    kind = chance.random()
    if kind < 0.1:
        return body
    if kind < 0.3:
        return mutated_bytes(chance, body)
    lines = body.split(b"\n")
    number = chance.randrange(len(lines))
    try:
        document = orjson.loads(lines[number])
    except orjson.JSONDecodeError:
        return mutated_bytes(chance, body)
    named = list(_named(document))
    for _ in range(chance.choice((1, 1, 2, 5))):
        if named and chance.random() < 0.7:
            _mutate_attribute(chance, chance.choice(named), [each["key"] for each in named])
        else:
            document = mutated_json(chance, document)
    lines[number] = json.dumps(document).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def mutated_path(chance: random.Random, path: str) -> str:
    """A path, at times with a piece of it, or of its query, replaced."""
    if chance.random() < 0.4:
        return path
    path, mark, query = path.partition("?")
    if query and chance.random() < 0.5:
        pieces = query.split("&")
        at = chance.randrange(len(pieces))
        pieces[at] = f"{pieces[at].partition('=')[0]}={chance.choice(NAMES)}"
        return f"{path}?{'&'.join(pieces)}"
    names = path.split("/")
    names[chance.randrange(1, len(names))] = chance.choice(NAMES)
    return "/".join(names) + mark + query


def mutated_bytes(chance: random.Random, data: bytes) -> bytes:
    """Bytes flipped, cut off, doubled, or replaced."""
    kind, at = chance.randrange(6), chance.randrange(len(data) + 1)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + chance.randbytes(chance.choice((1, 4, 100))) + data[at:]
    if kind == 2:
        return data[at:] + data[:at]
    if kind == 3:
        return b"".join((data[:at], b"[" * chance.choice((10, 300, 20_000)), data[at:]))
    if kind == 4:
        return chance.choice((b"", b"\0", b"null", b"[]", b"{}", b'"x"', b"[null]", b"[1]", b"\xef\xbb\xbf{}", b"\n\n"))
    flipped = bytearray(data)
    for _ in range(min(len(flipped), chance.choice((1, 3, 20)))):
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _named(document: Any) -> Iterator[dict[str, Any]]:
    """OpenTelemetry's attributes, wherever they lie."""
    if isinstance(document, dict):
        if isinstance(document.get("key"), str):
            yield document
        children: Any = document.values()
    else:
        children = document if isinstance(document, list) else ()
    for child in children:
        yield from _named(child)


def _mutate_attribute(chance: random.Random, attribute: dict[str, Any], names: list[str]) -> None:
    """Another name or value for an attribute, as an exporter may send it."""
    name = attribute["key"]
    if chance.random() < 0.5:
        others = (name.replace("0", "²"), name.replace("0", "9" * 9), f"{name}.0", f"{name}.²", name.rpartition(".")[0])
        attribute["key"] = chance.choice((*others, chance.choice(names), chance.choice(NAMES), name + ".x" * 500))
        return
    text = {"stringValue": chance.choice([each for each in VALUES if isinstance(each, str)])}
    number, real = (
        {"intValue": str(2**63 - 1)},
        {"doubleValue": chance.choice((-0.0, 5e-324, "NaN", "-Infinity", 1e308))},
    )
    pair = {"key": chance.choice(names), "value": chance.choice((text, number, real))}
    listed = {"arrayValue": {"values": [text, number, {}, {"kvlistValue": {"values": [pair]}}]}}
    packed = {"stringValue": json.dumps(chance.choice(VALUES))}
    attribute["value"] = chance.choice(
        (
            text,
            number,
            real,
            listed,
            packed,
            {"boolValue": True},
            {"bytesValue": "aa"},
            {"kvlistValue": {"values": [pair]}},
            {},
        )
    )


def mutated_json(chance: random.Random, document: Any) -> Any:
    """The document with one value, name or place of it changed."""
    if isinstance(document, dict) and document and chance.random() < 0.85:
        name = chance.choice(list(document))
        kind = chance.random()
        if kind < 0.1:
            return {each: value for each, value in document.items() if each != name}
        if kind < 0.2:
            return {
                **document,
                chance.choice((*NAMES, "digest", "source", "team", "received_at")): chance.choice(VALUES),
            }
        return {**document, name: mutated_json(chance, document[name])}
    if isinstance(document, list) and document and chance.random() < 0.85:
        at = chance.randrange(len(document))
        return [*document[:at], mutated_json(chance, document[at]), *document[at + 1 :]]
    return chance.choice(VALUES)


def send(port: int, data: bytes) -> Answer:
    """Send bytes as they are, and read until the service closes, or waits for more that it was promised."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as connection, suppress(OSError):
        connection.sendall(data)
        while piece := connection.recv(1 << 16):
            received += piece
    received = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    status = received[9:12] if received.startswith(b"HTTP/1.1 ") else b"0"
    return Answer(int(status), received)

"""The same calls give the same rows of the lake through the running service's door, whoever tells of them.

Told by OpenTelemetry's and OpenInference's instrumentations with the SDK's own exporter (protobuf, packed by gzip), by
the same spans in OTLP's JSON, by our client (a wrapped openai client, and `log_inference`), and by curl.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import openai
import pytest

from canonry.client import EventLog, wrap_openai
from canonry.storage import Zones, open_zones
from tests import openai_stand_in
from tests.service import making_calls
from tests.service.serving import bearer, build, make_key, serving
from tests.service.test_real_exporters import (
    CALLS,
    COMPARED,
    UNSAID_OF_STREAMS,
    WITHOUT,
    as_otlp_json,
    collected,
    exported,
    native,
)

Tell = Callable[[str, str], None]
"""Makes the calls, or knows them, and tells the service at a URL of them, with a key."""


def exporter(convention: str) -> Tell:
    """A program whose calls a real instrumentation watches, and a real exporter sends here."""

    def tell(url: str, token: str) -> None:
        with openai_stand_in.serving() as model:
            command = [sys.executable, making_calls.__file__, convention, model, url]
            subprocess.run(command, check=True, timeout=120, env={**os.environ, "CANONRY_API_KEY": token})

    return tell


def otlp_json(url: str, token: str) -> None:
    """The spans of such a program in JSON, packed: SDKs of other languages send them so."""
    (request,) = [each for each in exported("openinference") if each.path == "/v1/traces"]
    headers = {**bearer(token), "content-type": "application/json", "content-encoding": "gzip"}
    body = gzip.compress(as_otlp_json(request.body))
    answer = httpx.post(f"{url}/v1/traces", content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {})


def wrapped(url: str, token: str) -> None:
    """Our client around the product's own."""
    known = {"product": making_calls.PRODUCT, "environment": making_calls.ENVIRONMENT}
    with openai_stand_in.serving() as model, EventLog(url, token) as log:
        plain = openai.OpenAI(base_url=model, api_key="none", max_retries=0)
        # Who serves the model is told from the host, which is no provider's here.
        asked = wrap_openai(plain, log=log, provider="openai", **known)
        asked.chat.completions.create(**making_calls.CHAT)
        streaming = {**making_calls.STREAMED, "stream": True, "stream_options": {"include_usage": True}}
        for _ in asked.chat.completions.create(**streaming):
            pass
        asked.embeddings.create(**making_calls.EMBEDDED)
        with suppress(openai.RateLimitError):
            asked.chat.completions.create(**making_calls.LIMITED)
        assert log.flush(30) and log.stats().sent == len(CALLS)


def logged(url: str, token: str) -> None:
    """Our client, told by a product that knows all about its calls."""
    with EventLog(url, token) as log:
        for event in native():
            log.log_inference(**event)
        assert log.flush(30) and log.stats().sent == len(CALLS)


def curl(content_type: str) -> Tell:
    """The command line: one JSON array, or an event a line."""

    def tell(url: str, token: str) -> None:
        events = native()
        sent = json.dumps(events) if content_type == "application/json" else "\n".join(map(json.dumps, events))
        headers = ["-H", f"Authorization: Bearer {token}", "-H", f"Content-Type: {content_type}"]
        command = ["curl", "-sS", "--fail-with-body", f"{url}/v1/inferences", *headers, "--data-binary", "@-"]
        answer = subprocess.run(command, input=sent.encode(), capture_output=True, check=True, timeout=60)
        assert json.loads(answer.stdout)["accepted"] == len(events)

    return tell


TELLERS: dict[str, Tell] = {
    **{convention: exporter(convention) for convention in WITHOUT},
    "openinference in JSON": otlp_json,
    "wrap_openai": wrapped,
    "log_inference": logged,
    "curl, JSON": curl("application/json"),
    "curl, a line an event": curl("application/x-ndjson"),
}


def told(zones: Zones, tell: Tell) -> list[dict[str, Any]]:
    """Rows of the lake, in the order of their calls, after one has told the service of them."""
    with serving(build(zones)) as url:
        tell(url, make_key(zones))
    return collected(zones, len(CALLS))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows of who knows all of it."""
    return told(open_zones(tmp_path_factory.mktemp("expected")), logged)


def unsaid(teller: str, name: str) -> set[str]:
    """Fields that a teller cannot know of a call."""
    convention = teller.partition(" ")[0]
    fields = set(WITHOUT.get(convention, ()))
    if name == "streamed":
        fields |= UNSAID_OF_STREAMS.get(convention, set())
    if name != "chat" and convention == "openinference":
        # How an answer is sent, which it takes for a parameter, too.
        fields |= {"parameters"}
    if name == "embedded":
        # Texts that were embedded are no messages: the native format has no place for them, a span has.
        fields |= {"input_messages"}
    return fields


@pytest.mark.parametrize("teller", TELLERS)
def test_whoever_tells_the_service_of_calls_the_rows_are_the_same(teller, expected, stored: Zones):
    found = told(stored, TELLERS[teller])
    for name, row, wanted in zip(CALLS, found, expected, strict=True):
        fields = [field for field in COMPARED if field not in unsaid(teller, name)]
        assert {field: row[field] for field in fields} == {field: wanted[field] for field in fields}, name
        assert (row["source"], row["team"]) == ("docs-assistant", "docs")

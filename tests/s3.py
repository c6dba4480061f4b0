"""An S3 emulator on this machine, shared by the tests of one process."""

from __future__ import annotations

import os
import urllib.request
import uuid
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """URL of the running emulator."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty bucket of the test's own; the environment says where and as whom, as in production."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {"ACCESS_KEY_ID": "emulator", "SECRET_ACCESS_KEY": "emulator", "REGION": "us-east-1"}
    for name, value in {**settings, "ENDPOINT_URL": s3_endpoint}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    name = f"zones-{uuid.uuid4().hex[:12]}"
    with urllib.request.urlopen(urllib.request.Request(f"{s3_endpoint}/{name}", method="PUT")) as answer:
        assert answer.status == 200
    return f"s3://{name}"

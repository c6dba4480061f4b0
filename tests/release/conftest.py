"""Storages a release must hold on: a local folder, an S3 emulator, and stand-ins that fail at a chosen call."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canonry.storage import LocalStorage, ObjectStorage, Storage


class Failing:
    """A stand-in that raises at its n-th write (from 0), before or after the write was done."""

    def __init__(self, inner: Storage, at: int, error: BaseException, *, after: bool = False) -> None:
        self._inner, self._at, self._error, self._after = inner, at, error, after
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if name not in ("put", "put_file", "copy", "put_if_absent", "put_if_match", "append", "delete"):
            return call

        def write(*arguments: Any) -> Any:
            number, self.writes = self.writes, self.writes + 1
            if number == self._at and not self._after:
                raise self._error
            result = call(*arguments)
            if number == self._at:
                raise self._error
            return result

        return write


@pytest.fixture
def failing() -> type[Failing]:
    return Failing


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real HTTP server that speaks S3 (moto), on this machine."""
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty bucket."""
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"canonry-{uuid.uuid4().hex[:12]}"
    boto3.client("s3", endpoint_url=s3_endpoint, region_name="us-east-1").create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture(params=["local", "s3"])
def published(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return LocalStorage(tmp_path / "published")
    return ObjectStorage(f"{request.getfixturevalue('bucket')}/published")

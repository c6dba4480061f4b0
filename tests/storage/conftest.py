"""The three implementations of the storage seam that every contract test runs on."""

from __future__ import annotations

import pytest

from canonry.storage import LocalStorage, ObjectStorage, Storage
from tests.forgetful import ForgetfulFiles
from tests.s3 import bucket, s3_endpoint

__all__ = ["bucket", "s3_endpoint", "storage"]


@pytest.fixture(params=["local", "object", "forgetful"])
def storage(request: pytest.FixtureRequest, tmp_path, bucket) -> Storage:
    """Empty storage: a folder, a prefix on an S3 emulator, a folder on a stand-in for a disk that forgets."""
    if request.param == "object":
        return ObjectStorage(f"{bucket}/zone")
    root = tmp_path / "zone"
    return LocalStorage(root, ForgetfulFiles(root)) if request.param == "forgetful" else LocalStorage(root)

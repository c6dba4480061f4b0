"""A lease has one holder at a time: others wait, take over from the dead alone, and who is taken for dead must stop."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from canonry.storage import LeaseError, LocalStorage, Storage, leased, open_storage
from tests.s3 import bucket, s3_endpoint

__all__ = ["bucket", "s3_endpoint"]


@pytest.fixture(params=["folder", "object store"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A folder, and the S3 emulator."""
    return open_storage(str(tmp_path) if request.param == "folder" else request.getfixturevalue("bucket"))


def test_of_many_at_once_one_works_at_a_time(storage: Storage) -> None:
    inside: list[str] = []
    done: list[str] = []

    def work(name: str) -> None:
        with leased(storage, "writers/a", name, patience=60, seconds=1.2):
            inside.append(name)
            assert inside == [name], "two work at once"
            time.sleep(0.05)
            inside.remove(name)
            done.append(name)

    workers = [threading.Thread(target=work, args=(f"worker {number}",)) for number in range(5)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(60)
    assert sorted(done) == [f"worker {number}" for number in range(5)]


def test_who_lives_keeps_it_and_others_are_told_whose_it_is(storage: Storage) -> None:
    told: list[str] = []
    with leased(storage, "writers/a", "the first", patience=0, seconds=0.6) as first:
        with (
            pytest.raises(LeaseError, match="the first works on it; run again later"),
            leased(storage, "writers/a", "the second", patience=1.5, seconds=0.6, waiting=told.append),
        ):
            raise AssertionError("two hold it")
        first.check()
    assert told == ["the first"]
    with leased(storage, "writers/a", "the third", patience=0, seconds=0.6):
        pass


class Cut(LocalStorage):
    """A stand-in for a store that its holder cannot reach any more."""

    cut = False

    def put_if_match(self, path: str, data: bytes, etag: str | None) -> None:
        if self.cut:
            raise OSError("unreachable")
        super().put_if_match(path, data, etag)


def test_who_cannot_renew_is_taken_for_dead_and_knows_it_first(tmp_path: Path) -> None:
    storage = Cut(tmp_path)
    with leased(storage, "writers/a", "the first", patience=0, seconds=0.6) as first:
        first.check()
        storage.cut = True
        with leased(LocalStorage(tmp_path), "writers/a", "the second", patience=30, seconds=0.6) as second:
            with pytest.raises(LeaseError, match="the first held it"):
                first.check()
            second.check()
            storage.cut = False
            with pytest.raises(LeaseError):
                first.check()
            second.check()
        with leased(LocalStorage(tmp_path), "writers/a", "the third", patience=30, seconds=0.6) as third:
            third.check()

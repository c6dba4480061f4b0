"""The service on stand-ins for a disk: power that goes, a disk that is full, a folder that is read-only for a while."""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from canonry.service import telemetry
from canonry.storage import Zones
from tests.forgetful import ForgetfulFiles, FullDisk
from tests.service.serving import FULL, READ_ONLY, FailingFiles, build, make_key, on, serving
from tests.system.collector import Load, check_lake

CUTS = 12


class PoweredFiles(ForgetfulFiles):
    """A forgetful disk on which nothing works from the moment the power goes until it is back."""

    power = True

    def cut(self, torn: int) -> None:
        """What was not synced is lost; of bytes appended since, so many stay."""
        with self._lock:
            self.power = False
            self.crash(torn)

    def _needed(self) -> None:
        if not self.power:
            raise OSError(errno.EIO, "no power")

    def write(self, path: Path, data: bytes) -> None:
        with self._lock:
            self._needed()
            super().write(path, data)

    def append(self, path: Path, data: bytes) -> None:
        with self._lock:
            self._needed()
            super().append(path, data)

    def sync(self, path: Path) -> None:
        with self._lock:
            self._needed()
            super().sync(path)

    def sync_folder(self, path: Path) -> None:
        with self._lock:
            self._needed()
            super().sync_folder(path)

    def link(self, source: Path, target: Path) -> None:
        with self._lock:
            self._needed()
            super().link(source, target)

    def remove(self, path: Path) -> None:
        with self._lock:
            self._needed()
            super().remove(path)

    def make_folder(self, path: Path) -> None:
        with self._lock:
            self._needed()
            super().make_folder(path)


@contextmanager
def loaded(zones: Zones, given: Load | None = None) -> Iterator[tuple[httpx.Client, Load]]:
    """The service over these zones under a load, which goes on with what an earlier one noted."""
    application = build(zones, requests_per_second=0)
    token = make_key(zones)
    with serving(application) as url, httpx.Client(base_url=url) as client:
        load = Load(url, token, senders=3)
        if given:
            load = replace(given, url=url, token=token, first=given.first + 100_000)
        with load:
            yield client, load


@pytest.mark.parametrize("seed", range(2))
def test_power_that_goes_at_random_moments_takes_nothing_that_was_acknowledged(zones: Zones, seed):
    chance = random.Random(seed)
    root = Path(zones.landing.url)
    root.mkdir(parents=True)
    disk = PoweredFiles(root)
    load = None
    for _ in range(CUTS):
        disk.power = True
        with loaded(on(zones, disk), load) as (_, load):
            load.wait_for(1)
            time.sleep(chance.random() * 0.2)
            disk.cut(torn=chance.choice([0, 1, 60, 5_000]))
            load.wait_for_answer(503)
        load.answers.clear()
    disk.power = True
    with loaded(on(zones, disk), load) as (_, load):
        load.wait_for(50)
    assert not load.wrong
    assert check_lake(zones, load) >= load.total > CUTS


def test_a_disk_that_keeps_half_of_what_did_not_fit_is_told_and_doubles_nothing(zones: Zones):
    disk = FullDisk(20_000)
    chance = random.Random(1)
    with loaded(on(zones, disk)) as (client, load):
        for _ in range(4):
            load.wait_for_answer(507)
            assert client.get("/healthz").status_code == 200
            assert client.get("/metrics").status_code == 200
            assert client.get("/readyz").json()["checks"]["landing"].startswith("the disk is full")
            load.answers.pop(507)
            disk.room = chance.randint(1, 30_000)
        disk.room = 1 << 30
        load.wait_for(100)
    assert not load.wrong and set(load.answers) <= {200, 507}
    assert check_lake(zones, load) >= load.total


@pytest.mark.parametrize(("error", "status"), [(FULL, 507), (READ_ONLY, 503)])
def test_a_disk_that_takes_nothing_for_a_while_takes_it_all_afterwards(zones: Zones, error, status):
    disk = FailingFiles()
    with loaded(on(zones, disk)) as (client, load):
        for _ in range(3):
            load.wait_for(20)
            disk.error = error
            load.answers.pop(status, None)
            load.wait_for_answer(status)
            assert client.get("/healthz").status_code == 200
            disk.error = 0
        load.wait_for(20)
    assert not load.wrong and set(load.answers) <= {200, status}
    assert check_lake(zones, load) >= load.total


def test_a_log_that_cannot_be_written_fails_nobody():
    with open("/dev/full", "wb", buffering=0) as full:
        telemetry.structlog_logger(full).info("request", status=200)
        with pytest.raises(OSError, match="No space left"):
            full.write(b"x")

"""The service killed under load at random moments, power cut under it, disks that fill up or turn read-only.

    .venv/bin/python -m pytest -s tests/system/test_collector_killed.py
    COLLECTOR_KILLS=200 .venv/bin/python -m pytest -s tests/system/test_collector_killed.py -k disk

What it acknowledged stays. COLLECTOR_KILLS is how often the service is killed on the disk, and how often the power is
cut under it (10), a third of it on the object store's emulator; COLLECTOR_DISK the folder whose disk it is tried on
(pytest's own). A SIGKILL alone leaves the kernel's cache as it is; tests/power.py has the disks that lose it.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from canonry import lake
from canonry.storage import Zones, open_zones
from tests.power import ForgetfulDisk, ext4
from tests.s3 import bucket, s3_endpoint
from tests.system.collector import Collector, Load, check_lake, collect_once, collecting, describe_disk, loading

__all__ = ["bucket", "s3_endpoint"]

KILLS = int(os.environ.get("COLLECTOR_KILLS", "10"))
_DYING_EARLY = 0.15
_LONGEST_LIFE = 0.6


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder on the disk that is tried, which is that of temporary files unless COLLECTOR_DISK names another."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("COLLECTOR_DISK")) as folder:
        yield Path(folder)


def test_killed_at_random_moments_on_a_disk_it_loses_nothing_that_it_acknowledged(disk, tmp_path, capsys):
    zones = open_zones(disk / "home")
    lake.ensure_anchors(zones.lake)
    load = kill_again_and_again(zones, tmp_path / "log", KILLS)
    with capsys.disabled():
        print(f"\n{describe_disk(disk)}\n{told(load, zones, KILLS)}")


def test_killed_at_random_moments_on_an_object_store_it_loses_nothing_that_it_acknowledged(bucket, tmp_path, capsys):
    zones = open_zones(f"{bucket}/home")
    lake.ensure_anchors(zones.lake)
    kills = max(1, KILLS // 3)
    # Each commit is an object, and the emulator takes milliseconds for each.
    load = kill_again_and_again(zones, tmp_path / "log", kills, pause=0.05)
    with capsys.disabled():
        print(f"\nobject store's emulator; {told(load, zones, kills)}")


def test_power_cut_at_random_moments_on_a_disk_that_forgets_takes_nothing_that_was_acknowledged(tmp_path, capsys):
    zones = open_zones(tmp_path / "home")
    lake.ensure_anchors(zones.lake)
    disk = ForgetfulDisk(tmp_path / "home", tmp_path / "beside")
    disk.settle()
    chance = random.Random(KILLS)

    def cut(collector: Collector) -> None:
        collector.kill()
        disk.cut(chance)

    where = f"Path({str(disk.root)!r}), Path({str(disk.beside)!r})"
    code = f"""
from pathlib import Path
from canonry.cli import app
from tests.power import ForgetfulDisk
with ForgetfulDisk({where}).remember():
    app()
"""
    with disk.remember():
        load = kill_again_and_again(zones, tmp_path / "log", KILLS, cut, code=code)
        # The batches whose pages were missing, which nobody was told were there.
        found = told(load, zones, KILLS, rejected={"torn end", "damaged batch"})
    with capsys.disabled():
        print(f"\na disk that forgets what was not synced; {found}")


def test_power_cut_at_random_moments_on_a_real_ext4_takes_nothing_that_was_acknowledged(tmp_path, capsys):
    with ext4(tmp_path / "disk") as disk:
        if disk is None:
            pytest.skip("needs to be root, and allowed to make a loop device and mount it")
        zones = open_zones(disk.folder / "home")
        lake.ensure_anchors(zones.lake)

        def cut(collector: Collector) -> None:
            # Nobody answers once the power is gone; and the kernel may call an fsync done that it met on its way down.
            collector.stand_still()
            disk.cut(collector.kill)

        load = kill_again_and_again(zones, tmp_path / "log", KILLS, cut)
        described, found = describe_disk(disk.folder), told(load, zones, KILLS)
    with capsys.disabled():
        print(f"\npower cut under {described}\n{found}")


def kill_again_and_again(
    zones: Zones,
    log: Path,
    kills: int,
    kill: Callable[[Collector], object] = Collector.kill,
    *,
    pause: float = 0.0,
    **given: Any,
) -> Load:
    """Load a collector, killed so often, collecting now and then; returns the load, all of whose batches were sent."""
    chance = random.Random(kills)
    with collecting(zones, log, **given) as collector, loading(collector, pause=pause) as load:
        for number in range(kills):
            if chance.random() < _DYING_EARLY:
                time.sleep(chance.random())
            else:
                collector.wait_until_up()
                load.wait_for(1)
                time.sleep(chance.random() * _LONGEST_LIFE)
            kill(collector)
            if number % 10 == 5:
                collect_once(zones)
            collector.start()
        collector.wait_until_up()
        load.wait_for(100)
    return load


def told(load: Load, zones: Zones, kills: int, **given: Any) -> str:
    """Check what came of it, and say it."""
    found = check_lake(zones, load, **given)
    assert not load.wrong and set(load.answers) == {200}, (load.answers, load.wrong[:3])
    assert load.broken >= kills // 2, "no request was cut off: the kills fell on an idle service"
    counts = f"{load.total:,} events acknowledged, {found:,} in the lake, none twice"
    return f"{kills} kills, {load.broken} requests cut off, {counts}"


def test_a_disk_that_fills_up_is_told_reading_goes_on_and_with_room_again_nothing_is_lost(tmp_path, capsys):
    with mounted(tmp_path / "small", "size=3m,nr_inodes=0") as small:
        zones = homed(small, tmp_path)
        with collecting(zones, tmp_path / "log") as collector, loading(collector) as load:
            load.wait_for_answer(507)
            assert collector.is_up()
            remount(small, "size=64m")
            load.wait_for(500)
        found = check_lake(zones, load)
    assert not load.wrong and set(load.answers) <= {200, 507}
    with capsys.disabled():
        print(f"\na full tmpfs: {load.answers}, {load.total:,} events acknowledged, {found:,} in the lake")


def test_a_landing_folder_that_is_read_only_for_a_while_is_told_and_nothing_is_lost(tmp_path, capsys):
    with mounted(tmp_path / "fickle", "size=64m") as fickle:
        zones = homed(fickle, tmp_path)
        with collecting(zones, tmp_path / "log") as collector, loading(collector) as load:
            for _ in range(3):
                load.wait_for(200)
                while not remount(fickle, "ro", check=False):
                    time.sleep(0.002)
                load.answers.pop(503, None)
                load.wait_for_answer(503)
                assert collector.is_up()
                remount(fickle, "rw")
            load.wait_for(200)
        found = check_lake(zones, load)
    assert not load.wrong and set(load.answers) <= {200, 503}
    with capsys.disabled():
        print(f"\na read-only folder: {load.answers}, {load.total:,} events acknowledged, {found:,} in the lake")


def test_where_no_file_may_grow_further_another_is_begun_and_a_log_cut_short_fails_no_request(zones, tmp_path):
    """The kernel cuts a write short in the middle, for anybody: RLIMIT_FSIZE."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    log = tmp_path / "log"
    log.write_bytes(b" " * 299_000)
    with collecting(zones, log, before=limit) as collector, loading(collector) as load:
        load.wait_for(3_000)
    assert check_lake(zones, load) >= 3_000
    assert not load.wrong and not load.broken and set(load.answers) <= {200, 503}
    assert len(list(zones.landing.list("inferences"))) >= 2
    assert log.stat().st_size == 300_000


def homed(landing: Path, home: Path) -> Zones:
    """Zones of which landing alone lies on the mounted folder."""
    (home / "home").mkdir()
    (home / "home" / "landing").symlink_to(landing)
    zones = open_zones(home / "home")
    lake.ensure_anchors(zones.lake)
    return zones


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory, which can be full and read-only for root, too. Where it may not be made, tests skip."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("needs to be root, and allowed to mount; tests/service/test_power_cut.py has stand-ins")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, options: str, *, check: bool = True) -> bool:
    """Change how it is mounted. A file system that is being written to refuses to become read-only: try again."""
    done = subprocess.run(["mount", "-o", f"remount,{options}", folder], capture_output=True)
    assert not (check and done.returncode), done.stderr
    return not done.returncode

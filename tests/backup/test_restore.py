"""Restoring: into an empty home alone, completed where it broke off, and damage named."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from canonry import backup, release
from canonry.backup import BackupError
from canonry.release import PRODUCTION
from canonry.storage import Storage, Zones, open_storage, open_zones
from tests.backup.conftest import NOW, contents
from tests.release.conftest import Failing

DERIVED = "lake/inferences/day=2026-11-02/part-0.parquet"


@pytest.fixture
def taken(home: Zones, tmp_path: Path) -> Storage:
    """A place that holds one backup of the home."""
    place = open_storage(str(tmp_path / "backups"))
    backup.take(home, place, now=NOW)
    return place


def kept(home: Zones) -> dict[str, bytes]:
    return {name: data for name, data in contents(home).items() if name != DERIVED}


@pytest.fixture(autouse=True)
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of zones on an object store lies in the working folder, where a demo may have left one."""
    monkeypatch.setenv("CANONRY_WAREHOUSE", str(tmp_path / "warehouse.duckdb"))


def test_an_empty_home_gets_the_same_bytes_releases_and_channels(home: Zones, place: Storage, tmp_path: Path) -> None:
    backup.take(home, place, now=NOW)
    other = open_zones(tmp_path / "other")
    done = backup.restore(other, place, backup.read_backup(place))
    assert contents(other) == kept(home)
    assert (done.written, done.present) == (len(kept(home)), 0)
    assert release.last_move(other.published, "tables", "costs") == release.last_move(home.published, "tables", "costs")
    assert release.list_releases(other.published) == release.list_releases(home.published)


def test_from_an_object_store_into_zones_on_an_object_store(home: Zones, bucket: str, tmp_path: Path) -> None:
    place = open_storage(f"{bucket}/backups")
    backup.take(home, place, now=NOW)
    other = open_zones(f"{bucket}/home")
    backup.restore(other, place, backup.read_backup(place))
    assert contents(other) == kept(home)
    back = open_storage(str(tmp_path / "back"))
    backup.take(other, back, now=NOW)
    assert backup.take(other, back, now=NOW.replace(minute=1)).read == 0
    assert backup.read_backup(back).objects.keys() == backup.read_backup(place).objects.keys()


@pytest.mark.parametrize("zone", ["landing", "journal", "lake", "published", "exchange"])
def test_restoring_that_broke_off_points_nowhere_and_is_completed(
    home: Zones, taken: Storage, tmp_path: Path, zone: str
) -> None:
    other = open_zones(tmp_path / "other")
    found = backup.read_backup(taken)
    breaking = replace(other, **{zone: Failing(getattr(other, zone), 1, OSError("the line is cut"))})
    with pytest.raises(OSError, match="the line is cut"):
        backup.restore(breaking, taken, found)
    present = contents(other)
    assert present.items() <= kept(home).items()
    if release.last_move(other.published, "tables", "costs"):
        release.resolve(other.published, "tables", "costs", PRODUCTION)
    done = backup.restore(other, taken, found)
    assert (done.present, done.written) == (len(present), len(found.objects) - len(present))
    assert contents(other) == kept(home)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda zones: zones.landing.put("inferences/stranger", b"not in the backup"),
        lambda zones: zones.lake.put(DERIVED, b"computed from landing"),
        lambda zones: zones.exchange.put("empty", b"x"),
        lambda zones: zones.journal.put("draws/groundedness/v1/2026-11-02.json", b"[]"),
        lambda zones: (Path(zones.home).mkdir(parents=True), zones.warehouse.write_bytes(b"")),
    ],
)
def test_a_home_that_holds_anything_else_is_refused_and_left_as_it_is(
    taken: Storage, tmp_path: Path, spoil: Callable[[Zones], None]
) -> None:
    other = open_zones(tmp_path / "other")
    spoil(other)
    before = contents(other)
    with pytest.raises(BackupError, match=r"empty home|another home"):
        backup.restore(other, taken, backup.read_backup(taken))
    assert contents(other) == before


@pytest.mark.parametrize("bytes_", [b"", b"x" * 10, None])
def test_a_damaged_object_is_named_by_verifying_and_restoring(
    home: Zones, taken: Storage, tmp_path: Path, bytes_: bytes | None
) -> None:
    name = "exchange/label-studio/groundedness/out/2026-11-02.json"
    found = backup.read_backup(taken)
    piece = f"pieces/{found.objects[name].file.sha256[:2]}/{found.objects[name].file.sha256}"
    taken.put(piece, bytes_) if bytes_ is not None else taken.delete(piece)
    (problem,) = backup.verify(taken, found)
    assert name in problem and piece in problem
    other = open_zones(tmp_path / "other")
    with pytest.raises(BackupError, match=name):
        backup.restore(other, taken, found)
    assert release.last_move(other.published, "tables", "costs") is None
    # As its message says: taken away, the next backup copies the object again.
    taken.delete(piece)
    backup.take(home, taken, now=NOW.replace(minute=1))
    assert backup.verify(taken, found) == []


def test_a_dry_run_writes_nothing(taken: Storage, tmp_path: Path) -> None:
    other = open_zones(tmp_path / "other")
    found = backup.read_backup(taken)
    assert backup.restore(other, taken, found, dry_run=True).written == len(found.objects)
    assert contents(other) == {}


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (b"not compressed", "is not a backup's manifest"),
        (gzip.compress(b"cut off" * 100, mtime=0)[:-20], "is not a backup's manifest"),
        (gzip.compress(b'{"taken_at": "2026', mtime=0), "is not a backup's manifest"),
        (gzip.compress(b'{"format_version": 2}', mtime=0), "upgrade canonry"),
        (gzip.compress(b'{"objects": {"../x": 1}}', mtime=0), "is not a backup's manifest"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_named(taken: Storage, manifest: bytes, told: str) -> None:
    taken.put("backups/20261124T130000.000000Z.json.gz", manifest)
    with pytest.raises(BackupError, match=rf"20261124T130000.000000Z.json.gz: .*{told}"):
        backup.read_backup(taken)
    assert backup.read_backup(taken, backup.list_backups(taken)[0]).taken_at == NOW


def test_a_manifest_cannot_write_outside_the_zones(taken: Storage, tmp_path: Path) -> None:
    found = backup.read_backup(taken)
    some = next(iter(found.objects.values()))
    for name in ("dagster/dagster.yaml", "landing/../../outside"):
        with pytest.raises(Exception, match=r"lies in no zone|is not a path inside"):
            backup.restore(open_zones(tmp_path / "other"), taken, replace(found, objects={name: some}))
    assert not (tmp_path / "outside").exists()


def test_a_place_without_a_backup_says_how_to_take_one(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="canonry backup"):
        backup.read_backup(open_storage(str(tmp_path)))

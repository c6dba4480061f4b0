"""What only a folder can show: what a power cut, a full disk and a second process leave."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from canonry.storage import LocalStorage, ObjectStorage, StorageError, open_storage, open_zones
from tests.forgetful import ForgetfulFiles, FullDisk


@pytest.fixture
def disk(tmp_path) -> ForgetfulFiles:
    return ForgetfulFiles(tmp_path / "zone")


@pytest.fixture
def store(tmp_path, disk) -> LocalStorage:
    return LocalStorage(tmp_path / "zone", disk)


def test_after_a_crash_everything_acknowledged_is_there(store, disk, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"file")
    store.put("put/deep/down/a", b"put")
    store.put("put/deep/down/b", b"old")
    store.put("put/deep/down/b", b"new")
    assert store.put_if_absent("absent/a", b"absent")
    store.put_if_match("match/a", b"1", None)
    store.put_if_match("match/a", b"2", store.head("match/a").etag)
    store.put_file("file/a", source)
    store.copy("file/a", "copied/a")
    store.append("log/a", b"one ")
    store.append("log/a", b"two")
    store.put("gone", b"1")
    store.delete("gone")
    before = {entry.path: store.read(entry.path) for entry in store.list()}
    disk.crash()
    after = LocalStorage(store.root, disk)
    assert {entry.path: after.read(entry.path) for entry in after.list()} == before
    assert before.keys() == {"put/deep/down/a", "put/deep/down/b", "absent/a", "match/a", "file/a", "copied/a", "log/a"}


def test_after_a_crash_a_zone_is_there_that_others_made_and_nobody_synced(tmp_path):
    disk = ForgetfulFiles(tmp_path)
    home = tmp_path / "home"
    for folder in (home, home / "canonry", home / "canonry" / "landing"):
        disk.make_folder(folder)
    disk.sync_folder(tmp_path)
    store = LocalStorage(home / "canonry" / "landing", disk)
    store.append("inferences/a", b"acknowledged")
    disk.crash()
    assert LocalStorage(store.root, disk).read("inferences/a") == b"acknowledged"


def test_the_stand_in_forgets_what_was_not_synced(store, disk):
    store.put("kept", b"1")
    disk.write(store.root / "unsynced name", b"1")
    disk.sync(store.root / "unsynced name")
    disk.write(store.root / "unsynced bytes", b"1")
    disk.make_folder(store.root / "folder")
    disk.crash()
    assert [entry.path for entry in store.list()] == ["kept"]
    disk.write(store.root / "unsynced bytes", b"1")
    disk.sync_folder(store.root)
    disk.crash()
    assert store.read("unsynced bytes") == b""


@pytest.mark.parametrize("torn", range(12))
def test_a_crash_leaves_at_most_a_torn_end_of_an_append(store, disk, torn):
    store.append("log", b"acknowledged ")
    disk.append(store.root / "log", b"interrupted")
    disk.crash(torn=torn)
    assert store.read("log") == b"acknowledged " + b"interrupted"[:torn]


def test_a_writer_that_finds_anothers_folder_makes_its_name_durable(disk, tmp_path):
    first, second = LocalStorage(tmp_path / "zone", disk), LocalStorage(tmp_path / "zone", disk)
    first.put("seed", b"")
    disk.make_folder(tmp_path / "zone" / "day")  # the first dies here, before it syncs
    second.append("day/log", b"acknowledged")
    disk.crash()
    assert second.read("day/log") == b"acknowledged"


def test_a_writer_that_comes_second_leaves_the_firsts_object_durable(disk, store, tmp_path):
    store.put("seed", b"")
    disk.write(tmp_path / "zone" / ".writing-1", b"first")
    disk.sync(tmp_path / "zone" / ".writing-1")
    disk.link(tmp_path / "zone" / ".writing-1", tmp_path / "zone" / "object")  # and dies before it syncs the folder
    assert not store.put_if_absent("object", b"second")
    disk.crash()
    assert store.read("object") == b"first"


def test_an_append_to_what_a_failed_append_created_is_durable(tmp_path, disk):
    full = LocalStorage(tmp_path / "zone", FullDisk(0))
    with pytest.raises(OSError, match="No space left"):
        full.append("log", b"1")
    disk.make_folder(tmp_path / "zone")
    store = LocalStorage(tmp_path / "zone", disk)
    store.append("log", b"2")
    disk.crash()
    assert store.read("log") == b"2"


def test_a_full_disk_raises_and_leaves_what_was_there(tmp_path):
    store = LocalStorage(tmp_path / "zone", FullDisk(10))
    store.put("object", b"old")
    store.append("log", b"one ")
    with pytest.raises(OSError, match="No space left"):
        store.put("object", b"newer")
    assert store.read("object") == b"old"
    assert [entry.path for entry in store.list()] == ["log", "object"]
    assert not list(store.root.glob(".writing-*"))


def test_what_a_failed_append_wrote_is_taken_back(tmp_path):
    store = LocalStorage(tmp_path)
    store.append("log", b"x" * 5_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            store.append("log", b"y" * 5_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.read("log") == b"x" * 5_000


def test_processes_that_put_if_match_lose_no_update(tmp_path):
    program = (
        "import sys; from canonry.storage import *\n"
        "s = LocalStorage(sys.argv[1])\n"
        "for _ in range(10):\n"
        "    while True:\n"
        "        entry, value = s.head('n'), int(s.read('n'))\n"
        "        try: s.put_if_match('n', b'%03d' % (value + 1), entry.etag); break\n"
        "        except Conflict: pass\n"
    )
    LocalStorage(tmp_path).put("n", b"000")
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(2)]
    assert [each.wait(30) for each in running] == [0, 0]
    assert LocalStorage(tmp_path).read("n") == b"020"


def test_what_is_being_written_is_neither_listed_nor_a_path(tmp_path):
    store = LocalStorage(tmp_path)
    store.put_if_match("a", b"1", None)
    store.put_if_match("a", b"2", store.head("a").etag)
    (tmp_path / ".writing-left-behind").write_bytes(b"half")
    assert [entry.path for entry in store.list()] == ["a"]
    with pytest.raises(StorageError):
        store.read(".writing-left-behind")


def test_zones_are_folders_or_urls(tmp_path, monkeypatch, bucket):
    assert open_zones(tmp_path).landing.url == f"{tmp_path}/landing"
    assert open_zones(f"file://{tmp_path}").warehouse == tmp_path / "warehouse.duckdb"
    monkeypatch.setenv("CANONRY_HOME", f"{bucket}/home/")
    zones = open_zones()
    assert zones.lake.url == f"{bucket}/home/lake"
    zones.lake.put("x", b"1")
    assert [entry.path for entry in open_storage(f"{bucket}/home").list()] == ["lake/x"]
    with pytest.raises(StorageError, match="scheme 'gs' is not supported"):
        open_storage("gs://somewhere")


def test_an_object_store_says_what_is_wrong_with_it(bucket):
    lost = ObjectStorage("s3://no-such-bucket/zone")
    for act in (lambda: lost.put("a", b"1"), lambda: lost.put_if_absent("a", b"1"), lambda: list(lost.list())):
        with pytest.raises(StorageError, match="s3://no-such-bucket/zone"):
            act()


@pytest.mark.parametrize("reason", [errno.EPERM, errno.EMLINK, errno.EXDEV])
def test_where_a_file_takes_no_second_name_it_is_copied(store, disk, monkeypatch, reason):
    store.put("a", b"first")

    def refuse(source: Path, target: Path) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(disk, "link", refuse)
    store.copy("a", "b")
    disk.crash()
    assert (store.read("a"), store.read("b")) == (b"first", b"first")
    assert (store.root / "a").stat().st_ino != (store.root / "b").stat().st_ino

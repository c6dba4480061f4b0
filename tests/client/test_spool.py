"""The spool gives batches back in order, whatever happened to its files."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from canonry.client._segment import Batch
from canonry.client._spool import Spool, spool_folder

LIMIT = 1 << 20


def batch(name: str, events: int = 2, kind: str = "inferences") -> Batch:
    return Batch(kind, events, gzip.compress(name.encode(), mtime=0))


def drained(spool: Spool) -> list[str]:
    names = []
    while first := spool.first():
        names.append(gzip.decompress(first.batch.body).decode())
        spool.done(first)
    return names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return spool_folder("somewhere", tmp_path / "spool")


def left_by_the_dead(folder: Path, *names: str) -> Path:
    """The file of a process that ended without a word."""
    program = (
        "import gzip, os, sys; from pathlib import Path\n"
        "from canonry.client._segment import Batch\n"
        "from canonry.client._spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), 1 << 20)\n"
        "for name in sys.argv[2:]: spool.append(Batch('inferences', 2, gzip.compress(name.encode(), mtime=0)))\n"
        "os._exit(9)"
    )
    before = set(folder.iterdir())
    subprocess.run([sys.executable, "-c", program, str(folder), *names], check=False)
    [file] = set(folder.iterdir()) - before
    return file


@pytest.mark.parametrize("on_disk", [True, False])
def test_batches_come_back_in_order(on_disk: bool, folder: Path) -> None:
    spool = Spool(folder if on_disk else None, LIMIT)
    names = [f"batch {number}" for number in range(20)]
    for name in names[:10]:
        spool.append(batch(name), durable=name == names[0])
    first = spool.first()
    assert first is not None
    assert first.batch == batch(names[0])
    spool.done(first)
    for name in names[10:]:
        spool.append(batch(name))
    assert spool.events == 38
    assert drained(spool) == names[1:]
    assert (spool.events, spool.size, spool.finished, spool.dropped) == (0, 0, 40, 0)
    spool.close()
    assert list(folder.iterdir()) == []


def test_what_is_to_last_is_synced_with_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().suffix)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(os, "fdatasync", note)
    spool = Spool(folder, LIMIT)
    spool.append(batch("a"))
    assert synced == []
    spool.append(batch("b"), durable=True)
    spool.append(batch("c"), durable=True)
    assert synced == [".spool", "", ".spool"]


def test_what_is_left_is_adopted_before_what_is_new(folder: Path) -> None:
    left_by_the_dead(folder, "a", "b")
    left_by_the_dead(folder, "c")
    spool = Spool(folder, LIMIT)
    spool.append(batch("new"))
    assert spool.adopt() == 6
    assert spool.adopt() == 0
    assert spool.events == 8
    assert drained(spool) == ["a", "b", "c", "new"]
    # Events of others are not counted among those this process has finished.
    assert spool.finished == 2
    spool.close()
    assert list(folder.iterdir()) == []


def test_the_file_of_the_living_is_left_alone(folder: Path) -> None:
    living, other = Spool(folder, LIMIT), Spool(folder, LIMIT)
    living.append(batch("a"))
    assert other.adopt() == 0
    assert drained(living) == ["a"]
    # An empty file stays the living one's, too.
    assert other.adopt() == 0
    living.append(batch("b"))
    assert drained(living) == ["b"]
    living.append(batch("c"))
    living.close()
    assert other.adopt() == 2
    assert drained(other) == ["c"]


@pytest.mark.parametrize("cut", [1, 20, 21, 30])
def test_a_torn_end_costs_the_torn_batch_alone(cut: int, folder: Path) -> None:
    file = left_by_the_dead(folder, "a", "b")
    size = len(batch("b").record())
    os.truncate(file, file.stat().st_size - size + cut)
    spool = Spool(folder, LIMIT)
    spool.adopt()
    assert drained(spool) == ["a"]
    assert spool.dropped == (2 if cut >= 21 else 1)
    assert (spool.events, list(folder.iterdir())) == (0, [])


@pytest.mark.parametrize("at", [0, 5, 18, 40], ids=["magic", "head", "check", "body"])
def test_a_damaged_middle_costs_the_damaged_batch_alone(at: int, folder: Path) -> None:
    file = left_by_the_dead(folder, "a", "b", "c")
    data = bytearray(file.read_bytes())
    data[len(batch("a").record()) + at] ^= 0xFF
    file.write_bytes(data)
    spool = Spool(folder, LIMIT)
    spool.adopt()
    assert drained(spool) == ["a", "c"]
    assert spool.dropped == (2 if at == 40 else 1)
    assert spool.events == 0


def test_a_file_of_something_else_is_thrown_away(folder: Path) -> None:
    (folder / "01.spool").write_bytes(os.urandom(10_000))
    spool = Spool(folder, LIMIT)
    spool.adopt()
    spool.append(batch("a"))
    assert drained(spool) == ["a"]
    assert spool.dropped == 1


def test_a_symbolic_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (folder / "01.spool").symlink_to(victim)
    spool = Spool(folder, LIMIT)
    assert spool.adopt() == 0
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_full_spool_drops_its_oldest(on_disk: bool, folder: Path) -> None:
    spool = Spool(folder if on_disk else None, limit=8_000)
    names = [f"{number:04} {os.urandom(100).hex()}" for number in range(200)]
    for name in names:
        spool.append(batch(name))
        assert spool.size <= 8_000
    kept = drained(spool)
    assert kept == names[-len(kept) :]
    assert 20 < len(kept) < 100
    assert spool.dropped == 400 - 2 * len(kept)
    assert spool.finished == 400


def descriptors(folder: Path) -> int:
    """How many files of this folder the process has open."""
    found = Path("/proc/self/fd").iterdir()
    return sum(each.is_symlink() and str(folder) in str(each.readlink()) for each in found)


def test_of_many_that_died_few_files_are_open_at_one_time(folder: Path) -> None:
    names = [f"{number:03}" for number in range(100)]
    for name in names:
        (folder / f"{name}.spool").write_bytes(batch(name).record())
    spool = Spool(folder, LIMIT)
    spool.append(batch("new"))
    assert 1 < spool.adopt() // 2 <= 20
    found, most = [], 0
    while first := spool.first():
        found.append(gzip.decompress(first.batch.body).decode())
        most = max(most, descriptors(folder))
        spool.done(first)
    assert found == [*names, "new"]
    assert most <= 20
    assert (spool.finished, spool.dropped, len(list(folder.iterdir()))) == (2, 0, 1)


def test_more_than_fits_of_what_the_dead_left_is_dropped_oldest_first(folder: Path) -> None:
    for number in range(100):
        (folder / f"{number:03}.spool").write_bytes(batch(f"{number:03}").record())
    size = len(batch("000").record())
    spool = Spool(folder, limit=30 * size)
    spool.adopt()
    assert (spool.dropped, len(list(folder.iterdir()))) == (140, 30)
    assert drained(spool) == [f"{number:03}" for number in range(70, 100)]


def test_a_full_disk_costs_one_piece_of_memory_and_no_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    real = os.write
    spool = Spool(folder, LIMIT)
    spool.append(batch("0"))
    monkeypatch.setattr(os, "write", full)
    for number in range(1, 301):
        spool.append(batch(f"{number}"))
    assert (descriptors(folder), len(list(folder.iterdir())), len(spool._segments)) == (1, 1, 2)
    monkeypatch.setattr(os, "write", real)
    spool.append(batch("301"))
    assert descriptors(folder) == 2
    assert drained(spool) == [f"{number}" for number in range(302)]


def test_a_file_that_cannot_be_locked_is_not_left_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    spool = Spool(folder, LIMIT)
    for number in range(10):
        spool.append(batch(f"{number}"))
    assert (descriptors(folder), list(folder.iterdir())) == (0, [])
    assert len(drained(spool)) == 10


def test_leftovers_count_against_the_bound(folder: Path) -> None:
    for _ in range(3):
        left_by_the_dead(folder, *(os.urandom(1000).hex() for _ in range(5)))
    spool = Spool(folder, limit=10_000)
    spool.adopt()
    spool.append(batch("new"))
    assert spool.size <= 10_000
    assert drained(spool)[-1] == "new"


def test_a_batch_larger_than_the_spool_is_dropped(folder: Path) -> None:
    spool = Spool(folder, limit=100)
    spool.append(batch(os.urandom(500).hex()))
    assert (spool.events, spool.dropped, spool.finished) == (0, 2, 2)
    spool.append(batch("a"))
    assert drained(spool) == ["a"]


def test_a_batch_under_way_when_its_segment_is_dropped_counts_as_sent(folder: Path) -> None:
    spool = Spool(folder, limit=3_000)
    spool.append(batch("under way"))
    first = spool.first()
    assert first is not None
    for _ in range(50):
        spool.append(batch(os.urandom(100).hex()))
    dropped = spool.dropped
    spool.done(first)
    assert spool.dropped == dropped - 2


def test_batches_that_are_kept_aside_are_bounded(folder: Path) -> None:
    spool = Spool(folder, limit=16_000)
    for number in range(30):
        spool.keep_aside(batch(f"{number} {os.urandom(100).hex()}"))
    kept = sorted(folder.glob("*.refused"))
    assert 1 <= len(kept) < 10
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in kept)


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(PermissionError, match="belongs to another user"):
        spool_folder("somewhere", tmp_path / "spool")


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    folder = spool_folder("somewhere", tmp_path / "spool")
    folder.chmod(0o755)
    assert spool_folder("somewhere", tmp_path / "spool").stat().st_mode & 0o777 == 0o700

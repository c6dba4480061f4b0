"""A release is its payload: same bytes, same version; whole or not there."""

from __future__ import annotations

import datetime as dt
import errno
import json
from pathlib import Path

import pytest

from canonry import release
from canonry.release import Damaged, NotReleased, Release, ReleaseError
from canonry.storage import LocalStorage, Storage

NOW = dt.datetime(2026, 11, 2, 8, tzinfo=dt.UTC)
PAYLOAD: dict[str, bytes | Path] = {"a.bin": b"alpha", "part/b.bin": b"beta", "c.bin": b"gamma"}


def publish(published: Storage, files: dict[str, bytes | Path] = PAYLOAD, now: dt.datetime = NOW) -> Release:
    return release.publish(published, "indexes", "docs", files, metadata={"n": 1}, lineage={"run": "r1"}, now=now)


def test_the_same_payload_has_the_same_version_and_the_first_manifest_stays(published: Storage, tmp_path: Path) -> None:
    first = publish(published)
    source = tmp_path / "somewhere.bin"
    source.write_bytes(b"alpha")
    again = release.publish(
        published,
        "indexes",
        "docs",
        {"c.bin": b"gamma", "a.bin": source, "part/b.bin": b"beta"},
        metadata={"n": 2},
        lineage={"run": "r2"},
        now=NOW + dt.timedelta(days=1),
    )
    assert again.version == first.version
    assert again.manifest == first.manifest
    assert again.manifest.metadata == {"n": 1}
    assert [each.version for each in release.list_releases(published)] == [first.version]
    assert source.read_bytes() == b"alpha"


def test_what_an_earlier_release_has_too_takes_its_space_once(published: Storage) -> None:
    first = publish(published)
    changed: dict[str, bytes | Path] = {**PAYLOAD, "a.bin": b"other"}
    meta = {"metadata": {}, "lineage": {}, "now": NOW}
    second = release.publish(published, "indexes", "docs", changed, like=first, **meta)  # type: ignore[arg-type]
    assert {path: second.read(path) for path in second.manifest.files} == changed
    if isinstance(published, LocalStorage):
        inodes = [
            [(published.root / each.folder / path).stat().st_ino for path in sorted(PAYLOAD)]
            for each in (first, second)
        ]
        assert [one == other for one, other in zip(*inodes, strict=True)] == [False, True, True]


def test_a_damaged_file_of_an_earlier_release_is_not_taken_over(published: Storage) -> None:
    first = publish(published)
    published.put(f"{first.folder}/c.bin", b"gammX")
    published.delete(f"{first.folder}/part/b.bin")
    changed: dict[str, bytes | Path] = {**PAYLOAD, "a.bin": b"other"}
    meta = {"metadata": {}, "lineage": {}, "now": NOW}
    second = release.publish(published, "indexes", "docs", changed, like=first, **meta)  # type: ignore[arg-type]
    assert release.verify(published, "indexes", "docs", second.version) == []


def test_a_renamed_file_or_a_changed_byte_is_another_version(published: Storage) -> None:
    versions = {
        publish(published).version,
        publish(published, {**PAYLOAD, "a.bin": b"alphb"}).version,
        publish(published, {"A.bin": b"alpha", "part/b.bin": b"beta", "c.bin": b"gamma"}).version,
    }
    assert len(versions) == 3


def test_what_was_published_reads_back_and_verifies(published: Storage) -> None:
    version = publish(published).version
    found = release.resolve(published, "indexes", "docs", version)
    assert {path: found.read(path) for path in found.manifest.files} == PAYLOAD
    assert found.manifest.created_at == NOW
    assert release.verify(published, "indexes", "docs", version) == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(4))
def test_a_crash_at_any_write_leaves_what_was_there_before(tmp_path: Path, failing: type, at: int, after: bool) -> None:
    published = LocalStorage(tmp_path / "published")
    before = publish(published, {"a.bin": b"before"})
    release.promote(published, "indexes", "docs", before.version, reason="first", now=NOW)
    with pytest.raises(KeyboardInterrupt):
        publish(failing(published, at, KeyboardInterrupt(), after=after))
    finished = at == 3 and after
    assert len(release.list_releases(published)) == 1 + finished
    assert release.resolve(published, "indexes", "docs").read("a.bin") == b"before"
    assert release.verify(published, "indexes", "docs", publish(published).version) == []


@pytest.mark.parametrize("at", range(4))
def test_a_full_disk_leaves_the_earlier_release(tmp_path: Path, failing: type, at: int) -> None:
    published = LocalStorage(tmp_path / "published")
    before = publish(published, {"a.bin": b"before"})
    release.promote(published, "indexes", "docs", before.version, reason="first", now=NOW)
    full = failing(published, at, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError, match="No space left"):
        publish(full)
    assert [each.version for each in release.list_releases(published)] == [before.version]
    assert release.resolve(published, "indexes", "docs").read("a.bin") == b"before"


def test_the_manifest_is_written_last(tmp_path: Path, failing: type) -> None:
    published = LocalStorage(tmp_path / "published")
    with pytest.raises(KeyboardInterrupt):
        publish(failing(published, 3, KeyboardInterrupt()))
    names = sorted(entry.path.rpartition("/")[2] for entry in published.list())
    assert names == ["a.bin", "b.bin", "c.bin"]
    assert release.list_releases(published) == []


def test_damage_is_named_and_publishing_again_repairs_it(published: Storage) -> None:
    found = publish(published)
    published.put(f"{found.folder}/a.bin", b"alphX")
    published.put(f"{found.folder}/c.bin", b"gam")
    published.put(f"{found.folder}/stranger", b"?")
    with pytest.raises(Damaged, match=r"a\.bin is damaged: .*canonry releases verify indexes docs") as caught:
        found.read("a.bin")
    assert caught.value.expected == found.manifest.files["a.bin"].sha256
    problems = release.verify(published, "indexes", "docs", found.version)
    assert [problem.rpartition("/")[2].split(",")[0][:22] for problem in problems] == [
        "a.bin has sha256 " + problems[0].partition("sha256 ")[2][:5],
        "c.bin has 3 bytes",
        "stranger is not in the",
    ]
    published.delete(f"{found.folder}/stranger")
    publish(published)
    assert release.verify(published, "indexes", "docs", found.version) == []


def test_a_missing_file_is_a_problem(published: Storage) -> None:
    found = publish(published)
    published.delete(f"{found.folder}/a.bin")
    assert "a.bin is missing" in release.verify(published, "indexes", "docs", found.version)[0]
    with pytest.raises(Damaged, match="is missing"):
        found.read("a.bin")


@pytest.mark.parametrize(
    "path", ["../x", "/x", "a/../x", "a//b", "", ".", "a\\b", "x\n", "~", "manifest.json", "x" * 201, "a\0b"]
)
def test_a_payload_path_that_could_leave_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ReleaseError):
        publish(LocalStorage(tmp_path), {path: b"x"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "name"), [("indexes", "../x"), ("indexes", "a/b"), ("indexes", ""), ("other", "x"), ("indexes", "x\n")]
)
def test_a_foreign_kind_or_name_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    with pytest.raises(ReleaseError):
        release.publish(LocalStorage(tmp_path), kind, name, {"a": b"x"}, metadata={}, lineage={}, now=NOW)
    with pytest.raises(ReleaseError):
        release.resolve(LocalStorage(tmp_path), kind, name)


def _edited(published: Storage, found: Release, **changes: object) -> None:
    path = f"{found.folder}/manifest.json"
    published.put(path, json.dumps({**json.loads(published.read(path)), **changes}).encode())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": {"../../../../x": {"sha256": "0" * 64, "size": 1}}}, r"files\.\.\./"),
        ({"files": {"a.bin": {"sha256": "0" * 64, "size": 5}}}, "not the digest of these files"),
        ({"files": {}}, "at least one file"),
        ({"name": "other"}, "is the manifest of indexes/other"),
        ({"format_version": 2}, "upgrade canonry"),
        ({"created_at": "yesterday"}, "created_at"),
    ],
)
def test_a_foreign_manifest_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    published = LocalStorage(tmp_path)
    found = publish(published)
    _edited(published, found, **changes)
    with pytest.raises(ReleaseError, match=message):
        release.resolve(published, "indexes", "docs", found.version)
    assert release.verify(published, "indexes", "docs", found.version) != []
    assert release.list_releases(published) == []


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff\xfe", b"[" * 100_000, b"null", b'{"kind": "indexes"}'])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    published = LocalStorage(tmp_path)
    found = publish(published)
    published.put(f"{found.folder}/manifest.json", data)
    with pytest.raises(ReleaseError, match=r"manifest\.json"):
        release.resolve(published, "indexes", "docs", found.version)


def test_an_unknown_version_names_the_known_ones(published: Storage) -> None:
    version = publish(published).version
    with pytest.raises(NotReleased, match=version):
        release.resolve(published, "indexes", "docs", "0123456789abcdef")


def test_a_time_without_zone_and_metadata_that_is_not_json_are_refused(tmp_path: Path) -> None:
    published = LocalStorage(tmp_path)
    with pytest.raises(ReleaseError, match="time zone"):
        publish(published, now=dt.datetime(2026, 1, 1))
    for odd in (object(), float("nan")):
        with pytest.raises(ReleaseError, match="JSON"):
            release.publish(published, "gold", "x", {"a": b""}, metadata={"odd": odd}, lineage={}, now=NOW)
    assert list(published.list()) == []


def test_listing_narrows_by_kind_and_name(published: Storage) -> None:
    for kind, name in [("tables", "b"), ("tables", "a"), ("gold", "a")]:
        release.publish(published, kind, name, {"x": name.encode()}, metadata={}, lineage={}, now=NOW)
    listed = [(each.manifest.kind, each.manifest.name) for each in release.list_releases(published)]
    assert listed == [("gold", "a"), ("tables", "a"), ("tables", "b")]
    assert len(release.list_releases(published, "tables")) == 2
    assert len(release.list_releases(published, "tables", "b")) == 1

"""Taking backups: what is in one, what is copied again, and what a platform at work may do meanwhile."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from canonry import backup, release
from canonry.backup import BackupError
from canonry.backup import _take as taking
from canonry.landing import LandingWriter, list_segments, read_committed
from canonry.storage import Storage, Zones, open_storage, open_zones
from tests.backup.conftest import NOW, Watched, contents, publish
from tests.release.conftest import Failing


def later(minutes: int) -> dt.datetime:
    return NOW + dt.timedelta(minutes=minutes)


def restored(zones: Zones, place: Storage, name: str) -> Zones:
    """What a home's newest backup gives in an empty one beside it."""
    other = open_zones(Path(zones.home).parent / name)
    backup.restore(other, place, backup.read_backup(place))
    return other


def test_a_backup_holds_what_cannot_be_computed_again_and_nothing_else(home: Zones, place: Storage) -> None:
    backup.take(home, place, now=NOW)
    kept = backup.read_backup(place).objects
    assert set(contents(home)) - set(kept) == {"lake/inferences/day=2026-11-02/part-0.parquet"}
    assert backup.verify(place, backup.read_backup(place)) == []


def test_a_second_backup_reads_only_what_is_new(home: Zones, place: Storage) -> None:
    backup.take(home, place, now=NOW)
    again = backup.take(home, place, now=later(1))
    assert (again.read, again.copied_bytes) == (0, 0)
    publish(home, "third")
    fresh = backup.take(home, place, now=later(2))
    # Payload, manifest, pointer and the journal's entry of the move.
    assert fresh.read == 4
    assert contents(restored(home, place, "other"))["published/tables/costs/channels/production.json"]


def test_a_segment_that_grew_is_copied_from_where_it_had_ended(home: Zones, place: Storage) -> None:
    home.landing.append("inferences/received=2026-11-05/2026-11-05.w.jsonl", b"a" * 1000)
    backup.take(home, place, now=NOW)
    home.landing.append("inferences/received=2026-11-05/2026-11-05.w.jsonl", b"b" * 10)
    assert backup.take(home, place, now=later(1)).copied_bytes == 10
    found = restored(home, place, "other").landing.read("inferences/received=2026-11-05/2026-11-05.w.jsonl")
    assert found == b"a" * 1000 + b"b" * 10


def test_a_segment_that_was_rewritten_is_copied_anew(home: Zones, place: Storage) -> None:
    path = "inferences/received=2026-11-05/2026-11-05.w.jsonl"
    home.landing.append(path, b"a" * 1000)
    backup.take(home, place, now=NOW)
    home.landing.put(path, b"erased" * 100)
    backup.take(home, place, now=later(1))
    assert restored(home, place, "other").landing.read(path) == b"erased" * 100


def test_an_object_larger_than_a_piece_comes_back_whole(
    home: Zones, place: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "PIECE_BYTES", 1000)
    backup.take(home, place, now=NOW)
    assert any(len(kept.pieces) > 1 for kept in backup.read_backup(place).objects.values())
    expected = contents(home)
    del expected["lake/inferences/day=2026-11-02/part-0.parquet"]
    assert contents(restored(home, place, "other")) == expected


def test_landing_that_grows_meanwhile_is_taken_as_far_as_it_had_come(home: Zones, place: Storage) -> None:
    writer = LandingWriter(home.landing, "busy", clock=lambda: dt.datetime(2026, 11, 4, 12))
    events = iter(range(100_000))

    def send() -> None:
        number = next(events)
        event = {"inference_id": f"busy-{number}", "started_at": "2026-11-04T12:00:00Z", "input_tokens": number}
        writer.append("inferences", [event])

    for _ in range(5):
        send()
    acknowledged = {entry.path: home.landing.read(entry.path) for entry in home.landing.list()}
    growing = replace(home, landing=Watched(home.landing, lambda call: send() if call != "list" else None))
    backup.take(growing, place, now=NOW)
    assert next(events) > 10, "nothing was sent meanwhile"
    other = restored(home, place, "other")
    for path, before in acknowledged.items():
        found = other.landing.read(path)
        assert found.startswith(before)
        assert home.landing.read(path).startswith(found)
    for segment in list_segments(other.landing, "inferences"):
        with other.landing.local_copy(segment.path) as file:
            assert read_committed(file).torn == 0


def test_what_is_published_meanwhile_is_whole_or_absent(home: Zones, place: Storage) -> None:
    number = iter(range(1000))

    def meanwhile(call: str) -> None:
        if call == "list":
            publish(home, f"meanwhile {next(number)}")
            publish(home, "new", name=f"new-{next(number)}")

    backup.take(replace(home, published=Watched(home.published, meanwhile)), place, now=NOW)
    assert next(number) >= 6
    published = restored(home, place, "other").published
    for each in release.list_releases(published):
        assert release.verify(published, "tables", each.manifest.name, each.version) == []
        if release.last_move(published, "tables", each.manifest.name):
            release.resolve(published, "tables", each.manifest.name)


def test_an_object_that_never_stays_as_it_is_stops_the_backup_by_name(home: Zones, place: Storage) -> None:
    number = iter(range(1000))
    exchange = Watched(home.exchange, lambda _: home.exchange.put("empty", b"x" * next(number)))
    with pytest.raises(BackupError, match=r"exchange/empty: changed 5 times"):
        backup.take(replace(home, exchange=exchange), place, now=NOW)
    assert backup.list_backups(place) == []


def test_what_goes_away_meanwhile_is_left_out(home: Zones, place: Storage) -> None:
    path = "label-studio/groundedness/out/2026-11-02.json"
    exchange = Watched(home.exchange, lambda call: home.exchange.delete(path) if call == "read" else None)
    backup.take(replace(home, exchange=exchange), place, now=NOW)
    objects = backup.read_backup(place).objects
    assert f"exchange/{path}" not in objects
    assert "exchange/empty" in objects


@pytest.mark.parametrize("at", [0, 1, 7, -1])
def test_an_interrupted_backup_leaves_the_earlier_one_and_the_next_completes(
    home: Zones, tmp_path: Path, at: int
) -> None:
    place = open_storage(str(tmp_path / "backups"))
    backup.take(home, place, now=NOW)
    for number in range(10):
        home.exchange.put(f"new-{number}", f"new {number}".encode())
    # Ten pieces, and the manifest as the eleventh write.
    at = at if at >= 0 else 10
    with pytest.raises(OSError, match="the line is cut"):
        backup.take(home, Failing(place, at, OSError("the line is cut")), now=later(1))
    assert len(backup.list_backups(place)) == 1
    assert backup.verify(place, backup.read_backup(place)) == []
    backup.take(home, place, now=later(2))
    assert contents(restored(home, place, "other"))["exchange/new-9"] == b"new 9"


def test_a_manifest_that_cannot_be_read_stops_no_further_backup(home: Zones, place: Storage) -> None:
    backup.take(home, place, now=NOW)
    place.put("backups/20261124T120000.500000Z.json.gz", b"damaged")
    again = backup.take(home, place, now=later(1))
    assert (again.read, again.copied_bytes) == (again.objects, 0)
    assert backup.verify(place, backup.read_backup(place)) == []


def test_another_home_may_be_backed_up_to_the_same_place(home: Zones, place: Storage) -> None:
    backup.take(home, place, now=NOW)
    other = restored(home, place, "other")
    assert backup.take(other, place, now=later(1)).copied_bytes == 0
    assert backup.read_backup(place).home == other.home


def test_a_dry_run_writes_nothing_and_counts_what_it_would_read(home: Zones, place: Storage) -> None:
    would = backup.take(home, place, now=NOW, dry_run=True)
    assert list(place.list()) == []
    taken = backup.take(home, place, now=NOW)
    assert (would.objects, would.read, would.read_bytes) == (taken.objects, taken.read, taken.read_bytes)
    assert backup.take(home, place, now=NOW, dry_run=True).read == 0


def test_a_place_inside_the_home_is_refused(home: Zones) -> None:
    with pytest.raises(BackupError, match="not lost with it"):
        backup.take(home, open_storage(f"{home.home}/backups"), now=NOW)


def test_only_the_newest_backups_are_kept_and_with_them_what_they_need(home: Zones, place: Storage) -> None:
    home.exchange.put("erased", b"a text that must go")
    for minute in range(3):
        backup.take(home, place, now=later(minute))
    home.exchange.delete("erased")
    backup.take(home, place, now=later(3))
    assert backup.keep_newest(place, 2) == 2
    assert len(backup.list_backups(place)) == 2
    assert backup.keep_newest(place, 1) == 1
    assert backup.verify(place, backup.read_backup(place)) == []
    assert all(b"a text that must go" not in place.read(entry.path) for entry in place.list())


def test_nothing_is_removed_where_a_backup_that_stays_cannot_be_read(home: Zones, place: Storage) -> None:
    backup.take(home, place, now=NOW)
    place.put("backups/20261124T130000.000000Z.json.gz", b"{")
    before = list(place.list())
    with pytest.raises(BackupError, match="is not a backup's manifest"):
        backup.keep_newest(place, 1)
    assert list(place.list()) == before

"""The landing writer: an acknowledged batch survives, and nothing a product sends stops anybody."""

from __future__ import annotations

import base64
import datetime as dt
import errno
import json
import os
import re
from pathlib import Path

import pytest

from canonry.catalog import Redaction
from canonry.collect.partition import collect_day
from canonry.collect.rejected import collect_unreadable
from canonry.landing import MAX_EVENT_BYTES, LandingWriter, list_segments, read_committed
from canonry.people import hash_key, user_hash
from canonry.redact import Redactor
from canonry.storage import Files, LocalStorage, ObjectStorage, Zones, open_zones
from tests.collect.making import AFTER, DAY, NOON, contents, feedback, ids, inference, rows, writer
from tests.forgetful import ForgetfulFiles, FullDisk


def landed(landing: LocalStorage) -> list[dict]:
    """Every event that was acknowledged."""
    found = []
    for kind in ("inferences", "feedback"):
        for segment in list_segments(landing, kind):
            data = landing.read(segment.path)
            with landing.local_copy(segment.path) as file:
                batches = read_committed(file).batches
            found += [json.loads(line) for each in batches for line in data[each.start : each.end].splitlines()]
    return found


def test_an_acknowledged_batch_survives_a_crash_and_the_next_one_at_most_tears(tmp_path):
    acknowledged = 4 * 3
    for torn in (0, 1, 50, 10_000):
        root = tmp_path / str(torn)
        disk = ForgetfulFiles(root)
        writing = writer(LocalStorage(root, disk))
        for batch in range(4):
            writing.append("inferences", [inference(3 * batch + number) for number in range(3)])
        segment = next(iter(list_segments(LocalStorage(root), "inferences")))
        disk.append(root / segment.path, b'{"batch":{"bytes":9999,"crc32":1}}\n{"half":' + b"x" * 100)
        disk.crash(torn=torn)
        assert [event["inference_id"] for event in landed(LocalStorage(root))] == [
            f"call-{number:04d}" for number in range(acknowledged)
        ]


@pytest.mark.parametrize("room", [0, 1, 60, 700, 1500, 2000])
def test_a_full_disk_is_told_and_sending_again_doubles_nothing(tmp_path, room):
    disk = FullDisk(10_000)
    zones = open_zones(tmp_path)
    landing = LocalStorage(zones.landing.url, disk)
    writing = writer(landing)
    first = [inference(number) for number in range(3)]
    second = [inference(number, at=NOON - dt.timedelta(days=number % 2)) for number in range(3, 9)]
    writing.append("inferences", first)
    disk.room = room
    with pytest.raises(OSError, match="No space left"):
        writing.append("inferences", second)
    assert {f"call-{number:04d}" for number in range(3)} <= {event["inference_id"] for event in landed(landing)}
    disk.room = 1_000_000
    assert writing.append("inferences", second).accepted == 6
    for day in (DAY, DAY - dt.timedelta(days=1)):
        collect_day(zones, "inferences", day, today=AFTER)
    assert sorted(ids(zones, "inferences")) == [f"call-{number:04d}" for number in range(9)]
    assert {row["reason"].partition(":")[0] for row in rows(zones, "rejected")} <= {"torn end"}


def files_under(landing: LocalStorage) -> list[int]:
    """Sizes of everything that lies there."""
    return sorted(path.stat().st_size for path in landing.root.rglob("*") if path.is_file())


class Refusing(Files):
    """A stand-in for a disk that is full while `full`: a file can be made, and what was written of it is taken back."""

    full = True

    def append(self, path: Path, data: bytes) -> None:
        super().append(path, b"" if self.full else data)
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_a_disk_that_stays_full_is_left_with_one_empty_segment_however_often_it_is_tried(tmp_path):
    disk = Refusing()
    landing = LocalStorage(tmp_path, disk)
    writing = writer(landing)
    for already in (0, 1):
        disk.full = True
        for number in range(5):
            with pytest.raises(OSError, match="No space left"):
                writing.append("inferences", [inference(number)])
        assert sorted(bool(size) for size in files_under(landing)) == [False, *[True] * already]
        disk.full = False
        writing.append("inferences", [inference(already)])
    assert len(files_under(landing)) == 2
    assert [event["inference_id"] for event in landed(landing)] == ["call-0000", "call-0001"]


def test_nothing_is_written_after_a_batch_that_is_torn_or_of_which_nobody_knows_whether_it_is(tmp_path, monkeypatch):
    disk = FullDisk(10_000)
    landing = LocalStorage(tmp_path, disk)
    writing = writer(landing)
    writing.append("inferences", [inference(0)])
    for room, blind in ((50, False), (0, True)):
        disk.room = room
        with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
            if blind:
                patch.setattr(LocalStorage, "head", lambda *_: os.stat("/absent/file"))
                patch.setattr(LocalStorage, "append", lambda self, path, data: disk.append(self.root / path, data))
            writing.append("inferences", [inference(1)])
        disk.room = 10_000
        writing.append("inferences", [inference(1 + blind)])
    assert len(files_under(landing)) == 3
    assert [event["inference_id"] for event in landed(landing)] == ["call-0000", "call-0001", "call-0002"]


DEEP = b'{"inference_id":"deep","started_at":"2026-03-10T12:00:00","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
POISON = {
    "a year long ago": inference(1, started_at="1970-01-01T00:00:00"),
    "a year to come": inference(2, started_at="2099-01-01T00:00:00"),
    "no time": {"inference_id": "a"},
    "time as a number": inference(3, started_at=1767571200),
    "time that is none": inference(4, started_at="yesterday"),
    "time at the edge": inference(4, started_at="0001-01-01T00:00:00+14:00"),
    "no id": {"started_at": NOON.isoformat()},
    "id as a number": inference(5, inference_id=5),
    "100 MB": b'{"inference_id":"' + b"x" * 100_000_000 + b'"}',
    "invalid UTF-8": b'{"inference_id":"\xff\xfe"}',
    "not JSON": b"hello",
    "nothing": b"",
    "a list": b"[1,2]",
    "NaN": b'{"inference_id":"a","latency_ms":NaN}',
    "lone surrogate in a line": b'{"inference_id":"\\ud800"}',
    "lone surrogate in a mapping": {"inference_id": "\ud800"},
    "huge integer in a mapping": inference(6, input_tokens=2**70),
    "nested deeply": DEEP,
    "keys that are not text": {1: 2},
}


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_a_poison_event_is_kept_with_its_reason_and_stops_nobody(zones: Zones):
    poison = {**POISON, "nested mapping": {"x": nested(50_000)}, "hostile": {"x": Hostile()}, "no mapping": None}
    receipt = writer(zones.landing).append("inferences", [inference(0), *poison.values(), inference(99)])
    assert receipt.accepted == 2
    assert [position for position, _ in receipt.unreadable] == list(range(1, len(poison) + 1))
    assert ids_after_collecting(zones) == ["call-0000", "call-0099"]
    report = collect_unreadable(zones, DAY)
    assert report.rows == len(poison) and report.changed
    assert set(report.reasons) == {"started_at", "inference_id", "event"}
    assert sum(report.reasons.values()) == len(poison)
    kept = {row["raw"] for row in rows(zones, "rejected")}
    for name, event in POISON.items():
        if isinstance(event, bytes) and event and len(event) < 64 << 10:
            assert event in kept, name
    large = [row["segment"] for row in rows(zones, "rejected") if row["raw"] is None]
    assert sorted(len(zones.landing.read(path)) for path in large) == [len(DEEP), 100_000_019]
    assert not collect_unreadable(zones, DAY).changed


def ids_after_collecting(zones: Zones) -> list[str]:
    collect_day(zones, "inferences", DAY, today=AFTER)
    return ids(zones, "inferences", DAY)


@pytest.mark.parametrize("depth", range(245, 262))
def test_nesting_at_the_edge_of_what_can_be_written_costs_only_its_own_event(zones: Zones, depth):
    events = [inference(1), inference(2, unknown=nested(depth)), inference(3, attributes={"own": nested(depth)})]
    receipt = writer(zones.landing).append("inferences", events)
    assert receipt.accepted + len(receipt.unreadable) == 3
    assert len(ids_after_collecting(zones)) == receipt.accepted >= 1


def test_a_day_is_told_by_the_event_within_what_is_sane(zones: Zones, monkeypatch):
    monkeypatch.setenv("CANONRY_FIRST_DAY", "2026-03-09")
    clock = LandingWriter(
        zones.landing, "shop", clock=lambda: dt.datetime(2026, 3, 10, 14, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    )
    times = ["2026-03-08T23:59:59", "2026-03-09", "2026-03-11T12:00:00Z", "2026-03-11T12:00:01Z"]
    receipt = clock.append("inferences", [inference(number, started_at=at) for number, at in enumerate(times)])
    assert [position for position, _ in receipt.unreadable] == [0, 3]
    assert [segment.day for segment in list_segments(zones.landing, "inferences")] == [
        dt.date(2026, 3, 9),
        dt.date(2026, 3, 11),
        None,
    ]
    monkeypatch.setenv("CANONRY_FIRST_DAY", "soon")
    with pytest.raises(ValueError, match="CANONRY_FIRST_DAY: 'soon' is not a day"):
        clock.append("inferences", [])


def test_a_writer_leaves_a_segment_that_has_grown(zones: Zones, monkeypatch):
    monkeypatch.setattr("canonry.landing._writer.MAX_SEGMENT_BYTES", 1_000)
    writing = writer(zones.landing)
    for number in range(6):
        writing.append("inferences", [inference(number)])
    sizes = [segment.size for segment in list_segments(zones.landing, "inferences")]
    assert len(sizes) > 1 and max(sizes) <= 1_000
    assert ids_after_collecting(zones) == [f"call-{number:04d}" for number in range(6)]


def test_an_event_as_large_as_may_be_is_collected(zones: Zones):
    room = MAX_EVENT_BYTES - len(json.dumps(inference(1, comment="")))
    receipt = writer(zones.landing).append("inferences", [inference(1, comment="x" * (room - 100)), inference(2)])
    assert receipt.accepted == 2
    assert ids_after_collecting(zones) == ["call-0001", "call-0002"]


def test_on_an_object_store_each_batch_is_an_object_and_collects_alike(bucket, tmp_path):
    zones = open_zones(f"{bucket}/home")
    assert isinstance(zones.landing, ObjectStorage)
    writing = writer(zones.landing)
    for batch in ([inference(1), inference(2)], [inference(2), b"broken"], [inference(3, input_tokens="many")]):
        writing.append("inferences", batch)
    writing.append("feedback", [feedback(1)])
    collect_day(zones, "inferences", DAY, today=DAY)
    writing.append("inferences", [inference(4)])
    for today in (DAY, AFTER):
        report = collect_day(zones, "inferences", DAY, today=today)
    collect_day(zones, "feedback", DAY, today=AFTER)
    collect_unreadable(zones, DAY)
    assert (report.rows, report.duplicates, report.rejected) == (3, 1, 1)
    assert ids(zones, "inferences", DAY) == ["call-0001", "call-0002", "call-0004"]
    assert sorted(row["reason"].partition(":")[0] for row in rows(zones, "rejected")) == ["event", "input_tokens"]
    copied = open_zones(tmp_path)
    for entry in zones.landing.list():
        copied.landing.put(entry.path, zones.landing.read(entry.path))
    for kind in ("inferences", "feedback"):
        collect_day(copied, kind, DAY, today=AFTER)
    collect_unreadable(copied, DAY)
    assert contents(copied.lake) == contents(zones.lake)


def test_an_unreadable_event_keeps_its_bytes_in_line(zones: Zones):
    writer(zones.landing).append("feedback", [b"\x00\xff"])
    (segment,) = list_segments(zones.landing, "feedback")
    line = zones.landing.read(segment.path).splitlines()[1]
    assert base64.b64decode(json.loads(line)["raw"]) == b"\x00\xff"


PERSON = "ada@example.com"


def everything(landing: LocalStorage) -> bytes:
    """Every byte under landing, what is in base64 written out beside."""
    found = b""
    for path in sorted(Path(landing.url).rglob("*")):
        found += str(path).encode()
        found += path.read_bytes() if path.is_file() else b""
    for encoded in re.findall(rb'"raw":"([^"]*)"', found):
        found += base64.b64decode(encoded)
    return found


@pytest.mark.parametrize("content", ["mask", "drop"])
def test_nothing_of_a_person_reaches_the_disk_by_any_way_in(zones: Zones, content, monkeypatch):
    monkeypatch.setenv("CANONRY_HASH_KEY", "secret")
    redact = Redactor.from_spec(Redaction(content=content), hash_key())
    writing = LandingWriter(zones.landing, "shop", redact=redact, clock=lambda: NOON)
    person = {"note": PERSON, "user_id": "zelda-7", "input_messages": [{"role": "user", "content": f"I am {PERSON}"}]}
    line = json.dumps(inference(7, **person)).encode()
    events = [
        inference(1, **person),
        json.dumps(inference(2, **person)).replace("@", "\\u0040").encode(),
        inference(3, started_at=PERSON, **person),
        inference(4, started_at="1970-01-01", user_id="zelda-7", x=nested(300), note=PERSON),
        {"started_at": NOON.isoformat(), **person},
        line[:-9],
        line + b"\xff",
        line.decode().encode("utf-16"),
        b"[" + line + b"]",
        line * 500,
        {"x": Hostile(), PERSON: "zelda-7", "user_id": "zelda-7"},
    ]
    receipt = writing.append("inferences", events)
    checked = writing.prepare("inferences", [inference(5, **person)], check=lambda document: f"{PERSON} is not welcome")
    writing.write("inferences", [*checked, writing.keep("inferences", f"not for {PERSON}", line[:-9])])
    assert receipt.accepted == 2 and len(receipt.unreadable) == len(events) - 2
    written = everything(zones.landing)
    assert b"call-0001" in written
    for hint in (b"ada@", b"ada\\", b"zelda", b"a\0d\0a\0@"):
        assert hint not in written.lower(), written[max(0, written.lower().find(hint) - 200) :][:260]
    assert not any(PERSON in reason for _, reason in receipt.unreadable)
    assert ids_after_collecting(zones) == ["call-0001", "call-0002"]
    assert {row["user_hash"] for row in rows(zones, "inferences")} == {user_hash("zelda-7", hash_key())}
    collect_unreadable(zones, DAY)
    assert all(row["digest"] and row["reason"] for row in rows(zones, "rejected"))
    assert all(row["raw"] is None for row in rows(zones, "rejected")) == (content == "drop")


def test_copies_of_one_event_compare_equal_when_masked_and_tell_nothing_apart(zones: Zones):
    redact = Redactor.from_spec(Redaction(content="mask"), b"")
    writing = LandingWriter(zones.landing, "shop", redact=redact, clock=lambda: NOON)
    writing.append("inferences", [inference(1, note=f"for {PERSON}"), inference(1, note="for bob@example.org")])
    first, second = landed(zones.landing)
    assert first == second and first["attributes"] == {"note": "for [email]"}


def test_a_users_id_is_never_stored_whatever_the_source_says(zones: Zones, monkeypatch):
    for number, secret in enumerate(("", "secret")):
        monkeypatch.setenv("CANONRY_HASH_KEY", secret)
        events = [inference(number, user_id="zelda-7", attributes={"user": "zelda-7"}), b'{"user": "zelda-7", "x']
        LandingWriter(zones.landing, "shop", clock=lambda: NOON).append("inferences", events)
    assert b"zelda" not in everything(zones.landing)
    assert ids_after_collecting(zones) == ["call-0000", "call-0001"]
    assert [row["user_hash"] for row in rows(zones, "inferences")] == [None, user_hash("zelda-7", hash_key())]

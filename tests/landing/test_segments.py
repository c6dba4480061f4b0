"""Framing: what was acknowledged is read back, whatever happened to the rest of the file."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from canonry.landing import Segment, frame, list_foreign, list_segments, parse_path, raw_path, read_committed
from canonry.landing import segment_path as path_of
from canonry.storage import Entry, LocalStorage

BATCHES = [[b'{"a":%d,"text":"some words"}' % (10 * number + line) for line in range(3)] for number in range(4)]
FRAMES = [frame(batch) for batch in BATCHES]


def read(path, start: int = 0) -> tuple[list[list[bytes]], int, int]:
    """Lines of each intact batch, how many are damaged, and how many bytes are torn off."""
    found = read_committed(path, start)
    data = path.read_bytes()
    intact = [data[each.start : each.end].split(b"\n")[:-1] for each in found.batches if each.intact]
    assert found.end + found.torn == len(data)
    return intact, sum(not each.intact for each in found.batches), found.torn


def test_batches_are_read_back_from_any_of_their_starts(tmp_path):
    path = tmp_path / "segment"
    path.write_bytes(b"".join(FRAMES))
    for number in range(len(FRAMES) + 1):
        start = sum(map(len, FRAMES[:number]))
        assert read(path, start) == (BATCHES[number:], 0, 0)


def test_an_end_torn_at_any_byte_is_measured_and_costs_only_its_own_batch(tmp_path):
    path = tmp_path / "segment"
    whole = b"".join(FRAMES[:-1])
    for length in range(len(FRAMES[-1])):
        path.write_bytes(whole + FRAMES[-1][:length])
        assert read(path) == (BATCHES[:-1], 0, length)
        assert read(path, len(whole)) == ([], 0, length)
    path.write_bytes(FRAMES[0][:-1])
    assert read(path) == ([], 0, len(FRAMES[0]) - 1)


@pytest.mark.parametrize("flip", [0x01, 0x04, 0x80, ord("\n") ^ ord("}"), ord("0") ^ ord("-"), ord("0") ^ ord("e")])
def test_a_byte_flipped_anywhere_damages_only_its_own_batch(tmp_path, flip):
    path = tmp_path / "segment"
    data = b"".join(FRAMES)
    starts = [sum(map(len, FRAMES[:number])) for number in range(5)]
    for position in range(len(data)):
        hit = next(number for number in range(4) if position < starts[number + 1])
        path.write_bytes(data[:position] + bytes([data[position] ^ flip]) + data[position + 1 :])
        intact, damaged, torn = read(path)
        assert intact == BATCHES[:hit] + BATCHES[hit + 1 :], position
        assert damaged >= 1 or torn, position


@pytest.mark.parametrize("length", [b"-2", b"0", b"1", b"100", b"500", b"99999999", b"1e400", b"null", b'"x"', b"[]"])
def test_a_header_that_lies_about_its_length_takes_no_other_batch_with_it(tmp_path, length):
    path = tmp_path / "segment"
    stated = str(len(b"".join(line + b"\n" for line in BATCHES[1]))).encode()
    lying = FRAMES[1].replace(b'"bytes":' + stated, b'"bytes":' + length, 1)
    assert lying != FRAMES[1]
    path.write_bytes(FRAMES[0] + lying + FRAMES[2] + FRAMES[3])
    assert read(path)[0] == [BATCHES[0], BATCHES[2], BATCHES[3]]


def test_damage_is_found_across_the_pieces_a_large_file_is_searched_in(tmp_path):
    path = tmp_path / "segment"
    for size in ((1 << 20) - 40, (1 << 20) - 5, (1 << 20), 3 << 20):
        broken = bytearray(frame([b'{"a":"' + b"x" * size + b'"}']))
        broken[3] ^= 1
        path.write_bytes(bytes(broken) + FRAMES[0])
        assert read(path) == ([BATCHES[0]], 1, 0)


def test_a_file_of_noise_is_one_damaged_batch_or_a_torn_end(tmp_path):
    path = tmp_path / "segment"
    for seed in range(50):
        noise = random.Random(seed).randbytes(seed * 7)
        path.write_bytes(noise)
        intact, damaged, torn = read(path)
        assert intact == [] and damaged == (b"\n" in noise) and bool(torn) == (b"\n" not in noise and bool(noise))


def test_paths_are_parsed_strictly():
    day = dt.date(2026, 3, 10)
    path = path_of("inferences", day, day, "01ABC")
    assert parse_path(Entry(path, 5, "")) == Segment(path, "inferences", day, day, 5)
    assert parse_path(Entry(path_of("steps", day, None, "01ABC"), 5, "")).day is None
    for strange in (path.replace("inferences", "things"), path + ".gz", path.replace("03-10", "13-45"), f"x/{path}"):
        assert parse_path(Entry(strange, 5, "")) is None


def test_what_the_landing_writer_did_not_write_is_foreign(tmp_path):
    landing = LocalStorage(tmp_path)
    day = dt.date(2026, 3, 10)
    own = [
        path_of("inferences", day, day, "01A"),
        path_of("feedback", day, None, "01A"),
        raw_path("steps", day, "a" * 32),
    ]
    foreign = [
        "stray.txt",
        "inferences/received=2026-03-10/notes.txt",
        "inferences/received=2026-03-10/raw/readme.md",
        "inferences/raw/" + "a" * 32 + ".bin",
        "things/received=2026-03-10/2026-03-10.01A.jsonl",
    ]
    for path in own + foreign:
        landing.put(path, b"1")
    assert [entry.path for entry in list_foreign(landing)] == sorted(foreign)
    assert [segment.path for segment in list_segments(landing, "inferences")] == own[:1]
    assert list(list_segments(landing, "inferences", since=dt.date(2026, 3, 11))) == []

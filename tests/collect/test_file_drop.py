"""File drops: foreign files become events through YAML alone, each file once, and one damaged file stops no other."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from canonry import lake
from canonry.catalog import SourceSpec
from canonry.collect.file_drop import FileDropError, take_files
from canonry.locations import LocationError
from canonry.storage import ObjectStorage, Zones
from tests.collect.making import DAY, collect_all, ids, rows

NOW = dt.datetime(2026, 3, 20)

CALLS = [
    {"id": f"c{number}", "moment": "2026-03-10T12:00:00Z", "tokens": number, "text": f"words {number}"}
    for number in range(5)
]
EMIT = {
    "event": "inferences",
    "fields": {"inference_id": "id", "started_at": "moment", "product": "'p'", "team": "'t'", "input_tokens": "tokens"},
}


def source(location: object, form: str = "jsonl", **more: object) -> SourceSpec:
    document = {"description": "Calls in files.", "owner": "a-team", "type": "file_drop", "emits": [EMIT]}
    return SourceSpec.model_validate({**document, "location": str(location), "format": form, **more})


def json_lines(calls: list[dict]) -> bytes:
    return b"".join(json.dumps(call).encode() + b"\n" for call in calls)


def take(zones: Zones, spec: SourceSpec):
    report = take_files(zones, "drop", spec, now=NOW)
    collect_all(zones, today=NOW.date())
    return report


def test_a_file_is_taken_once_and_a_changed_one_again_without_doubling(zones: Zones, tmp_path):
    file = tmp_path / "drop" / "calls.jsonl"
    file.parent.mkdir()
    file.write_bytes(json_lines(CALLS[:3]))
    assert take(zones, source(file.parent)).events == {"inferences": 3}
    again = take(zones, source(file.parent))
    assert (again.files, again.events) == (0, {})
    file.write_bytes(json_lines(CALLS))
    (file.parent / "more.jsonl").write_bytes(json_lines([{**CALLS[0], "id": "c9"}]))
    assert take(zones, source(file.parent)).events == {"inferences": 6}
    assert ids(zones, "inferences") == ["c0", "c1", "c2", "c3", "c4", "c9"]
    assert lake.manifest(zones.lake, "inferences", DAY)["duplicates"] == 3
    assert not lake.days(zones.lake, "rejected")


def write(path: Path, form: str) -> Path:
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(CALLS), path)
        return path
    if form == "jsonl":
        data = json_lines(CALLS)
    else:
        data = b"id,moment,tokens,text\n" + b"".join(
            b"%s\n" % ",".join(map(str, each.values())).encode() for each in CALLS
        )
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.jsonl", "jsonl"), ("a.jsonl.gz", "jsonl"), ("a.csv", "csv"), ("a.csv.gz", "csv"), ("a.parquet", "parquet")],
)
def test_every_format_plain_or_packed_gives_the_same_events(zones: Zones, tmp_path, name, form):
    write(tmp_path / name, form)
    assert take(zones, source(tmp_path / name, form)).events == {"inferences": 5}
    assert [(row["inference_id"], row["input_tokens"]) for row in rows(zones, "inferences")] == [
        (f"c{number}", number) for number in range(5)
    ]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_damaged_file_is_reported_and_the_others_are_taken(zones: Zones, tmp_path, form):
    good = write(tmp_path / "good", form)
    whole = gzip.compress(os.urandom(1000) + good.read_bytes() * 500) if form != "parquet" else good.read_bytes()
    damaged = {
        "cut": whole[: len(whole) // 2],
        "noise": os.urandom(5000),
        "flipped": whole[:500] + bytes([whole[500] ^ 0xFF]) + whole[501:-3] + b"\xff\xff\xff",
    }
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "empty").write_bytes(b"")
    spec = source(tmp_path / "*", form)
    report = take(zones, spec)
    assert {Path(file).name for file in report.problems} == {*damaged, "empty"}
    assert all(file in problem for file, problem in report.problems.items())
    assert report.files == 1 and len(ids(zones, "inferences")) == 5
    assert take(zones, spec).problems == {}
    write(tmp_path / "cut", form)
    again = take(zones, spec)
    assert (again.files, again.problems) == (1, {})


def test_a_cut_csv_is_not_taken_for_the_whole(zones: Zones, tmp_path):
    lines = b"id,moment,tokens,text\n" + b"".join(b"c%d,2026-03-10,1,x\n" % number for number in range(20_000))
    packed = gzip.compress(lines)
    (tmp_path / "calls.csv.gz").write_bytes(packed[: len(packed) // 2])
    report = take(zones, source(tmp_path / "calls.csv.gz", "csv"))
    assert report.files == 0 and len(report.problems) == 1
    assert ids(zones, "inferences") == []


def test_bad_lines_are_rejected_with_their_bytes_and_the_rest_is_taken(zones: Zones, tmp_path):
    bad = [b"not json", b"[1]", b'{"id": "\xff"}', b"{}", b'{"id": NaN}', b'{"id":"' + b"x" * (17 << 20) + b'"}']
    good = json_lines(CALLS).splitlines()
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([good[0], *bad, b"", b"  ", *good[1:]]))
    report = take(zones, source(tmp_path / "a.jsonl"))
    assert (report.files, report.unreadable, report.events) == (1, len(bad), {"inferences": 5})
    kept = {row["raw"] for row in rows(zones, "rejected", NOW.date())}
    assert kept == {*bad[:-1], None}
    assert len(ids(zones, "inferences")) == 5


def test_bad_lines_of_csv_are_rejected_with_their_bytes(zones: Zones, tmp_path):
    lines = [
        b"id,moment,tokens,text",
        b"c0,2026-03-10,1,x",
        b"c1,2026-03-10,1,x,too,many",
        b"c2,2026-03-10,1,x",
        b"short",
    ]
    lines += [b"c%d,2026-03-10,1,x" % number for number in range(3, 40)]
    (tmp_path / "a.csv").write_bytes(b"\n".join(lines) + b"\n")
    report = take(zones, source(tmp_path / "a.csv", "csv"))
    assert {row["raw"] for row in rows(zones, "rejected", NOW.date())} == {lines[2], lines[4]}
    assert (report.unreadable, len(ids(zones, "inferences"))) == (2, 39)


def test_values_that_make_no_event_are_rejected_beside_the_day(zones: Zones, tmp_path):
    calls = [*CALLS, {**CALLS[0], "id": "old", "moment": "1970-01-01"}, {**CALLS[0], "id": "bad", "tokens": -1}]
    (tmp_path / "a.jsonl").write_bytes(json_lines(calls))
    report = take(zones, source(tmp_path / "a.jsonl"))
    assert (report.events, report.unreadable) == ({"inferences": 6}, 1)
    assert {row["reason"].partition(":")[0] for row in rows(zones, "rejected")} == {"started_at", "input_tokens"}


def test_a_failed_expression_is_reported_and_tried_again_when_the_yaml_has_changed(zones: Zones, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(json_lines([*CALLS, {**CALLS[0], "id": "c9", "tokens": "many"}]))
    wrong = {**EMIT, "fields": {**EMIT["fields"], "input_tokens": "CAST(tokens AS BIGINT)"}}
    report = take(zones, source(tmp_path / "a.jsonl", emits=[wrong]))
    (problem,) = report.problems.values()
    assert f"{tmp_path}/a.jsonl: assets/sources/drop.yaml: emits.0: " in problem and "many" in problem
    assert ids(zones, "inferences") == []
    right = {**EMIT, "fields": {**EMIT["fields"], "input_tokens": "TRY_CAST(tokens AS BIGINT)"}}
    assert take(zones, source(tmp_path / "a.jsonl", emits=[right])).events == {"inferences": 6}


def test_a_lookup_is_joined_on_its_key(zones: Zones, tmp_path):
    write(tmp_path / "calls.csv", "csv")
    (tmp_path / "teams.csv").write_bytes(b"id,team\nc0,red\nc1,blue\n")
    lookup = {"teams": {"location": str(tmp_path / "teams.csv"), "format": "csv", "key": "id"}}
    fields = {**EMIT["fields"], "inference_id": "rows.id", "team": "coalesce(teams.team, 'none')"}
    take(zones, source(tmp_path / "calls.csv", "csv", lookups=lookup, emits=[{**EMIT, "fields": fields}]))
    assert [row["team"] for row in rows(zones, "inferences")] == ["red", "blue", "none", "none", "none"]


@pytest.mark.parametrize(
    ("teams", "key", "message"),
    [
        (
            b"id,team\nc0,red\nc0,blue\n",
            "id",
            r"lookups\.teams\.key: id is not unique in .*teams.csv: 'c0' is there twice",
        ),
        (b"id,team\nc0,red\n", "name", r"lookups\.teams\.key: rows has no column name"),
        (b"name,team\nc0,red\n", "id", r"lookups\.teams\.key: teams has no column id"),
        (os.urandom(3000), "id", r"lookups\.teams\.location: .*teams.csv: cannot be read as csv"),
        (None, "id", r"lookups\.teams\.location: expected one file at .*teams.csv, found 0"),
    ],
)
def test_a_wrong_lookup_names_the_yaml_and_its_field_and_is_tried_again(zones: Zones, tmp_path, teams, key, message):
    write(tmp_path / "calls.csv", "csv")
    if teams is not None:
        (tmp_path / "teams.csv").write_bytes(teams)
    lookup = {"teams": {"location": str(tmp_path / "teams.csv"), "format": "csv", "key": key}}
    spec = source(
        tmp_path / "calls.csv",
        "csv",
        lookups=lookup,
        emits=[{**EMIT, "fields": {**EMIT["fields"], "inference_id": "rows.id"}}],
    )
    with pytest.raises(FileDropError, match=r"assets/sources/drop\.yaml: " + message):
        take(zones, spec)
    if key == "id":
        (tmp_path / "teams.csv").write_bytes(b"id,team\nc0,red\n")
        assert take(zones, spec).events == {"inferences": 5}


def test_nothing_at_the_location_is_an_error_unless_optional(zones: Zones, tmp_path, monkeypatch):
    with pytest.raises(FileDropError, match=r"assets/sources/drop\.yaml: location: no file at .*none"):
        take(zones, source(tmp_path / "none"))
    monkeypatch.delenv("CANONRY_NOWHERE", raising=False)
    with pytest.raises(LocationError, match="the environment has no CANONRY_NOWHERE"):
        take(zones, source("${CANONRY_NOWHERE}/x"))
    for location in (tmp_path / "none", "${CANONRY_NOWHERE}/x"):
        assert take(zones, source(location, optional=True)).files == 0


def test_an_object_store_is_watched_like_a_folder(zones: Zones, bucket, tmp_path):
    store = ObjectStorage(f"{bucket}/drops")
    store.put("calls/a.jsonl.gz", gzip.compress(json_lines(CALLS[:2])))
    store.put("calls/b.jsonl", json_lines(CALLS[2:]))
    store.put("calls/notes.txt", b"hello")
    assert take(zones, source(f"{bucket}/drops/calls/*.jsonl*")).events == {"inferences": 5}
    assert take(zones, source(f"{bucket}/drops/calls/a.jsonl.gz")).files == 0
    assert ids(zones, "inferences") == [f"c{number}" for number in range(5)]


def test_a_file_of_another_sources_events_cannot_reach_beyond_its_rows(zones: Zones, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "a.jsonl").write_bytes(json_lines(CALLS[:1]))
    reading = {
        **EMIT,
        "fields": {**EMIT["fields"], "team": f"(SELECT content FROM read_text('{tmp_path}/secret.txt'))"},
    }
    report = take(zones, source(tmp_path / "a.jsonl", emits=[reading]))
    assert len(report.problems) == 1 and ids(zones, "inferences") == []


def test_a_source_that_masks_masks_what_its_files_hold_and_what_is_wrong_with_them(zones: Zones, tmp_path):
    call = {**CALLS[0], "text": "for ada@example.com"}
    file = tmp_path / "calls.jsonl"
    file.write_bytes(json_lines([call]) + b'{"id": "c9", "text": "ada@example.com\n')
    emit = {**EMIT, "fields": {**EMIT["fields"], "input_messages": "text"}}
    spec = source(file, emits=[emit], redaction={"content": "mask"})
    report = take(zones, spec)
    assert (report.events, report.unreadable) == ({"inferences": 1}, 1)
    broken = {**emit, "fields": {**emit["fields"], "input_tokens": "CAST(text AS INTEGER)"}}
    (problem,) = take(
        zones, spec.model_copy(update={"emits": source(file, emits=[broken]).emits})
    ).problems.values() or [""]
    assert problem == "" or "[email]" in problem
    (row,) = rows(zones, "contents")
    assert json.loads(row["input_messages"]) == "for [email]"
    for storage in (zones.landing, zones.journal, zones.lake):
        for entry in storage.list():
            assert b"ada@" not in storage.read(entry.path), entry.path

"""Gold sets: promoted where reviewers surely agree enough, with a datasheet that says what they are."""

from __future__ import annotations

import datetime as dt
import io
import json

import pyarrow.parquet as pq
import pytest
import yaml

from canonry.catalog.specs import Agreement
from canonry.label.gold import gold_set, judge
from canonry.label.gold.diff import difference
from canonry.label.gold.export import export_files, write_folder
from canonry.label.gold.spans import majority
from canonry.publish import release_and_promote
from tests.label.conftest import DAY

NAME = "groundedness"


def test_a_set_below_its_floor_says_by_how_much_and_which_field(labeled):
    gold = labeled(20)
    (row,) = gold.datasheet["agreement"]
    verdict = judge(gold.datasheet, Agreement(alpha_floor=0.67))
    assert not verdict.passed
    below = 0.67 - row["low"]
    assert row["low"] < row["alpha"] < 0.5
    assert (
        verdict.message.startswith("groundedness: alpha ") and f"{below:.3f} below the floor of 0.67" in verdict.message
    )
    assert judge(gold.datasheet, Agreement(alpha_floor=row["low"])).passed


def test_a_set_whose_point_estimate_alone_reaches_the_floor_is_not_promoted(labeled):
    gold = labeled(6)
    (row,) = gold.datasheet["agreement"]
    assert row["alpha"] > 0.75 > row["low"]
    assert not judge(gold.datasheet, Agreement(alpha_floor=0.75)).passed


def test_too_few_items_with_two_answers_say_how_many_are_missing(labeled):
    verdict = judge(labeled(0).datasheet, Agreement(minimum_items=100))
    assert not verdict.passed and "40 are missing" in verdict.message


def test_promoting_twice_gives_the_same_version_and_no_question_is_in_two_splits(labeled, zones, scheme):
    gold = labeled(0)
    again = gold_set(zones.lake, zones.journal, NAME, scheme, [DAY])
    assert again.files == gold.files
    now = dt.datetime(2026, 11, 11, tzinfo=dt.UTC)
    outcomes = [
        release_and_promote(zones, "gold", NAME, each.files, metadata=each.metadata, lineage=each.lineage,
                            reason="agreed", now=now)
        for each in (gold, again)
    ]  # fmt: skip
    assert outcomes[0].release.version == outcomes[1].release.version
    assert [outcome.state for outcome in outcomes] == ["moved", "unchanged"]
    rows = pq.read_table(io.BytesIO(gold.files["items.parquet"])).to_pylist()
    splits = {}
    for row in rows:
        splits.setdefault(row["question"], set()).add(row["split"])
    assert len(splits) == 30 and all(len(found) == 1 for found in splits.values())
    assert {row["split"] for row in rows} == {"train", "calibration", "test"}


def test_the_datasheet_counts_and_escapes(labeled):
    gold = labeled(0)
    sheet = json.loads(gold.files["datasheet.json"])
    assert sheet == gold.datasheet
    assert sheet["classes"] == {"groundedness": {"grounded": 30, "hallucinated": 30}}
    assert sum(found["items"] for found in sheet["splits"].values()) == 60
    assert sheet["labels"] == {"drawn": 60, "answered": 60, "skipped": 0, "unanswered": 0}
    page = gold.files["datasheet.md"].decode()
    assert "&lt;i>site\\|&lt;/i>" in page and "<i>" not in page


def test_spans_are_what_more_than_half_marked():
    answer = "One two three four."
    mark = [{"start": 4, "end": 13, "label": "unsupported"}]
    wide = [{"start": 0, "end": 19, "label": "unsupported"}]
    assert majority([mark, wide, []], answer) == mark
    assert majority([mark, []], answer) == []
    assert majority([wide], answer) == wide


def test_versions_are_compared_and_exported_in_formats_people_train_on(labeled, tmp_path):
    gold = labeled(0)
    items = pq.read_table(io.BytesIO(gold.files["items.parquet"]))
    shorter = items.slice(1)
    found = difference(items, shorter)
    assert (len(found.added), len(found.removed), found.changed, found.moved) == (0, 1, (), ())
    assert sum(before for before, _ in found.splits.values()) == 60
    chat = export_files(items, gold.datasheet, "v", "chat")
    assert chat == export_files(items, gold.datasheet, "v", "chat")
    lines = [json.loads(line) for data in chat.values() for line in data.splitlines()]
    assert len(lines) == 60
    assert [turn["role"] for turn in lines[0]["messages"]] == ["system", "user", "assistant"]
    assert json.loads(lines[0]["messages"][2]["content"])["groundedness"] in ("grounded", "hallucinated")
    files = export_files(items, gold.datasheet, "v", "huggingface")
    write_folder(tmp_path / "set", files)
    assert {str(p.relative_to(tmp_path / "set")) for p in (tmp_path / "set").rglob("*") if p.is_file()} == files.keys()
    header = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    listed = {each["split"]: each["path"] for each in header["configs"][0]["data_files"]}
    rows = {split: pq.read_table(tmp_path / "set" / path).num_rows for split, path in listed.items()}
    assert rows == {split: found["items"] for split, found in gold.datasheet["splits"].items()}
    with pytest.raises(FileExistsError):
        write_folder(tmp_path / "set", files)

"""`canonry gold`: what is in production and why the latest is not, what changed, and files to train on."""

from __future__ import annotations

import datetime as dt
import io
import json

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from canonry.cli import app
from canonry.client import read_gold
from canonry.label.gold import CANDIDATE, judge
from canonry.publish import release_and_promote
from canonry.release import PRODUCTION

NAME = "groundedness"
NOW = dt.datetime(2026, 11, 11, tzinfo=dt.UTC)


def _run(*arguments):
    return CliRunner().invoke(app, ["gold", *arguments], env={"COLUMNS": "200"})


@pytest.fixture
def released(labeled, zones, scheme, tmp_path, monkeypatch):
    """Two versions: in production one whose reviewers agree, on `candidate` one whose reviewers do not."""
    assets = tmp_path / "assets"
    (assets / "schemes").mkdir(parents=True)
    (assets / "schemes" / f"{NAME}.yaml").write_text(yaml.safe_dump(json.loads(scheme.model_dump_json())))
    monkeypatch.setenv("CANONRY_HOME", str(zones.home))
    monkeypatch.setenv("CANONRY_ASSETS", str(assets))
    monkeypatch.chdir(tmp_path)

    def release(gold, channel):
        outcome = release_and_promote(zones, "gold", NAME, gold.files, metadata=gold.metadata, lineage=gold.lineage,
                                      reason="test", now=NOW, channel=channel)  # fmt: skip
        return outcome.release.version

    before, after = labeled(0), labeled(20)
    return release(before, PRODUCTION), release(after, CANDIDATE), before, after


def test_nothing_released_is_said(zones, monkeypatch):
    monkeypatch.setenv("CANONRY_HOME", str(zones.home))
    assert "No gold set is released yet" in _run("status").output
    refused = _run("show", NAME)
    assert refused.exit_code == 1 and NAME in refused.output


def test_status_says_what_is_in_production_and_why_the_candidate_is_not(released, scheme):
    production, candidate, _, after = released
    shown = _run("status")
    assert shown.exit_code == 0, shown.output
    words = " ".join(shown.output.split())
    assert production in words and candidate in words and production != candidate
    assert "not promoted: groundedness: alpha" in words
    assert not judge(after.datasheet, scheme.agreement).passed


def test_show_prints_the_datasheet_of_a_channel_or_version(released):
    _, candidate, before, after = released
    assert _run("show", NAME).output == before.files["datasheet.md"].decode()
    assert _run("show", NAME, CANDIDATE).output == after.files["datasheet.md"].decode()
    assert _run("show", NAME, candidate).output == _run("show", NAME, "candidate").output


def test_diff_names_what_came_went_and_changed(released):
    production, candidate, before, after = released
    found = json.loads(_run("diff", NAME, PRODUCTION, CANDIDATE, "--json").output)
    kept = {row["item_id"] for row in _rows(after)}
    assert found["versions"] == [production, candidate]
    assert (found["added"], found["moved"]) == ([], [])
    assert set(found["removed"]) == {row["item_id"] for row in _rows(before)} - kept
    assert len(found["removed"]) > 0
    assert f"{len(found['removed'])} removed" in _run("diff", NAME, PRODUCTION, CANDIDATE).output


def test_exports_hold_every_item_of_the_splits_that_were_asked_for(released, tmp_path):
    for form, suffix in (("chat", "jsonl"), ("parquet", "parquet"), ("huggingface", "parquet")):
        done = _run("export", NAME, "--format", form, "--to", str(tmp_path / form))
        assert done.exit_code == 0, done.output
        files = sorted((tmp_path / form).rglob(f"*.{suffix}"))
        assert {file.stem.partition("-")[0] for file in files} == {"train", "calibration", "test"}
        assert sum(_items_in(file) for file in files) == 60
    done = _run("export", NAME, "--format", "chat", "--to", str(tmp_path / "train"), "--split", "train")
    assert done.exit_code == 0 and [file.name for file in (tmp_path / "train").iterdir()] == ["train.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "csv", "--to", "new"], "format 'csv' is not one of"),
        (["--format", "chat", "--to", "new", "--split", "dev"], "--split: dev is not one of"),
        (["--format", "chat", "--to", "assets"], "is there already and not empty"),
        (["--format", "chat", "--to", "new", "--version", "0" * 16], "0" * 16),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(released, tmp_path, arguments, said):
    done = _run("export", NAME, *arguments)
    assert done.exit_code == 1
    assert said in " ".join(done.output.split())
    assert not (tmp_path / "new").exists()


def test_the_client_reads_what_the_stage_releases(released, zones):
    production, candidate, before, _ = released
    gold = read_gold(NAME, home=zones.home)
    assert (gold.version, gold.datasheet) == (production, before.datasheet)
    assert {name: gold.split(name).num_rows for name in gold.datasheet["splits"]} == {
        name: each["items"] for name, each in before.datasheet["splits"].items()
    }
    assert read_gold(NAME, channel=CANDIDATE, home=zones.home).version == candidate


def _items_in(file):
    return len(file.read_text().splitlines()) if file.suffix == ".jsonl" else pq.read_table(file).num_rows


def _rows(gold):
    return pq.read_table(io.BytesIO(gold.files["items.parquet"])).to_pylist()

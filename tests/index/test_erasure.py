"""Whoever is erased leaves every index that was made of their calls: releases, candidates, and the builds to come."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from canonry import client, release
from canonry.catalog import IndexSpec
from canonry.cli import app
from canonry.encode import EncoderFiles
from canonry.index import store
from canonry.index.build import build_index
from canonry.index.erased import Erased, erased, keep, whose
from canonry.index.erasure import touched_by
from canonry.index.errors import IndexBuildError
from canonry.index.judge import release_candidate
from canonry.publish import release_and_promote
from canonry.storage import Zones
from tests.index.asked_calls import write_calls

NOW = dt.datetime(2026, 1, 3, 8, tzinfo=dt.UTC)
HERS, HIS = "a" * 32, "b" * 32
SECRET = "my tumour"
SQL = "SELECT inference_id AS id, output_messages AS text{call} FROM contents"


def calls(*more: dict[str, Any]) -> list[dict[str, Any]]:
    his = [
        {"id": f"i{n}", "question": "?", "answer": f"Number {n} is how it works.", "user_hash": HIS} for n in range(12)
    ]
    return [*his, *more]


HER_CALL = {"id": "her-1", "question": "?", "answer": f"What to do about {SECRET}.", "user_hash": HERS}


def released(zones: Zones, spec: IndexSpec, encoder: EncoderFiles) -> str:
    """Build, and release what passes its gate, as the graph does."""
    built = build_index(zones, "help", spec, encoder, NOW)
    assert built.gate and built.gate.passed, built.gate
    found = release_candidate(zones, "help")
    about: dict[str, Any] = {"metadata": found.metadata, "lineage": found.lineage}
    release_and_promote(zones, "indexes", "help", found.files, reason="passed its gate", now=NOW, **about)
    return found.version


def run(zones: Zones, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["index", "erase", *arguments], env={"CANONRY_HOME": zones.home, "COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


def texts(zones: Zones) -> str:
    found = release.resolve(zones.published, "indexes", "help")
    return "\n".join(pq.read_table(io.BytesIO(found.read("chunks.parquet")))["text"].to_pylist())


def holding(zones: Zones) -> list[str]:
    """Objects under published/, and of the index in the lake, in which the words stand."""
    found = []
    for storage, prefixes in ((zones.published, ("",)), (zones.lake, ("documents", "chunks", "cut", "candidates"))):
        for entry in (each for prefix in prefixes for each in storage.list(prefix)):
            data = storage.read(entry.path)
            if entry.path.endswith(".parquet"):
                data = str(pq.read_table(io.BytesIO(data)).to_pydict()).encode()
            found += [entry.path] if SECRET.encode() in data else []
    return found


def test_a_person_leaves_the_release_the_candidates_and_later_builds(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec: Any
) -> None:
    spec = make_spec(documents={"kind": "query", "sql": SQL.format(call=", inference_id"), "title": None})
    write_calls(zones, calls())
    clean = released(zones, spec, tiny_encoder)
    write_calls(zones, calls(HER_CALL))
    touched = released(zones, spec, tiny_encoder)
    assert SECRET in texts(zones) and holding(zones)

    arguments = ("--user", HERS, "--reason", "asked to be forgotten")
    said = run(zones, *arguments, "--dry-run")
    assert "1 calls; would go of indexes:" in said and touched in said and clean not in said
    assert release.resolve(zones.published, "indexes", "help").version == touched
    assert not erased(zones).users

    assert f"indexes/help production: goes back to {clean}" in run(zones, *arguments)
    assert client.open_index("help", home=zones.home).version == clean
    assert holding(zones) == []
    with pytest.raises(release.Withdrawn, match="asked to be forgotten"):
        client.open_index("help", version=touched, home=zones.home)
    moves = release.journalled_moves(zones.journal, "indexes", "help")
    assert [(move.action, move.version) for move in moves][-1] == ("rollback", clean)

    # The lake still has her words: what is built of it has not.
    write_calls(zones, calls(HER_CALL, {**HER_CALL, "id": "her-2"}, {"id": "i99", "question": "?", "answer": "New."}))
    after = released(zones, spec, tiny_encoder)
    assert after not in (clean, touched)
    assert "New." in texts(zones) and holding(zones) == []
    assert touched_by(zones, erased(zones)) == []


def test_without_an_earlier_version_the_channel_gives_nothing_until_the_index_is_built_again(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec: Any
) -> None:
    """A query that does not say of which call a row is: any erasure takes its releases."""
    spec = make_spec(documents={"kind": "query", "sql": SQL.format(call=""), "title": None})
    write_calls(zones, calls(HER_CALL))
    version = released(zones, spec, tiny_encoder)
    said = run(zones, "--call", "her-1", "--reason", "a mistake")
    assert "cannot be told" in said and "gives nothing until the index is built again" in said
    with pytest.raises(release.Withdrawn, match="a mistake"):
        client.open_index("help", home=zones.home)
    assert released(zones, spec, tiny_encoder) != version
    assert holding(zones) == [] and "Number 3" in texts(zones)


def test_a_candidate_that_was_built_before_is_not_released(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec: Any
) -> None:
    spec = make_spec(documents={"kind": "query", "sql": SQL.format(call=", inference_id"), "title": None})
    write_calls(zones, calls(HER_CALL))
    built = build_index(zones, "help", spec, tiny_encoder, NOW)
    keep(zones.journal, whose(zones.lake, ["her-1"], []), "a mistake", NOW)
    with pytest.raises(IndexBuildError, match="holds what was erased since; build it again"):
        release_candidate(zones, "help")
    assert [each.version for each in touched_by(zones, erased(zones))] == [built.version]


def test_an_index_of_files_is_touched_by_nobody(zones: Zones, tiny_encoder: EncoderFiles, make_spec: Any) -> None:
    spec = make_spec([{"id": f"d{n}", "text": f"Passage {n}."} for n in range(12)])
    version = released(zones, spec, tiny_encoder)
    assert "none" in run(zones, "--call", "her-1", "--reason", "a mistake")
    assert store.latest_version(zones.lake, "help") == version == client.open_index("help", home=zones.home).version


def test_rows_of_a_trace_are_left_out_where_they_say_no_call() -> None:
    import pyarrow as pa

    gone = Erased(frozenset({"i1"}), frozenset({"t1"}), frozenset({HERS}))
    rows = pa.table(
        {
            "inference_id": ["i1", "i2", None, None, "i3"],
            "trace_id": ["t1", "t1", "t1", "t2", "t3"],
            "user_hash": [None, None, None, None, HERS],
        }
    )
    assert gone.without(rows)["inference_id"].to_pylist() == ["i2", None]
    assert gone.without(rows.select(["trace_id"]))["trace_id"].to_pylist() == ["t2", "t3"]
    assert Erased().without(rows) == rows

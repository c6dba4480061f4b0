"""Coverage gaps: far questions told together, with what they cost and what was thought of them, nobody named."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from canonry import lake, release
from canonry.cli import app
from canonry.embedded import Embedded
from canonry.index import gaps
from canonry.index.errors import IndexBuildError
from canonry.index.gaps import clusters, coverage_gaps
from canonry.storage import Zones
from tests.index.asked_calls import DAY, write_calls
from tests.released import chunks, release_index

TOPICS = {"sso": 0, "pricing": 1, "weather": 2, "known": 3}
"""Place of the one in the vector of a question that holds the word; the index has chunks about the last alone."""


def fake_embed(_: Any, __: Any, texts: list[str]) -> Embedded:
    """A stand-in for the encoder: a question is about the topic whose word it holds."""
    made = np.zeros((len(texts), 8), np.float32)
    for row, text in enumerate(texts):
        made[row, next(place for word, place in TOPICS.items() if word in text)] = 1
        made[row, 7] = 0.01 * row
    return Embedded(made / np.linalg.norm(made, axis=1, keepdims=True), len(texts), 0)


@pytest.fixture
def asked(zones: Zones, monkeypatch: pytest.MonkeyPatch) -> Zones:
    monkeypatch.setattr(gaps, "embed", fake_embed)
    made = np.zeros((5, 8), np.float32)
    made[:, 3] = 1
    release_index(zones.published, made, chunks(5), name="help")
    questions = [
        *(
            (f"q{n}", f"does sso work for {'jo@example.org' if n == 0 else n}?", [-1] if n < 3 else [])
            for n in range(5)
        ),
        *((f"p{n}", f"pricing of plan {n}", [1]) for n in range(3)),
        ("w0", "weather today, I am the only one who asks", []),
        *((f"k{n}", f"known thing {n}", [1]) for n in range(4)),
    ]
    write_calls(zones, [{"id": each, "question": text, "thumbs": thumbs} for each, text, thumbs in questions])
    schema = lake.SCHEMAS["charges"]
    charged = [
        dict.fromkeys(schema.names)
        | {"charge_id": f"{each}-{part}", "inference_id": each, "amount": Decimal("0.25"), "status": "priced"}
        for each in ("q0", "q1", "p0")
        for part in ("in", "out")
    ]
    charged.append(dict.fromkeys(schema.names) | {"charge_id": "x", "inference_id": "p0", "status": "unpriced"})
    lake.write(zones.lake, "charges", DAY, pa.Table.from_pylist(charged, schema=schema), {})
    return zones


def test_far_questions_are_told_together(asked: Zones, make_spec: Any) -> None:
    found = coverage_gaps(asked, "help", make_spec(gaps={}))
    assert (found.questions, found.far) == (13, 9)
    sso, pricing, others = found.table.to_pylist()
    assert (sso["gap"], sso["questions"], sso["liked"], sso["disliked"]) == (1, 5, 0, 3)
    assert (sso["cost_usd"], sso["unpriced"]) == (Decimal(1), 3)
    assert (pricing["gap"], pricing["questions"], pricing["liked"], pricing["cost_usd"]) == (2, 3, 3, Decimal(0))
    assert sso["share"] == pytest.approx(5 / 13, abs=1e-6) and sso["similarity"] < 0.45
    assert sso["examples"][0] == "does sso work for [email]?" and len(sso["examples"]) == 3
    assert (others["gap"], others["questions"], others["examples"]) == (0, 1, [])
    assert {row["index_version"] for row in found.table.to_pylist()} == {
        release.resolve(asked.published, "indexes", "help").version
    }
    assert (sso["first_day"], sso["last_day"]) == (DAY, DAY)


def test_the_table_stays_in_the_lake(asked: Zones, make_spec: Any) -> None:
    before = {entry.path for entry in asked.published.list()}
    coverage_gaps(asked, "help", make_spec(gaps={}))
    assert asked.lake.head(gaps.gaps_path("help"))
    assert {entry.path for entry in asked.published.list()} == before
    with pytest.raises(IndexBuildError, match="gaps: is not set"):
        coverage_gaps(asked, "help", make_spec())


def test_without_questions_there_is_no_gap(zones: Zones, make_spec: Any) -> None:
    made = np.eye(5, 8, dtype=np.float32)
    release_index(zones.published, made, chunks(5), name="help")
    found = coverage_gaps(zones, "help", make_spec(gaps={}))
    assert (found.questions, found.far, found.table.num_rows) == (0, 0, 0)


def test_clusters_are_numbered_by_size_and_the_small_ones_are_none() -> None:
    made = np.repeat(np.eye(4, dtype=np.float32), [2, 5, 3, 1], axis=0)
    assert clusters(made, 3).tolist() == [0] * 2 + [1] * 5 + [2] * 3 + [0]
    assert clusters(made[:1], 3).tolist() == [0]
    assert clusters(made[:0], 3).tolist() == []


def test_the_command_shows_them(asked: Zones, make_spec: Any, tmp_path: Path) -> None:
    (tmp_path / "assets" / "indexes").mkdir(parents=True)
    source = Path(__file__).parents[2] / "assets"
    shutil.copytree(source / "models", tmp_path / "assets" / "models")
    (tmp_path / "assets" / "indexes" / "help.yaml").write_text(json.dumps(make_spec(gaps={}).model_dump(mode="json")))
    arguments = ["index", "gaps", "help", "--assets", str(tmp_path / "assets")]
    done = CliRunner().invoke(app, arguments, env={"CANONRY_HOME": asked.home, "COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    assert "9 of 13 questions (69.2%) have no match of 0.45" in done.output
    assert "does sso work for [email]?" in done.output and "only one who asks" not in done.output
    lines = CliRunner().invoke(app, [*arguments, "--json"], env={"CANONRY_HOME": asked.home}).output.splitlines()
    assert [json.loads(line)["questions"] for line in lines] == [5, 3, 1]

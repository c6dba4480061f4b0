"""`canonry eval`: what a run would cost, its verdict and exit status, the flips in words, how many items it takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from canonry.catalog import Catalog
from canonry.cli import app
from canonry.publish import publish_models, publish_prompts
from canonry.storage import Zones
from tests.completions.stand_in import StandIn, serving
from tests.regressions.governed import COMPARISON, NOW, governed, publish_gold
from tests.regressions.test_compare import good, worse


@pytest.fixture
def stand_in(tmp_path: Path, zones: Zones, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("CANONRY_HOME", zones.home)
    monkeypatch.setenv("CANONRY_ASSETS", str(tmp_path / "assets"))
    monkeypatch.setenv("COLUMNS", "200")
    with serving(good) as found:
        monkeypatch.setenv("CANONRY_LLM_URL", found.url)
        yield found


@pytest.fixture
def catalog(tmp_path: Path, zones: Zones, stand_in: StandIn) -> Catalog:
    found = governed(tmp_path / "assets", COMPARISON)
    publish_prompts(zones, found, day=NOW.date(), now=NOW)
    publish_models(zones, found, day=NOW.date(), now=NOW)
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["eval", *arguments])


def test_from_the_plan_to_the_flips(zones: Zones, catalog: Catalog, stand_in: StandIn) -> None:
    assert "none yet" in run("list").stdout
    planned = json.loads(run("plan", "c", "--json").stdout)
    assert planned["items"] is None and planned["changed"] == 0.1
    publish_gold(zones, 60)
    planned = json.loads(run("plan", "c", "--changed", "0.02", "--json").stdout)
    assert planned["items"] == 60 and planned["needed"] > 40 and 0.5 < planned["power_now"] < 1
    dry = run("run", "c", "--dry-run").stdout
    assert "m-1: 60 items, 60 calls (0 answers kept)" in dry and "about $" in dry and not stand_in.requests
    stand_in.behave = worse
    result = run("run", "c")
    assert result.exit_code == 2 and result.stdout.startswith("worse  models/m: m-2 to m-1")
    assert "60 items, 30 unchanged, changed ones judged 30 by people" in result.stdout
    assert "worse" in run("list").stdout
    shown = run("show", "c").stdout
    assert "item-0000-yes" in shown and "What is 0?" not in shown
    words = run("show", "c", "--texts").stdout
    assert "What is 0?" in words and "It is 0." in words and "Not 0." in words
    assert len(stand_in.requests) == 120


def test_a_candidate_that_passes_leaves_with_success(zones: Zones, catalog: Catalog) -> None:
    publish_gold(zones, 60)
    assert json.loads(run("run", "c", "--json").stdout)["verdict"]["word"] == "not worse"


def test_what_cannot_be_compared_says_why(zones: Zones, catalog: Catalog) -> None:
    result = run("run", "c")
    assert result.exit_code == 1 and "gold/grounded" in result.stderr
    assert "is no comparison (known: c)" in run("run", "d").stderr
    assert "was not run yet" in run("show", "c").stderr

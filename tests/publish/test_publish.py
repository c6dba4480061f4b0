"""What is canonical is released, production points to it, and the journal knows every move."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from canonry import catalog, client, publish, release
from canonry.storage import Zones

NOW = dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC)
DAY = NOW.date()
TABLE = pa.table({"day": [dt.date(2026, 11, 1), dt.date(2026, 11, 2)], "cost": [1.5, 2.5]})


def journal(zones: Zones) -> list[dict[str, Any]]:
    return [json.loads(zones.journal.read(entry.path)) for entry in zones.journal.list("releases")]


def publish_tables(zones: Zones, table: pa.Table = TABLE, now: dt.datetime = NOW) -> publish.Outcome:
    return publish.publish_tables(zones, {"cost_daily": table}, now=now, lineage={"run": "r"})["cost_daily"]


def write(root: Path, kind: str, name: str, text: str) -> None:
    (root / kind).mkdir(parents=True, exist_ok=True)
    (root / kind / f"{name}.yaml").write_text(text)


def test_tables_are_released_and_the_move_is_journalled(zones: Zones) -> None:
    outcome = publish_tables(zones)
    assert outcome.state == "moved"
    assert client.read_table("cost_daily", home=zones.home).equals(TABLE)
    [entry] = journal(zones)
    assert (entry["version"], entry["action"], entry["reason"]) == (outcome.release.version, "promote", "recomputed")
    [path] = [entry.path for entry in zones.journal.list("releases")]
    name = f"20261120T080000.000000Z-{outcome.release.version}-production.json"
    assert path == f"releases/tables/cost_daily/{name}"
    assert outcome.release.manifest.metadata["columns"] == {"day": "date32[day]", "cost": "double"}


def test_publishing_what_is_in_production_moves_and_journals_nothing(zones: Zones) -> None:
    first = publish_tables(zones)
    again = publish_tables(zones, now=NOW + dt.timedelta(hours=1))
    assert (again.state, again.move, again.release.version) == ("unchanged", first.move, first.release.version)
    assert len(journal(zones)) == 1


def test_what_was_rolled_back_from_stays_back_while_the_schedule_goes_on(zones: Zones) -> None:
    first = publish_tables(zones)
    second = publish_tables(zones, TABLE.slice(1))
    move = publish.rollback_and_journal(zones, "tables", "cost_daily", reason="a day is missing", now=NOW)
    assert move.withdrawn == (second.release.version,)
    again = publish_tables(zones, TABLE.slice(1))
    assert (again.state, again.move) == ("withdrawn", move)
    assert client.read_table("cost_daily", home=zones.home).equals(TABLE)
    assert [entry["action"] for entry in journal(zones)] == ["promote", "promote", "rollback"]
    assert journal(zones)[-1]["previous"] == second.release.version
    assert first.release.version == move.version


def test_a_move_whose_entry_a_crash_swallowed_is_journalled_by_the_next_run(
    zones: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(zones.journal, "put_if_absent", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            publish_tables(zones)
    assert client.read_table("cost_daily", home=zones.home).equals(TABLE)
    assert journal(zones) == []
    assert publish_tables(zones, TABLE.slice(1)).state == "moved"
    assert len(journal(zones)) == 2


PROMPT = """
description: How to answer.
owner: docs
variables: [question]
versions:
  - {since: 2026-11-01, change: First version., template: "Q: {question}"}
  - {since: 2026-11-15, change: Be brief., template: "Briefly: {question}"}
"""


@pytest.mark.parametrize(
    ("day", "number", "text"), [("2026-11-01", 1, "Q: why?"), ("2026-11-14", 1, "Q: why?"), ("2026-11-15", 2, None)]
)
def test_the_prompt_in_force_on_the_day_is_released(
    zones: Zones, tmp_path: Path, day: str, number: int, text: str | None
) -> None:
    write(tmp_path / "assets", "prompts", "answer", PROMPT)
    assets = catalog.load(tmp_path / "assets")
    outcome = publish.publish_prompts(zones, assets, day=dt.date.fromisoformat(day), now=NOW)["answer"]
    assert outcome.release.manifest.metadata["number"] == number
    prompt = client.get_prompt("answer", home=zones.home)
    assert prompt.render(question="why?") == (text or "Briefly: why?")
    assert prompt.version == outcome.release.version
    assert prompt.change == outcome.move.reason


def test_a_prompt_without_a_version_in_force_is_left_out(zones: Zones, tmp_path: Path) -> None:
    write(tmp_path / "assets", "prompts", "answer", PROMPT)
    assets = catalog.load(tmp_path / "assets")
    assert publish.publish_prompts(zones, assets, day=dt.date(2026, 10, 31), now=NOW) == {}
    assert publish.publish_models(zones, assets, day=DAY, now=NOW) is None


MODEL = """
description: A model for answers.
owner: docs
role: chat
provider: own
versions: [answer-1]
stages:
  - {stage: candidate, since: 2026-11-01, reason: "To be tried."}
  - {stage: production, since: 2026-11-10, reason: "Better."}
prices:
  - {valid_from: 2026-01-01, input_mtok: "0.15", output_mtok: "0.60", reason: "Internal rate."}
"""


def test_models_are_released_with_the_stage_in_force(zones: Zones, tmp_path: Path) -> None:
    write(tmp_path / "assets", "models", "answer", MODEL)
    assets = catalog.load(tmp_path / "assets")
    outcomes = [publish.publish_models(zones, assets, day=dt.date(2026, 11, day), now=NOW) for day in (1, 9, 10, 11)]
    assert [outcome.state if outcome else None for outcome in outcomes] == ["moved", "unchanged", "moved", "unchanged"]
    model = client.get_model("answer", home=zones.home)
    assert (model.stage, model.since, model.versions) == ("production", dt.date(2026, 11, 10), ("answer-1",))
    assert str(model.prices[0].output_mtok) == "0.60"
    with pytest.raises(release.ReleaseError, match="known: answer"):
        client.get_model("other", home=zones.home)


def test_the_catalog_in_this_repository_can_be_published(zones: Zones) -> None:
    assets = catalog.load(Path(__file__).parents[2] / "assets")
    prompts = publish.publish_prompts(zones, assets, day=DAY, now=NOW)
    assert set(prompts) == set(assets.prompts)
    for name in prompts:
        prompt = client.get_prompt(name, home=zones.home)
        assert "{" not in prompt.render(**dict.fromkeys(prompt.variables, "text"))
    assert publish.publish_models(zones, assets, day=DAY, now=NOW) is not None
    for name in assets.models:
        client.get_model(name, home=zones.home)

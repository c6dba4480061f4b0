"""The assets of scorers: nothing before there is gold, then a promoted release, and scores of the days asked for."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pyarrow.compute as pc
import pytest

from canonry import lake, release
from canonry.catalog import Catalog, SchemeSpec
from canonry.evaluate.anchors import read_readings
from canonry.evaluate.scorers import KIND
from canonry.score import trees
from canonry.storage import open_zones
from dagster_project import score
from dagster_project.resources import Platform
from tests.completions.stand_in import serving
from tests.evaluate.judge_stand_in import judging_with, sensible
from tests.evaluate.judges import catalog_of, judge
from tests.evaluate.test_definitions import rules
from tests.evaluate.test_scorers import DAY, NOW, SPEC, publish_gold, write_day
from tests.score.made import made_answers

SCHEME = SchemeSpec.model_validate(
    {
        "description": "Made for this test only.",
        "owner": "ai-quality",
        "version": 1,
        "instructions": "Read all of it, then decide.",
        "choices": [{"name": "groundedness", "question": "Supported?", "choices": ["grounded", "hallucinated"]}],
        "sampling": {"strata": ["product"], "per_stratum": 6},
    }
)
CATALOG = Catalog(Path("assets"), schemes={"groundedness": SCHEME}, scorers={"risk": SPEC})


class ThisCatalog(Platform):
    """A platform that governs one scorer."""

    @property
    def catalog(self) -> Catalog:  # type: ignore[override]
        return CATALOG


def materialize(
    home: Path,
    key: list[str],
    partition: str | None = None,
    platform_class: type[Platform] = ThisCatalog,
    config: dict[str, str] | None = None,
) -> dict[str, dg.MetadataValue]:
    platform = platform_class(home=str(home))
    assets = [*(score.build(platform.catalog).assets or ())]
    # An instance of this test's own: Dagster else asks the process's last one for its state, and that may be gone.
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            assets,
            selection=[dg.AssetKey(key)],
            resources={"platform": platform},
            partition_key=partition,
            run_config={"ops": {"lake__scores": {"config": config}}} if config else None,
            instance=instance,
        )
    (event,) = result.get_asset_materialization_events()
    return dict(event.materialization.metadata)


def test_a_scorer_is_trained_promoted_and_scores_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "TREES", 8)
    monkeypatch.setenv("CANONRY_FIRST_DAY", "2026-11-01")
    zones = open_zones(tmp_path)
    assert materialize(tmp_path, ["published", KIND, "risk"])["trained"].value is False

    labeled = made_answers()
    gold = publish_gold(zones.published, labeled)
    release.promote(zones.published, "gold", "groundedness", gold.version, reason="made for this test", now=NOW)
    found = materialize(tmp_path, ["published", KIND, "risk"])
    assert (found["promoted"].value, found["verdict"].value) == (True, "first")
    version = release.resolve(zones.published, KIND, "risk").version
    assert found["version"].value == version

    write_day(zones.lake, labeled)
    shown = materialize(tmp_path, ["lake", "scores"], DAY.isoformat())
    assert shown["scored"].value == len(labeled) + 1
    assert "risk: skipped: 1" in shown["calls"].value
    assert set(lake.read(zones.lake, "scores", [DAY])["scorer_version"].to_pylist()) == {version}


def rules_catalog(*checks: str) -> type[Platform]:
    spec = rules(*checks)

    class Rules(Platform):
        """A platform that governs one scorer of rules."""

        @property
        def catalog(self) -> Catalog:  # type: ignore[override]
            return Catalog(Path("assets"), scorers={"text": spec})

    return Rules


def test_a_backfill_by_a_version_that_is_not_in_production_adds_its_rows_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANONRY_FIRST_DAY", "2026-11-01")
    zones = open_zones(tmp_path)
    write_day(zones.lake, made_answers(4))
    key, day = ["published", KIND, "text"], DAY.isoformat()
    old = materialize(tmp_path, key, platform_class=rules_catalog("refusal"))["version"].value
    later = rules_catalog("refusal", "length")
    new = materialize(tmp_path, key, platform_class=later)["version"].value
    assert old != new
    materialize(tmp_path, ["lake", "scores"], day, later)
    before = lake.read(zones.lake, "scores", [DAY])
    assert set(before["scorer_version"].to_pylist()) == {new}

    chosen = {"scorer": "text", "version": str(old)}
    shown = materialize(tmp_path, ["lake", "scores"], day, later, chosen)
    both = lake.read(zones.lake, "scores", [DAY])
    kept = both.filter(pc.equal(both["scorer_version"], new))
    assert lake.parquet_bytes(kept) == lake.parquet_bytes(before)
    assert both.num_rows - before.num_rows == shown["scored"].value == len(made_answers(4)) + 2
    # The version in production stays the newest, whenever the older one was run.
    newest = max(zip(both["scored_at"].to_pylist(), both["scorer_version"].to_pylist(), strict=True))
    assert newest[1] == new


def test_a_judge_without_an_endpoint_scores_nothing_and_with_one_says_what_it_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANONRY_FIRST_DAY", "2026-11-01")
    monkeypatch.delenv("CANONRY_LLM_URL", raising=False)
    anchors = {"scheme": "groundedness", "field": "groundedness", "positive": "hallucinated", "split": "train"}
    spec = judge(budget={"calls_a_day": 14}, anchors={**anchors, "most": 10})

    class Judged(Platform):
        """A platform that governs one judge."""

        @property
        def catalog(self) -> Catalog:  # type: ignore[override]
            return catalog_of(spec)

    zones = open_zones(tmp_path)
    labeled = made_answers(10)
    write_day(zones.lake, labeled)
    gold = publish_gold(zones.published, labeled)
    release.promote(zones.published, "gold", "groundedness", gold.version, reason="made for this test", now=NOW)
    materialize(tmp_path, ["published", KIND, "support"], platform_class=Judged)
    assert materialize(tmp_path, ["lake", "scores"], DAY.isoformat(), Judged)["scored"].value == 0

    with serving(judging_with(sensible)) as server:
        monkeypatch.setenv("CANONRY_LLM_URL", server.url)
        monkeypatch.setenv("CANONRY_LLM_API_KEY", "k-secret-5")
        shown = materialize(tmp_path, ["lake", "scores"], DAY.isoformat(), Judged)
        # Ten of the budget's fourteen are the anchors', which come first.
        assert len(server.requests) == 14 and set(server.keys) == {"Bearer k-secret-5"}
    assert shown["scored"].value >= 4 and "support: over" in shown["calls"].value
    assert [len(each.values) for each in read_readings(zones.journal, "support")] == [10]
    assert lake.read(zones.lake, "scores", [DAY]).num_rows == shown["scored"].value
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"k-secret-5" not in file.read_bytes()
    assert "k-secret-5" not in str({name: value.value for name, value in shown.items()})

"""The assets of scorers: nothing before there is gold, then a promoted release, and scores of the days asked for."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from canonry import lake, release
from canonry.catalog import Catalog, SchemeSpec
from canonry.evaluate.scorers import KIND
from canonry.score import trees
from canonry.storage import open_zones
from dagster_project import score
from dagster_project.resources import Platform
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


def materialize(home: Path, key: list[str], partition: str | None = None) -> dict[str, dg.MetadataValue]:
    platform = ThisCatalog(home=str(home))
    assets = [*(score.build(CATALOG).assets or ())]
    # An instance of this test's own: Dagster else asks the process's last one for its state, and that may be gone.
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            assets,
            selection=[dg.AssetKey(key)],
            resources={"platform": platform},
            partition_key=partition,
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

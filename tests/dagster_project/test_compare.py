"""The graph's comparisons: the check shows the verdict, and a promotion run alone does not get past it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from canonry import client
from canonry.catalog import Catalog
from canonry.publish import publish_models, publish_prompts, uncompared
from canonry.storage import Zones
from dagster_project import compare, govern
from dagster_project.resources import Platform
from tests.completions.stand_in import StandIn, serving
from tests.regressions.governed import COMPARISON, NOW, governed, publish_gold
from tests.regressions.test_compare import good, worse


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with serving(good) as found:
        monkeypatch.setenv("CANONRY_LLM_URL", found.url)
        yield found


def run(zones: Zones, catalog: Catalog, *keys: list[str]) -> dg.ExecuteInProcessResult:
    class ThisCatalog(Platform):
        @property
        def catalog(self) -> Catalog:  # type: ignore[override]
            return catalog

    built = [compare.build(catalog), govern.build(catalog)]
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [each for one in built for each in (*(one.assets or ()), *(one.asset_checks or ()))],
            selection=[dg.AssetKey(key) for key in keys],
            resources={"platform": ThisCatalog(home=zones.home)},
            instance=instance,
        )


def test_a_regression_fails_its_check_and_stays_out_while_the_rest_is_published(
    tmp_path: Path, zones: Zones, stand_in: StandIn
) -> None:
    catalog = governed(tmp_path / "assets", COMPARISON)
    day = Platform.today()
    publish_prompts(zones, catalog, day=day, now=NOW)
    publish_models(zones, catalog, day=day, now=NOW)
    assert uncompared(zones, catalog, day) == []
    publish_gold(zones, 60)
    assert uncompared(zones, catalog, day) == ["c"]
    stand_in.behave = worse
    result = run(zones, catalog, ["comparisons", "c"], ["published", "models"])
    assert result.success
    [check] = result.get_asset_check_evaluations()
    assert not check.passed and "worse: it dropped by more than 0.1" in (check.description or "")
    shown = {event.asset_key: event.materialization.metadata for event in result.get_asset_materialization_events()}
    assert shown[dg.AssetKey(["comparisons", "c"])]["verdict"].value == "worse"
    assert "m" in shown[dg.AssetKey(["published", "models"])]["held_back"].value  # type: ignore[operator]
    assert uncompared(zones, catalog, day) == []
    assert run(zones, catalog, ["published", "models"]).success
    assert client.get_model("m", home=zones.home).version == "m-1"


def test_without_gold_nothing_is_compared_and_the_check_says_what_to_do(
    tmp_path: Path, zones: Zones, stand_in: StandIn
) -> None:
    catalog = governed(tmp_path / "assets", COMPARISON)
    publish_prompts(zones, catalog, day=Platform.today(), now=NOW)
    publish_models(zones, catalog, day=Platform.today(), now=NOW)
    result = run(zones, catalog, ["comparisons", "c"])
    [check] = result.get_asset_check_evaluations()
    assert not check.passed and "canonry eval run c" in (check.description or "")

"""Zones with everything a scorecard shows, and the page of them with the charts that were drawn for it."""

from __future__ import annotations

from typing import Any

import pytest
import vl_convert

from canonry import lake
from canonry.storage import Zones, open_zones
from tests.scorecard_home import Page, page, publish_marts, publish_rest


def _fill(zones: Zones) -> Zones:
    publish_marts(zones)
    publish_rest(zones)
    return zones


@pytest.fixture
def filled(zones: Zones) -> Zones:
    """Zones with everything a scorecard shows."""
    return _fill(zones)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, list[Any]]:
    """The page of such zones, and every chart as it was told to Vega-Lite; made once."""
    zones = open_zones(tmp_path_factory.mktemp("drawn") / "home")
    lake.ensure_anchors(zones.lake)
    charts: list[Any] = []
    draw = vl_convert.vegalite_to_svg
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vl_convert, "vegalite_to_svg", lambda chart: (charts.append(chart), draw(chart))[1])
        return page(_fill(zones)), charts


@pytest.fixture
def shown(drawn: tuple[Page, list[Any]]) -> Page:
    """The page of zones with everything a scorecard shows."""
    return drawn[0]

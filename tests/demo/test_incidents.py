"""The demo's silent update of the provider: found by a monitor of the catalog, and named, from what products log."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

from canonry import catalog as catalogs
from canonry.alerts import every
from canonry.collect.partition import collect_day
from canonry.demo import traffic
from canonry.demo.assistant import Reply
from canonry.demo.products import DAYS, FINGERPRINTS, PROVIDER_UPDATE
from canonry.demo.questions import Question
from canonry.evaluate.monitors import watch
from canonry.storage import Zones

ASSETS = Path(__file__).parent.parent.parent / "assets"


class Steady:
    """The stand-in, but for its versions quoting alike: so it is in the real answerer, and the update stands alone."""

    def __init__(self, stand_in: Any) -> None:
        self._stand_in = stand_in
        self.index = self.prompt = stand_in.index

    def ask(self, question: str, version: str, **how: Any) -> Reply:
        """Answer at once, as 1.0 does."""
        reply = self._stand_in.ask(question, "1.0", **how)
        return replace(reply, model_version=f"docs-extractive-{version}")

    def forget(self) -> None:
        """There is no cache."""


def test_the_silent_update_opens_an_incident_with_its_cause_and_says_that_it_is_simulated(
    zones: Zones, stand_in: Any, some_questions: list[Question]
) -> None:
    days = DAYS[:12]
    traffic.play(zones, Steady(stand_in), some_questions, days)
    for day in days:
        collect_day(zones, "inferences", day, today=dt.date(2026, 11, 20))
    whole = catalogs.load(ASSETS)
    catalog = catalogs.Catalog(ASSETS, monitors={"output-length": whole.monitors["output-length"]})
    watch(zones, catalog, days, dt.datetime(2026, 11, 20))
    found = {each.slice["product"]: each for each in every(zones.journal)}
    incident = found["docs-site"]
    assert [entry.what for entry in incident.turns] == ["opened"]
    latest = incident.latest
    assert latest["cause"]["kind"] == "provider"
    before, after = FINGERPRINTS
    assert f"silent provider update: system_fingerprint from {before}" in latest["cause"]["said"]
    assert f"to {after}" in latest["cause"]["said"]
    assert abs(dt.datetime.fromisoformat(latest["since"]) - PROVIDER_UPDATE) <= dt.timedelta(hours=4)
    assert latest["simulated"]

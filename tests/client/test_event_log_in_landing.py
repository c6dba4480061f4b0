"""Logging straight into the landing zone, without a service."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from canonry import client
from canonry.client import EventLog
from canonry.landing import list_segments, read_committed
from canonry.storage import Zones
from tests.client.logging_to import log_some

pytestmark = pytest.mark.usefixtures("quick")
ROOT = Path(__file__).parents[2]


def landed_line(zones: Zones, kind: str) -> str:
    """The one batch of a kind that lies on a day."""
    [segment] = [each for each in list_segments(zones.landing, kind) if each.day]
    with zones.landing.local_copy(segment.path) as path:
        [batch] = read_committed(path).batches
        return path.read_bytes()[batch.start : batch.end].decode()


def test_straight_into_landing(zones: Zones) -> None:
    with EventLog(home=zones.home, source="docs-assistant", fields={"team": "docs"}) as log:
        made = log.log_inference(product="docs-site", colour="blue")
        log.log_inference(product="docs-site", started_at="yesterday")
        log.give_feedback(made, signal="thumb", value=1)
        assert log.flush(30)
        assert log.stats() == client.Stats(sent=2, rejected=1)
    line, thumb = (landed_line(zones, kind) for kind in ("inferences", "feedback"))
    assert made in line and made in thumb and '"team":"docs"' in thumb
    # A field nobody knows is an attribute: the rule of landing.
    assert '"attributes":{"colour":"blue"}' in line
    assert '"source":"docs-assistant"' in line


def test_straight_into_landing_text_is_redacted_as_the_source_says(
    zones: Zones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "assets" / "sources"
    sources.mkdir(parents=True)
    monkeypatch.setenv("CANONRY_ASSETS", str(tmp_path / "assets"))
    governed = sources / "docs-assistant.yaml"
    governed.write_text("description: [")
    with EventLog(home=zones.home, source="docs-assistant", interval_s=0.02) as log:
        log.log_inference(product="docs-site", input_messages=[{"role": "user", "content": "I am jane@example.com"}])
        assert not log.flush(0.5)
        # What cannot be redacted is not written.
        assert list(zones.landing.list()) == []
        governed.write_text("description: The assistant.\nowner: docs\ntype: push\nredaction: {content: mask}\n")
        assert log.flush(30)
        assert log.stats() == client.Stats(sent=1)
    [entry] = zones.landing.list("inferences")
    assert b"I am" in zones.landing.read(entry.path)
    assert b"jane" not in zones.landing.read(entry.path)


def test_straight_into_landing_nothing_is_written_before_the_source_is_governed(
    zones: Zones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CANONRY_ASSETS", raising=False)
    monkeypatch.chdir(tmp_path)
    with EventLog(home=zones.home, source="docs-assistant", interval_s=0.02) as log:
        log.log_inference(product="docs-site", input_messages=[{"role": "user", "content": "I am jane@example.com"}])
        assert not log.flush(0.3)
        assert log.stats() == client.Stats(spooled=1)
        assert list(zones.landing.list()) == []
        assert "set CANONRY_ASSETS" in caplog.text
        assert str(tmp_path / "assets" / "sources" / "docs-assistant.yaml") in caplog.text
        monkeypatch.setenv("CANONRY_ASSETS", str(ROOT / "assets"))
        assert log.flush(30)
        assert log.stats() == client.Stats(sent=1)


def test_straight_into_landing_the_base_install_says_what_it_needs(
    zones: Zones, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [each for each in sys.modules if each == "yaml" or each.startswith("canonry.catalog")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("canonry.catalog", raising=False)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with EventLog(home=zones.home, source="docs-assistant", interval_s=0.02) as log:
        log_some(log, 1)
        assert not log.flush(0.3)
        assert log.stats() == client.Stats(spooled=1)
    assert "needs yaml; run: pip install 'canonry[service]'" in caplog.text


def test_a_landing_zone_that_is_away_is_waited_for(zones: Zones) -> None:
    landing = Path(zones.home, "landing")
    landing.rmdir() if landing.is_dir() else None
    landing.write_text("in the way")
    with EventLog(home=zones.home, source="docs-assistant", interval_s=0.02) as log:
        log_some(log, 3)
        assert not log.flush(0.3)
        landing.unlink()
        assert log.flush(30)
        assert log.stats() == client.Stats(sent=3)

"""Every example in the docstrings of logging runs as it stands there."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import openai
import pytest

from canonry.client import Stats, _log

MODULES = ("_identifier", "_event_log", "_log", "_openai")


@pytest.fixture(autouse=True)
def own_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default log into a landing zone of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("CANONRY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CANONRY_SOURCE", "docs-assistant")
    monkeypatch.setattr(_log, "_logs", {})


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    results = doctest.testmod(importlib.import_module(f"canonry.client.{name}"))
    assert results.attempted > 0
    assert results.failed == 0
    if _log._logs:
        assert _log.default_log().close()
        assert _log.stats().dropped == _log.stats().rejected == 0


def test_the_readme_shows_how_to_log() -> None:
    readme = Path(__file__).parents[2].joinpath("README.md").read_text()
    [snippet] = [each for each in readme.split("```") if "give_feedback" in each and each.startswith("python\n")]
    exec(snippet.removeprefix("python\n"), {"OpenAI": lambda: openai.OpenAI(api_key="…")})
    assert _log.default_log().close()
    assert _log.stats() == Stats(sent=2)

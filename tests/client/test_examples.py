"""Every example in the docstrings of the client runs as it stands there."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path

import openai
import pytest

from canonry import client
from canonry.client import Stats, _log
from canonry.storage import open_zones
from tests.released import release_all, release_gold

LOGGING = ("_identifier", "_call", "_event_log", "_log", "_openai")
READING = ("_index", "_prompt", "_model", "_table", "_gold")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default log into a landing zone of the test's own, where something is released, too."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("CANONRY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CANONRY_SOURCE", "docs-assistant")
    monkeypatch.setattr(_log, "_logs", {})


@pytest.mark.parametrize("name", LOGGING + READING)
def test_examples_run(name: str, tmp_path: Path) -> None:
    if name in READING:
        release_gold(release_all(open_zones(tmp_path / "home")))
    results = doctest.testmod(importlib.import_module(f"canonry.client.{name}"))
    assert results.attempted > 0
    assert results.failed == 0
    if _log._logs:
        assert _log.default_log().close()
        assert _log.stats().dropped == _log.stats().rejected == 0


def test_everything_that_people_call_shows_an_example() -> None:
    functions = {name: getattr(client, name) for name in client.__all__ if inspect.isfunction(getattr(client, name))}
    methods = {"refresh", "arefresh", "search", "asearch", "search_text", "asearch_text"}
    functions |= {f"Index.{name}": getattr(client.Index, name) for name in methods}
    methods = {"log_inference", "give_feedback", "inference", "flush", "aflush", "stats", "close", "aclose", "disabled"}
    functions |= {f"EventLog.{name}": getattr(client.EventLog, name) for name in methods}
    functions |= {"Prompt.render": client.Prompt.render, "Call.set": client.Call.set, "EventLog": client.EventLog}
    assert [name for name, function in functions.items() if ">>>" not in (function.__doc__ or "")] == []


def test_the_readme_shows_how_to_log() -> None:
    readme = Path(__file__).parents[2].joinpath("README.md").read_text()
    [snippet] = [each for each in readme.split("```") if "give_feedback" in each and each.startswith("python\n")]
    exec(snippet.removeprefix("python\n"), {"OpenAI": lambda: openai.OpenAI(api_key="…")})
    assert _log.default_log().close()
    assert _log.stats() == Stats(sent=2)

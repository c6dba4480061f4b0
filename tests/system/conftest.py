"""Real servers and a real browser. What is absent here fails, since who runs these tests asked for it."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator

import pytest
from label_studio_sdk import LabelStudio
from playwright.sync_api import Browser, Page, sync_playwright

from canonry.demo.label_studio_server import Server, running
from canonry.label.studio import KEY, URL, connect
from canonry.storage import Zones
from tests.system.labeling import SCHEME, Labeling, draw_calls

# Without these, Chromium looks up hosts of its own at every start.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("chromium is not installed: apt-get install chromium")
    sandbox = () if os.geteuid() else ("--no-sandbox",)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=[*_QUIET, *sandbox])
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page of its own context."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield context.new_page()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Label Studio of this session's own, on a copy of the golden data. Tests take a project each."""
    with running(tmp_path_factory.mktemp("label-studio") / "data") as found:
        yield found


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> LabelStudio:
    """The server's client, connected as the platform connects: from the environment."""
    monkeypatch.setenv(URL, server.url)
    monkeypatch.setenv(KEY, server.api_key)
    found = connect()
    assert found is not None
    return found


@pytest.fixture
def labeling(zones: Zones, client: LabelStudio) -> Callable[[int], Labeling]:
    """Draws a number of calls under a scheme of the test's own."""

    def make(calls: int) -> Labeling:
        name = f"groundedness-{uuid.uuid4().hex[:8]}"
        return Labeling(zones, client, name, SCHEME, draw_calls(zones, name, calls))

    return make

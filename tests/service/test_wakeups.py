"""Label Studio's webhook only wakes: who knows the secret leaves a note that something changed, and nothing else."""

from __future__ import annotations

import datetime as dt

import pytest

from canonry.label.wakeup import look_now, wake, woken
from canonry.label.webhook import ROUTE, SECRET
from canonry.service import settings
from canonry.storage import Zones
from tests.service.serving import bearer, build, client_of, make_key

KNOWN = "0123456789abcdef" * 4
CHANGED = f"{ROUTE}/groundedness"


def notes(zones: Zones) -> dict[str, bytes]:
    """Everything that lies in the exchange."""
    return {entry.path: zones.exchange.read(entry.path) for entry in zones.exchange.list()}


def test_who_knows_the_secret_leaves_one_note_however_often(stored: Zones) -> None:
    with client_of(build(stored, webhook_secret=KNOWN), KNOWN) as client:
        for body in ({"action": "ANNOTATION_CREATED", "text": "of somebody"}, {}, ["anything"]):
            assert client.post(CHANGED, json=body).status_code == 204
        client.post(CHANGED, content=b"\xff{", headers={"content-type": "application/json"}).raise_for_status()
    ((path, since),) = notes(stored).items()
    assert path == "label-studio/groundedness/changed"
    assert dt.datetime.fromisoformat(since.decode()), "it holds a time, and nothing that was sent"
    assert list(stored.landing.list()) == []


@pytest.mark.parametrize("headers", [{}, bearer("wrong"), bearer(KNOWN[:-1]), {"Authorization": KNOWN}])
def test_without_the_secret_nothing_is_noted(stored: Zones, headers: dict[str, str]) -> None:
    with client_of(build(stored, webhook_secret=KNOWN)) as client:
        answer = client.post(CHANGED, json={}, headers=headers)
        assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer")
        assert client.post(CHANGED, headers=bearer(make_key(stored, "admin"))).status_code == 401
    assert notes(stored) == {}


def test_a_scheme_that_is_not_governed_is_not_there(stored: Zones) -> None:
    with client_of(build(stored, webhook_secret=KNOWN), KNOWN) as client:
        assert client.post(f"{ROUTE}/other").status_code == 404
        assert client.post(f"{ROUTE}/..%2f..%2fin").status_code in (404, 422)
    assert notes(stored) == {}


def test_without_a_configured_secret_there_is_no_such_door(stored: Zones) -> None:
    with client_of(build(stored)) as client:
        for headers in ({}, {"Authorization": "Bearer"}, bearer(KNOWN)):
            assert client.post(CHANGED, headers=headers).status_code == 404
        assert "/v1/webhooks" not in client.get("/openapi.json").text


def test_the_secret_comes_from_the_environment_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, KNOWN)
    found = settings.from_environment()
    assert found.webhook_secret == KNOWN and KNOWN not in repr(found)
    monkeypatch.setenv(SECRET, "short")
    with pytest.raises(ValueError, match=f"{SECRET} is shorter than 32 characters"):
        settings.from_environment()


def test_what_changes_after_a_pull_began_is_a_note_of_its_own(stored: Zones) -> None:
    first, second = dt.datetime(2026, 11, 9, 9), dt.datetime(2026, 11, 9, 10)
    assert wake(stored.exchange, "groundedness", first)
    assert not wake(stored.exchange, "groundedness", second)
    assert woken(stored.exchange, "groundedness") == first.isoformat()
    look_now(stored.exchange, "groundedness")
    look_now(stored.exchange, "groundedness")
    assert woken(stored.exchange, "groundedness") is None
    assert wake(stored.exchange, "groundedness", second)
    assert woken(stored.exchange, "groundedness") == second.isoformat()

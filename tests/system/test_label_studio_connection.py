"""Keys of both kinds, wrong keys, wrong URLs, a dead server; and a server that others cannot reach."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from canonry.demo.label_studio_server import Server, running
from canonry.label.send import send_tasks
from canonry.label.studio import KEY, URL, LabelStudioError, connect, list_tasks
from tests.system.labeling import Labeling


def test_a_personal_access_token_is_as_good_as_a_legacy_one(
    server: Server, monkeypatch: pytest.MonkeyPatch, labeling: Callable[[int], Labeling]
) -> None:
    headers = {"Authorization": f"Token {server.api_key}"}
    token = httpx.post(f"{server.url}/api/token/", headers=headers).raise_for_status().json()["token"]
    monkeypatch.setenv(KEY, token)
    by_token = connect()
    assert by_token is not None
    it = labeling(2)
    assert send_tasks(it.zones, by_token, it.name, it.scheme).sent == 2

    blacklisted = httpx.post(f"{server.url}/api/token/blacklist/", headers=headers, json={"refresh": token})
    blacklisted.raise_for_status()
    with pytest.raises(LabelStudioError, match="LABEL_STUDIO_API_KEY is wrong, expired or revoked") as refused:
        connect()
    assert token not in str(refused.value)


EXPIRED = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2lnbmF0dXJlLXRoYXQtbm9ib2R5LWNoZWNrcw"


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        (None, "0" * 40, "LABEL_STUDIO_API_KEY is wrong, expired or revoked; make a personal access token"),
        (None, EXPIRED, "LABEL_STUDIO_API_KEY is wrong, expired or revoked"),
        ("http://127.0.0.1:9", None, "cannot be reached .*; is it running, and is LABEL_STUDIO_URL right"),
        ("{server}/nowhere", None, "is LABEL_STUDIO_URL right"),
        ("label-studio", None, "LABEL_STUDIO_URL is not a URL"),
        ("", None, "LABEL_STUDIO_URL is not set: set both"),
    ],
)
def test_a_wrong_key_or_url_is_an_error_that_says_what_to_do(
    server: Server, monkeypatch: pytest.MonkeyPatch, url: str | None, key: str | None, message: str
) -> None:
    monkeypatch.setenv(URL, server.url if url is None else url.format(server=server.url))
    monkeypatch.setenv(KEY, key or server.api_key)
    with pytest.raises(LabelStudioError, match=message) as refused:
        connect()
    assert server.api_key not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_server_that_dies_is_an_error_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path / "data") as server:
        monkeypatch.setenv(URL, server.url)
        monkeypatch.setenv(KEY, server.api_key)
        client = connect()
        assert client is not None
        assert list_tasks(client, client.projects.create(title="short-lived").id, []) == []
    with pytest.raises(LabelStudioError, match="cannot be reached"):
        list_tasks(client, 1, [])


def test_the_server_listens_on_this_machine_alone(server: Server) -> None:
    port = f":{int(server.url.rpartition(':')[2]):04X}"
    listening = [line.split() for line in Path(f"/proc/{server.process_id}/net/tcp").read_text().splitlines()[1:]]
    addresses = {fields[1] for fields in listening if fields[1].endswith(port) and fields[3] == "0A"}
    assert addresses == {f"0100007F{port}"}

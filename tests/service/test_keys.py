"""API keys: shown once, stored hashed, worth nothing once revoked."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json

import pytest

from canonry.service import keys
from canonry.storage import StorageError, Zones, open_zones

NOW = dt.datetime(2026, 11, 25, 9, tzinfo=dt.UTC)


def make(zones: Zones, **changed) -> tuple[keys.ApiKey, str]:
    given = {"team": "docs", "source": "docs-assistant", "scopes": ["write:events"], "now": NOW}
    return keys.create(zones.journal, **{**given, **changed})


class Clock:
    """A stand-in for the monotonic clock."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["folder", "object store"])
def stored(request, tmp_path) -> Zones:
    """Zones in a folder, and on the S3 emulator."""
    if request.param == "folder":
        return open_zones(tmp_path)
    return open_zones(request.getfixturevalue("bucket"))


def refreshed(zones: Zones, clock: Clock | None = None) -> keys.KeyRing:
    ring = keys.KeyRing(zones.journal, clock=clock or Clock())
    ring.refresh()
    return ring


def test_a_key_proves_its_team_source_scopes_and_access(stored):
    key, token = make(stored, scopes=["write:events", "read:indexes"], access=["internal"], note="production")
    assert token.startswith(f"cnr_{key.key_id}_")
    assert refreshed(stored).verify(token) == key
    assert (key.team, key.source, key.note, key.created_at) == ("docs", "docs-assistant", "production", NOW)
    assert (key.scopes, key.access) == ({"write:events", "read:indexes"}, {"internal"})


def test_the_secret_is_nowhere_but_in_the_token(zones):
    key, token = make(zones)
    secret = token.removeprefix(f"cnr_{key.key_id}_")
    assert len(secret) == 43  # 256 bits, base64url
    written = zones.journal.read(f"api_keys/{key.key_id}.json")
    assert secret.encode() not in written
    assert json.loads(written)["sha256"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in repr(key)
    assert key.sha256 not in repr(key)


def test_two_keys_share_nothing(zones):
    first, second = make(zones)[1], make(zones)[1]
    assert first.split("_")[1] != second.split("_")[1]
    assert first[-43:] != second[-43:]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token[:-1],
        lambda token: token + "x",
        lambda token: token.upper(),
        lambda token: token.replace("cnr_", "xyz_"),
        lambda token: "cnr_" + "0" * 12 + token[16:],
        lambda token: "cnr_../../secrets_" + token[-43:],
        lambda token: "",
        lambda token: "\udcff" + token,
        lambda token: token + "\n",
    ],
)
def test_what_is_not_the_key_proves_nothing(zones, spoil):
    _, token = make(zones)
    ring = refreshed(zones)
    assert ring.verify(spoil(token)) is None
    assert ring.verify(token) is not None


def test_another_keys_secret_does_not_fit(zones):
    (first, one), (_, other) = make(zones), make(zones)
    assert refreshed(zones).verify(f"cnr_{first.key_id}_{other[-43:]}") is None
    assert refreshed(zones).verify(one)


def test_known_and_unknown_keys_are_compared_in_constant_time(zones, monkeypatch):
    key, token = make(zones)
    ring = refreshed(zones)
    compared = []

    def compare(left: str, right: str) -> bool:
        compared.append((left, right))
        return hmac.compare_digest(left, right)

    monkeypatch.setattr(keys, "hmac", type("Hmac", (), {"compare_digest": staticmethod(compare)}))
    ring.verify(token)
    ring.verify("cnr_" + "0" * 12 + "_" + "x" * 43)
    ring.verify("not a key")
    digest = hashlib.sha256(token[-43:].encode()).hexdigest()
    assert compared[0] == (digest, key.sha256)
    assert len(compared) == 3


def test_a_revoked_key_is_refused_within_the_cache_time_and_for_good(stored):
    key, token = make(stored)
    clock = Clock()
    ring = refreshed(stored, clock)
    keys.revoke(stored.journal, key.key_id, reason="lost", now=NOW)
    assert not ring.stale(token)
    clock.now += keys.CACHE_SECONDS
    assert ring.stale(token)
    ring.refresh()
    assert ring.verify(token) is None
    again = keys.revoke(stored.journal, key.key_id, reason="again", now=NOW + dt.timedelta(days=1))
    assert again.revoked_at == NOW


def test_a_new_key_is_found_without_waiting_for_the_cache(zones):
    make(zones)
    clock = Clock()
    ring = refreshed(zones, clock)
    _, token = make(zones)
    clock.now += 0.3
    assert ring.stale(token)
    ring.refresh()
    assert ring.verify(token)


def test_keys_go_on_working_for_a_while_when_the_journal_is_away(zones):
    _, token = make(zones)
    clock = Clock()
    ring = refreshed(zones, clock)
    folder = zones.journal.root
    folder.rename(folder.with_name("away"))
    clock.now += keys.STALE_SECONDS - 1
    ring.refresh()
    assert ring.verify(token)
    clock.now += 2
    with pytest.raises(StorageError, match="api_keys: is empty"):
        ring.refresh()
    folder.with_name("away").rename(folder)
    ring.refresh()
    assert ring.verify(token)


def test_a_revocation_that_cannot_be_read_still_revokes_and_a_broken_key_is_named(zones):
    key, token = make(zones)
    zones.journal.put(f"api_keys/{key.key_id}.revoked.json", b"{torn")
    assert refreshed(zones).verify(token) is None
    zones.journal.put("api_keys/0123456789ab.json", b'{"key_id": "0123456789ab"}')
    assert len(refreshed(zones)) == 0
    with pytest.raises(keys.KeyProblem, match=r"api_keys/0123456789ab\.json: is not a key"):
        keys.list_keys(zones.journal)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scopes": []}, "at least one scope"),
        ({"scopes": ["write:everything"]}, "write:everything.*read:tables"),
        ({"team": "a/b"}, "team: 'a/b' is not a name"),
        ({"source": ""}, "source: '' is not a name"),
        ({"access": ["x" * 81]}, "access: "),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(zones, changed, message):
    with pytest.raises(keys.KeyProblem, match=message):
        make(zones, **changed)
    assert keys.list_keys(zones.journal) == []


def test_revoking_what_is_no_key_says_so_and_writes_nothing(zones):
    with pytest.raises(keys.KeyProblem, match=r"there is no key '\.\./x'"):
        keys.revoke(zones.journal, "../x", reason="-", now=NOW)
    assert list(zones.journal.list()) == []

"""API keys by team, in the journal: shown once, stored hashed, revoked by a second entry.

    journal/api_keys/0123456789ab.json             whose it is, what it may, SHA-256 of its secret
    journal/api_keys/0123456789ab.revoked.json     since when it is worth nothing, and why

A secret has 256 bits of chance, so a plain digest hides it: there is nothing to guess that a slow hash would defend.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from canonry.catalog.specs import NAME_PATTERN
from canonry.storage import Storage, StorageError

SCOPES = ("write:events", "read:indexes", "read:prompts", "read:tables", "admin")
"""What a key may do. `admin` may do all of it."""

FOLDER = "api_keys"
CACHE_SECONDS = 2.0
"""How old what is known of keys may be: a revocation takes effect within this time."""

STALE_SECONDS = 60.0
"""How long known keys go on working while the journal cannot be read."""

_TOKEN = re.compile(r"cnr_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_ENTRY = re.compile(rf"{FOLDER}/([0-9a-f]{{12}})(\.revoked)?\.json")
_NOBODY = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
_UNKNOWN_SECONDS = 0.25


class KeyProblem(ValueError):
    """A key cannot be made, found or revoked; the message says what to do."""


@dataclass(frozen=True)
class ApiKey:
    """What the journal holds of a key. The secret itself is nowhere."""

    key_id: str
    team: str
    source: str
    scopes: frozenset[str]
    access: frozenset[str]
    created_at: dt.datetime
    note: str
    sha256: str
    revoked_at: dt.datetime | None = None

    def __repr__(self) -> str:
        return f"ApiKey({self.key_id}, team={self.team}, source={self.source})"


def create(
    journal: Storage,
    *,
    team: str,
    source: str,
    scopes: Iterable[str],
    access: Iterable[str] = (),
    note: str = "",
    now: dt.datetime,
) -> tuple[ApiKey, str]:
    """A new key, durable in the journal, and its token `cnr_<id>_<secret>`, which can never be shown again.

    Raises KeyProblem for a name that is none or a scope that nobody knows.
    """
    wanted, tags = frozenset(scopes), frozenset(access)
    if unknown := sorted(wanted - set(SCOPES)):
        raise KeyProblem(f"scope {unknown[0]!r} is unknown; use {', '.join(SCOPES)}")
    if not wanted:
        raise KeyProblem(f"a key needs at least one scope of {', '.join(SCOPES)}")
    for field, value in [("team", team), ("source", source), *(("access", tag) for tag in sorted(tags))]:
        if not re.fullmatch(NAME_PATTERN, value) or len(value) > 80:
            raise KeyProblem(f"{field}: {value[:80]!r} is not a name: letters, digits, dots, dashes, at most 80")
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    key = ApiKey(key_id, team, source, wanted, tags, now.astimezone(dt.UTC), note, _digest(secret))
    entry = {
        "key_id": key_id,
        "team": team,
        "source": source,
        "scopes": sorted(wanted),
        "access": sorted(tags),
        "created_at": key.created_at.isoformat(),
        "note": note,
        "sha256": key.sha256,
    }
    if not journal.put_if_absent(f"{FOLDER}/{key_id}.json", _json(entry)):
        raise KeyProblem(f"{FOLDER}/{key_id}.json: exists; create the key once more")
    return key, f"cnr_{key_id}_{secret}"


def revoke(journal: Storage, key_id: str, *, reason: str, now: dt.datetime) -> ApiKey:
    """Make a key worth nothing, for good. Revoking it again changes nothing. Raises KeyProblem where there is none."""
    known = {key.key_id: key for key in list_keys(journal)}
    if key_id not in known:
        raise KeyProblem(f"there is no key {key_id[:80]!r}; `canonry keys list` shows them (give the id, not the key)")
    entry = {"key_id": key_id, "revoked_at": now.astimezone(dt.UTC).isoformat(), "reason": reason}
    journal.put_if_absent(f"{FOLDER}/{key_id}.revoked.json", _json(entry))
    return next(key for key in list_keys(journal) if key.key_id == key_id)


def list_keys(journal: Storage) -> list[ApiKey]:
    """Every key that was ever made, the oldest first. An entry that cannot be read raises KeyProblem naming it."""
    ring = _Entries(journal)
    ring.refresh()
    if ring.broken:
        raise KeyProblem(f"{journal.url}/{ring.broken[0]}: is not a key; restore it from the backup, or remove it")
    return sorted(ring.keys.values(), key=lambda key: (key.created_at, key.key_id))


class KeyRing:
    """The keys as a running service knows them. Safe to share between threads.

    `verify` answers from memory; `stale` says when to `refresh` first, which reads the journal.
    """

    def __init__(self, journal: Storage, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries = _Entries(journal)
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = self._tried_at = float("-inf")

    def stale(self, token: str) -> bool:
        """Whether to refresh before `verify`. A key nobody knows may have been made just now: that is looked up."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return False
        return self._clock() - self._tried_at >= (CACHE_SECONDS if match[1] in self._entries.keys else _UNKNOWN_SECONDS)

    def verify(self, token: str) -> ApiKey | None:
        """The key that a token proves, or None where it proves none, or a revoked one."""
        match = _TOKEN.fullmatch(token)
        key = self._entries.keys.get(match[1]) if match else None
        # A key that does not exist costs the same comparison as one that does.
        proven = hmac.compare_digest(_digest(match[2] if match else token), key.sha256 if key else _NOBODY)
        return key if proven and key and key.revoked_at is None else None

    def refresh(self) -> None:
        """Read what is new in the journal. While it is away, what is known goes on standing for `STALE_SECONDS`.

        Raises OSError or StorageError after that.
        """
        asked = self._clock()
        with self._lock:
            if self._tried_at > asked:
                return  # another thread has just read it
            try:
                self._entries.refresh()
                self._read_at = self._clock()
            except (OSError, StorageError):
                if asked - self._read_at > STALE_SECONDS:
                    raise
            self._tried_at = self._clock()

    def __len__(self) -> int:
        """Keys that are worth something."""
        return sum(key.revoked_at is None for key in self._entries.keys.values())


class _Entries:
    """Keys by id. Entries are never changed, so each is read once; a listing finds what is new."""

    def __init__(self, journal: Storage) -> None:
        self._journal = journal
        self._read: dict[tuple[str, str], dict[str, Any] | None] = {}
        self.keys: dict[str, ApiKey] = {}
        self.broken: list[str] = []

    def refresh(self) -> None:
        read: dict[tuple[str, str], dict[str, Any] | None] = {}
        made: dict[str, ApiKey] = {}
        revoked: dict[str, dt.datetime] = {}
        broken = []
        for entry in self._journal.list(FOLDER):
            match = _ENTRY.fullmatch(entry.path)
            if not match:
                continue
            place = (entry.path, entry.etag)
            document = self._read[place] if place in self._read else _parse(self._journal.read(entry.path))
            read[place] = document
            key_id = match[1]
            if match[2]:
                # A revocation that cannot be read still revokes.
                revoked[key_id] = _time(document, "revoked_at") or dt.datetime.min.replace(tzinfo=dt.UTC)
                continue
            try:
                made[key_id] = _key(key_id, document or {})
            except (KeyError, TypeError, ValueError):
                broken.append(entry.path)
        for key_id, moment in revoked.items():
            if key_id in made:
                made[key_id] = replace(made[key_id], revoked_at=moment)
        if self.keys and not made:
            # Entries are never removed one by one: the folder is away, and its keys are not revoked.
            raise StorageError(f"{self._journal.url}/{FOLDER}: is empty, and was not before")
        self._read, self.keys, self.broken = read, made, broken


def _key(key_id: str, document: dict[str, Any]) -> ApiKey:
    created_at = _time(document, "created_at")
    if created_at is None or document["key_id"] != key_id:
        raise ValueError
    names = [document[field] for field in ("team", "source", "note", "sha256")]
    if not all(isinstance(name, str) for name in names):
        raise TypeError
    return ApiKey(
        key_id=key_id,
        team=document["team"],
        source=document["source"],
        scopes=frozenset(document["scopes"]),
        access=frozenset(document["access"]),
        created_at=created_at,
        note=document["note"],
        sha256=document["sha256"],
    )


def _parse(data: bytes) -> dict[str, Any] | None:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _time(document: dict[str, Any] | None, field: str) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat((document or {})[field])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _json(entry: dict[str, Any]) -> bytes:
    return orjson.dumps(entry, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)

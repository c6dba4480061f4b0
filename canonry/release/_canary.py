"""Canaries: a channel gives a share of its callers a candidate, until it moves or somebody stops it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from canonry.release._arm import CANARIES, Canary
from canonry.release._channel import (
    ATTEMPTS,
    PRODUCTION,
    Move,
    next_move,
    read_pointer,
    refuse_unsound,
    withdrawn_error,
)
from canonry.release._errors import NotReleased, ReleaseError
from canonry.release._paths import channel_path
from canonry.release._store import find
from canonry.release._yank import refuse_yanked
from canonry.storage import Conflict, Storage


def start_canary(
    published: Storage,
    kind: str,
    name: str,
    version: str,
    share: float,
    *,
    channel: str = PRODUCTION,
    reason: str,
    now: dt.datetime,
) -> Move:
    """Give a share of a channel's callers a candidate, or another share of them; the channel points where it did.

    Any promotion to another version and any rollback ends it. Raises Withdrawn for what was yanked or rolled back from,
    NotReleased for what is not there or a channel that points nowhere, and ReleaseError for a share that is none, or a
    release whose gate failed or that does not verify.
    """
    path = channel_path(kind, name, channel)
    if kind not in CANARIES:
        raise ReleaseError(f"{kind} have no canary, since nobody asks who reads them; {', '.join(CANARIES)} have")
    if not 0 < share < 1:
        raise ReleaseError(
            f"share is {share:g}, expected more than 0 and less than 1; promote what everyone should get"
        )
    gate = find(published, kind, name, version).manifest.metadata.get("gate") or {}
    refuse_yanked(published, kind, name, version)
    if gate.get("passed") is False:
        raise ReleaseError(f"{kind}/{name} {version} did not pass its gate: {'; '.join(gate.get('reasons', ()))}")
    refuse_unsound(published, kind, name, version)
    canary = Canary(version, share)
    for _ in range(ATTEMPTS):
        last, etag = _pointer(published, path)
        if last.version == version:
            raise ReleaseError(f"{kind}/{name} {version} is what {channel} points to; name another version")
        if version in last.withdrawn:
            raise withdrawn_error(last, version)
        if last.canary == canary:
            return last
        made = _beside(last, canary, reason, now)
        try:
            published.put_if_match(path, made.to_json(), etag)
        except Conflict:
            continue
        return made
    raise ReleaseError(f"{published.url}/{path}: others moved it {ATTEMPTS} times meanwhile; try again")


def stop_canary(
    published: Storage, kind: str, name: str, *, channel: str = PRODUCTION, reason: str, now: dt.datetime
) -> Move:
    """Give every caller what the channel points to again. Raises ReleaseError where there is no canary."""
    path = channel_path(kind, name, channel)
    last, etag = _pointer(published, path)
    if last.canary is None:
        raise ReleaseError(f"{published.url}/{path}: has no canary to stop")
    made = _beside(last, None, reason, now)
    try:
        published.put_if_match(path, made.to_json(), etag)
    except Conflict:
        raise ReleaseError(
            f"{published.url}/{path}: somebody moved it meanwhile; see `canonry releases list {kind} {name}`"
        ) from None
    return made


def _pointer(published: Storage, path: str) -> tuple[Move, str | None]:
    last, etag = read_pointer(published, path)
    if last is None:
        raise NotReleased(
            f"{published.url}/{path}: nothing is released to this channel, so nothing has a canary beside"
        )
    return last, etag


def _beside(last: Move, canary: Canary | None, reason: str, now: dt.datetime) -> Move:
    """A move that stays where it is: what a rollback would do does not change."""
    where = (last.kind, last.name, last.channel, last.version)
    made = next_move(last, *where, "canary", reason, now, last.earlier, last.withdrawn)
    return replace(made, canary=canary, since=last.here_since)

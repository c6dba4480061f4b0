"""The one way in which channels move: publish, promote or roll back, and write down what was done and why."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from canonry import release
from canonry.release import PRODUCTION, Move, Release, ReleaseError, Withdrawn, Yank
from canonry.stats.verdicts import Verdict
from canonry.storage import Zones

CANDIDATE = "candidate"
"""Channel of what was released last, whether it was promoted or not."""


@dataclass(frozen=True)
class Outcome:
    """What publishing did. `withdrawn`: released, but a person rolled back from it, so the channel stays. `held back`:
    released to the channel `candidate`, and its verdict does not let it pass further."""

    release: Release
    state: Literal["moved", "unchanged", "withdrawn", "held back"]
    move: Move
    """The move that stands, of what is held back that of `candidate`."""
    verdict: Verdict | None = None
    """What its comparisons said, where any governs it."""


def release_and_promote(
    zones: Zones,
    kind: str,
    name: str,
    files: Mapping[str, bytes | Path],
    *,
    metadata: Mapping[str, Any],
    lineage: Mapping[str, Any],
    reason: str,
    now: dt.datetime,
    channel: str = PRODUCTION,
    verdict: Verdict | None = None,
) -> Outcome:
    """Publish a payload and point the channel to it. What the channel already shows moves and journals nothing.

    With a `verdict` the release goes to the channel `candidate`, too, and no further unless the verdict passes. A
    payload that was rolled back from is not an error here: a schedule goes on, and the channel stays where a person
    put it. Raises ReleaseError.
    """
    before = journal_last_move(zones, kind, name, channel)
    released = release.publish(
        zones.published,
        kind,
        name,
        files,
        metadata=metadata,
        lineage=lineage,
        now=now,
        like=_released(zones, before) if before else None,
    )
    if verdict is not None and channel != CANDIDATE:
        waits = release.promote(
            zones.published, kind, name, released.version, channel=CANDIDATE, reason=verdict.message, now=now
        )
        _journal(zones, waits)
        if not verdict.passed and (before is None or before.version != released.version):
            return Outcome(released, "held back", waits, verdict)
    try:
        move = release.promote(zones.published, kind, name, released.version, channel=channel, reason=reason, now=now)
    except Withdrawn:
        if before is None:
            raise
        return Outcome(released, "withdrawn", before, verdict)
    _journal(zones, move)
    return Outcome(released, "unchanged" if move == before else "moved", move, verdict)


def rollback_and_journal(
    zones: Zones,
    kind: str,
    name: str,
    *,
    reason: str,
    now: dt.datetime,
    channel: str = PRODUCTION,
    to: str | None = None,
) -> Move:
    """Point the channel back, by default to the version before, and withdraw what it leaves. Raises ReleaseError."""
    journal_last_move(zones, kind, name, channel)
    move = release.rollback(zones.published, kind, name, channel=channel, to=to, reason=reason, now=now)
    _journal(zones, move)
    return move


def promote_and_journal(
    zones: Zones,
    kind: str,
    name: str,
    version: str,
    *,
    reason: str,
    now: dt.datetime,
    channel: str = PRODUCTION,
    force: bool = False,
) -> Move:
    """Point the channel to a release that is there, as a person decides. `force`: one that was rolled back from."""
    journal_last_move(zones, kind, name, channel)
    move = release.promote(zones.published, kind, name, version, channel=channel, reason=reason, now=now, force=force)
    _journal(zones, move)
    return move


def start_canary_and_journal(
    zones: Zones,
    kind: str,
    name: str,
    version: str,
    share: float,
    *,
    reason: str,
    now: dt.datetime,
    channel: str = PRODUCTION,
) -> Move:
    """Give a share of a channel's callers, above 0 and below 1, another version. Raises ReleaseError."""
    journal_last_move(zones, kind, name, channel)
    move = release.start_canary(zones.published, kind, name, version, share, channel=channel, reason=reason, now=now)
    _journal(zones, move)
    return move


def stop_canary_and_journal(
    zones: Zones, kind: str, name: str, *, reason: str, now: dt.datetime, channel: str = PRODUCTION
) -> Move:
    """Give every caller what the channel points to again. Raises ReleaseError."""
    journal_last_move(zones, kind, name, channel)
    move = release.stop_canary(zones.published, kind, name, channel=channel, reason=reason, now=now)
    _journal(zones, move)
    return move


def yank_and_journal(
    zones: Zones, kind: str, name: str, version: str, *, reason: str, now: dt.datetime, force: bool = False
) -> Yank:
    """Let nobody open a release any more, and write down why. Raises ReleaseError."""
    made = release.yank(zones.published, kind, name, version, reason=reason, now=now, force=force)
    zones.journal.put_if_absent(f"yanks/{kind}/{name}/{version}-{now:%Y%m%dT%H%M%S.%fZ}.json", made.to_json())
    return made


def unyank_and_journal(zones: Zones, kind: str, name: str, version: str, *, reason: str, now: dt.datetime) -> None:
    """Let a release be opened again, and write down why. Raises ReleaseError."""
    release.unyank(zones.published, kind, name, version)
    path = f"yanks/{kind}/{name}/{version}-undone-{now:%Y%m%dT%H%M%S.%fZ}.json"
    zones.journal.put_if_absent(path, Yank(reason, now).to_json())


def prune_and_journal(zones: Zones, kind: str, name: str, *, keep: int, now: dt.datetime) -> list[str]:
    """Delete releases beyond the newest `keep` that no channel points to, and write down which. Raises ReleaseError."""
    gone = release.prune(zones.published, kind, name, keep)
    if gone:
        document = {"kind": kind, "name": name, "keep": keep, "versions": gone, "pruned_at": now.isoformat()}
        path = f"prunes/{kind}/{name}/{now:%Y%m%dT%H%M%S.%fZ}.json"
        zones.journal.put_if_absent(path, json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")
    return gone


def journal_last_move(zones: Zones, kind: str, name: str, channel: str = PRODUCTION) -> Move | None:
    """The channel's last move, journalled now where a crash came between the move and its entry."""
    move = release.last_move(zones.published, kind, name, channel)
    if move:
        _journal(zones, move)
    return move


def _released(zones: Zones, move: Move) -> Release | None:
    try:
        return release.resolve(zones.published, move.kind, move.name, move.version)
    except ReleaseError:
        return None


def _journal(zones: Zones, move: Move) -> None:
    zones.journal.put_if_absent(release.journal_path(move), move.to_json())

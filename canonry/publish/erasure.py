"""Releases that must be gone for good: no channel points there, nobody opens them, and their files are deleted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from canonry import release
from canonry.publish.moves import rollback_and_journal, stop_canary_and_journal, yank_and_journal
from canonry.storage import Zones


def erase_and_journal(
    zones: Zones, kind: str, name: str, versions: Collection[str], *, reason: str, now: dt.datetime
) -> dict[str, str | None]:
    """Take versions of a release away; returns where each channel that pointed to one points now.

    It goes back to the nearest earlier version that stays. None where there is none: the channel gives nothing until
    another version is promoted. Whatever cuts this off, doing it again ends it.
    """
    moved: dict[str, str | None] = {}
    for channel, move in release.channels(zones.published, kind, name).items():
        if move.canary and move.canary.version in versions:
            stop_canary_and_journal(zones, kind, name, reason=reason, now=now, channel=channel)
        if move.version in versions:
            target = next((each for each in reversed(move.earlier) if _stays(zones, kind, name, each, versions)), None)
            if target:
                rollback_and_journal(zones, kind, name, reason=reason, now=now, channel=channel, to=target)
            moved[channel] = target
    for version in versions:
        yank_and_journal(zones, kind, name, version, reason=reason, now=now, force=True)
    for version in versions:
        release.erase(zones.published, kind, name, version)
    return moved


def _stays(zones: Zones, kind: str, name: str, version: str, gone: Collection[str]) -> bool:
    if version in gone or release.is_yanked(zones.published, kind, name, version):
        return False
    return not release.verify(zones.published, kind, name, version)

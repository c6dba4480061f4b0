"""Taking releases away: by name for a reason, or because there are enough newer ones."""

from __future__ import annotations

import datetime as dt

from canonry.release._channel import channels
from canonry.release._errors import ReleaseError
from canonry.release._manifest import utc
from canonry.release._paths import MANIFEST, YANKED, release_folder
from canonry.release._store import Release, find, list_releases
from canonry.release._yank import Yank, yank_of
from canonry.storage import Storage


def yank(
    published: Storage, kind: str, name: str, version: str, *, reason: str, now: dt.datetime, force: bool = False
) -> Yank:
    """Let nobody open a release any more; its files stay. A release that was yanked before keeps its first reason.

    Raises ReleaseError for one that a channel points to, unless forced: then the channel gives nothing until it moves.
    """
    find(published, kind, name, version)
    moves = channels(published, kind, name)
    canaries = [channel for channel, move in moves.items() if move.canary and move.canary.version == version]
    if canaries and not force:
        raise ReleaseError(
            f"{kind}/{name} {version} is the canary of {', '.join(canaries)}; `canonry releases canary {kind} {name} "
            "--stop` first, or force it, which gives its callers what the channel points to"
        )
    pointing = [channel for channel, move in moves.items() if move.version == version]
    if pointing and not force:
        raise ReleaseError(
            f"{kind}/{name} {version} is what {', '.join(pointing)} points to; "
            f"`canonry releases rollback {kind} {name}` first, or force it, which leaves the channel nothing to open"
        )
    made = Yank(reason, utc(now))
    published.put_if_absent(f"{release_folder(kind, name, version)}/{YANKED}", made.to_json())
    return yank_of(published, kind, name, version) or made


def erase(published: Storage, kind: str, name: str, version: str) -> None:
    """Delete the files of a release that was yanked; that it was stays known. Raises ReleaseError for another."""
    folder = release_folder(kind, name, version)
    if yank_of(published, kind, name, version) is None:
        raise ReleaseError(f"{kind}/{name} {version}: is not yanked, and so not erased")
    published.delete(f"{folder}/{MANIFEST}")
    for entry in list(published.list(folder)):
        if not entry.path.endswith(f"/{YANKED}"):
            published.delete(entry.path)


def unyank(published: Storage, kind: str, name: str, version: str) -> None:
    """Let a release be opened again. Raises ReleaseError for one that is not yanked."""
    path = f"{release_folder(kind, name, version)}/{YANKED}"
    if published.head(path) is None:
        raise ReleaseError(f"{kind}/{name} {version}: is not yanked")
    published.delete(path)


def prunable(published: Storage, kind: str, name: str, keep: int) -> list[Release]:
    """Releases beyond the newest `keep` that no channel points to, the oldest first."""
    if keep < 1:
        raise ReleaseError(f"keep is {keep}, expected at least 1: what channels point to is kept in any case")
    moves = channels(published, kind, name).values()
    pointed = {version for move in moves for version in (move.version, move.canary and move.canary.version)}
    found = sorted(list_releases(published, kind, name), key=lambda each: each.manifest.created_at)
    return [each for each in found[:-keep] if each.version not in pointed]


def prune(published: Storage, kind: str, name: str, keep: int) -> list[str]:
    """Delete what is `prunable`; returns the versions. The manifest goes first, so that half a release is none."""
    gone = []
    for each in prunable(published, kind, name, keep):
        published.delete(f"{each.folder}/{MANIFEST}")
        for entry in list(published.list(each.folder)):
            # That it was yanked is still known: the same payload may be published again.
            if not entry.path.endswith(f"/{YANKED}"):
                published.delete(entry.path)
        gone.append(each.version)
    return gone

"""What is released, as the doors list it: each name asked for, not every object that was ever published."""

from __future__ import annotations

from typing import Any

from canonry import release
from canonry.release import Release, ReleaseError
from canonry.storage import Storage


def listing(published: Storage, kind: str, channel: str) -> dict[str, Any]:
    """What a channel points to, by name."""
    items = []
    for name in release.names(published, kind):
        try:
            if move := release.last_move(published, kind, name, channel):
                items.append(_listed(release.resolve(published, kind, name, move.version)))
        except ReleaseError:
            # A pointer to nothing is no reason to hide the rest; asked for by name, it says what is wrong.
            continue
    return {"channel": channel, "items": items}


def releases_of(published: Storage, kind: str, name: str) -> dict[str, Any]:
    """Everything released under a name, and where its channels point. Raises NotReleased."""
    found = release.list_releases(published, kind, name)
    moves = release.channels(published, kind, name)
    if not found:
        raise release.NotReleased(name)
    return {
        "kind": kind,
        "name": name,
        "channels": {channel: move.version for channel, move in moves.items()},
        "releases": [{"version": each.version, "created_at": each.manifest.created_at} for each in found],
    }


def _listed(found: Release) -> dict[str, Any]:
    metadata = found.manifest.metadata
    columns = metadata.get("columns") or []
    return {
        "name": found.manifest.name,
        "version": found.version,
        "created_at": found.manifest.created_at,
        "description": metadata.get("description") or "",
        "rows": metadata.get("vectors", metadata.get("rows")),
        "columns": list(columns),
    }

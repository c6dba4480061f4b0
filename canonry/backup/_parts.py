"""What of a home is kept, and in which order: what points before what it points to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from canonry.backup._manifest import BackupError
from canonry.storage import Entry, Storage, Zones

ZONES = ("landing", "journal", "lake", "published", "exchange")


@dataclass(frozen=True)
class Part:
    """Objects of a zone under a folder whose path fits a pattern; `*` means any characters, slashes too."""

    zone: str
    folder: str
    pattern: str

    def holds(self, name: str) -> bool:
        """Whether an object, named ZONE/PATH, belongs here."""
        zone, _, path = name.partition("/")
        return zone == self.zone and path.startswith(self.folder) and fnmatchcase(path, self.pattern)


PARTS = (
    Part("published", "", "*/channels/*"),
    Part("published", "", "*/manifest.json"),
    Part("published", "", "*"),
    Part("exchange", "", "*"),
    Part("journal", "", "*.json"),
    Part("journal", "", "*"),
    # Of the lake only what would come out otherwise, or at a price: candidates that did not pass, vectors, encoders.
    Part("lake", "candidates", "*/latest.json"),
    Part("lake", "candidates", "*"),
    Part("lake", "embeddings", "*"),
    Part("lake", "encoders", "*"),
    Part("landing", "", "*.jsonl"),
    Part("landing", "", "*"),
)
"""A pointer is written after what it points to, and what it points to is never removed. So each part is listed only
when the one before it is copied, and a backup holds whatever its pointers name: releases of channels, payloads of
manifests, draws of tasks, the events of files that the journal says were taken. Restoring goes the other way round."""


def zone_of(zones: Zones, name: str) -> tuple[Storage, str]:
    """The storage of an object named ZONE/PATH, and its path there. Raises BackupError for what is no zone."""
    zone, _, path = name.partition("/")
    if zone not in ZONES:
        raise BackupError(f"{name!r} lies in no zone (they are {', '.join(ZONES)})")
    storage: Storage = getattr(zones, zone)
    return storage, path


def rank(name: str) -> int:
    """Place of the first part that holds an object; behind all where none does."""
    return next((place for place, part in enumerate(PARTS) if part.holds(name)), len(PARTS))


def entries_of(zones: Zones, place: int) -> Iterator[tuple[str, Entry]]:
    """Objects that a part holds now and no part before it does, by name."""
    part = PARTS[place]
    storage: Storage = getattr(zones, part.zone)
    for entry in storage.list(part.folder):
        name = f"{part.zone}/{entry.path}"
        if part.holds(name) and rank(name) == place:
            yield name, entry

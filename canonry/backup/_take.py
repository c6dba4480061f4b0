"""Takes a backup while the platform runs: new pieces first, the manifest last."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock

from canonry import __version__
from canonry.backup._manifest import (
    PIECES,
    Backup,
    BackupError,
    Kept,
    list_backups,
    piece_path,
    put_backup,
    read_backup,
)
from canonry.backup._parts import PARTS, entries_of, zone_of
from canonry.backup._verify import THREADS
from canonry.progress import track
from canonry.release import File
from canonry.storage import Entry, NotFound, Storage, Zones

PIECE_BYTES = 16 << 20
"""Size of a piece at most, which is what a thread has in memory."""

ATTEMPTS = 5

log = logging.getLogger("canonry.backup")


@dataclass(frozen=True)
class Taken:
    """What taking a backup came to, or would: objects it has, those read because they were new or changed, and bytes.

    `name` is None where nothing was written.
    """

    name: str | None
    objects: int
    size: int
    read: int
    read_bytes: int
    copied_bytes: int
    """Of what was read, what the place did not hold yet."""


def take(zones: Zones, place: Storage, *, now: dt.datetime, dry_run: bool = False) -> Taken:
    """Back up everything that cannot be computed again. Raises BackupError, and leaves earlier backups as they are.

    An object that has kept its size and tag since the newest backup of the same home is not read again. A landing
    segment that grows meanwhile is taken as far as it had come: every batch acknowledged before, at most a torn end.
    """
    if f"{place.url}/".startswith(f"{zones.home}/"):
        raise BackupError(f"{place.url}: lies in the home it would protect; give a place that is not lost with it")
    if dry_run:
        return _would_take(zones, _known(zones, place, _present(place)))
    copier = _Copier(zones, place)
    objects: dict[str, Kept] = {}
    for part in range(len(PARTS)):
        objects |= copier.copy(part)
    backup = Backup(now, zones.home, __version__, dict(sorted(objects.items())))
    put_backup(place, backup)
    return Taken(backup.name, len(objects), backup.size, copier.read, copier.read_bytes, copier.copied_bytes)


def _would_take(zones: Zones, known: dict[str, Kept]) -> Taken:
    found = [each for part in range(len(PARTS)) for each in entries_of(zones, part)]
    fresh = [entry.size for name, entry in found if not _unchanged(known.get(name), entry)]
    return Taken(None, len(found), sum(entry.size for _, entry in found), len(fresh), sum(fresh), 0)


class _Copier:
    """Copies what a place does not hold yet, and counts."""

    def __init__(self, zones: Zones, place: Storage) -> None:
        self._zones = zones
        self._place = place
        self._present = _present(place)
        self._known = _known(zones, place, self._present)
        self._counting = Lock()
        self.read = self.read_bytes = self.copied_bytes = 0

    def copy(self, part: int) -> dict[str, Kept]:
        """Bring the objects of a part to the place; what each is made of, by name."""
        found = list(entries_of(self._zones, part))
        kept = {name: self._known[name] for name, entry in found if _unchanged(self._known.get(name), entry)}
        fresh = [each for each in found if each[0] not in kept]
        with ThreadPoolExecutor(THREADS) as pool:
            made = pool.map(lambda each: self._copy_one(*each), fresh)
            for (name, _), object_ in zip(fresh, track(made, f"copying {PARTS[part].zone}", len(fresh)), strict=True):
                if object_:
                    kept[name] = object_
                    self.read += 1
                    self.read_bytes += object_.file.size
        return kept

    def _copy_one(self, name: str, entry: Entry) -> Kept | None:
        """One object as it was at one moment; None where it has gone since it was listed."""
        storage, path = zone_of(self._zones, name)
        for _ in range(ATTEMPTS):
            kept = self._read(storage, entry, self._known.get(name))
            now = storage.head(path)
            if now is None:
                return None
            if kept and (now.etag == entry.etag or _grown(name, entry, now)):
                return kept
            entry = now
        raise BackupError(f"{storage.url}/{path}: changed {ATTEMPTS} times while it was read; try again")

    def _read(self, storage: Storage, entry: Entry, earlier: Kept | None) -> Kept | None:
        """The object's bytes as pieces at the place; None where it is not as long as it was."""
        digest, pieces = hashlib.sha256(), []
        for start, end in _cuts(entry.size, earlier):
            try:
                data = storage.read(entry.path, start, end)
            except NotFound:
                return None
            digest.update(data)
            pieces.append(File.of(data))
            self._put(pieces[-1], data)
        size = sum(piece.size for piece in pieces)
        return Kept(File(digest.hexdigest(), size), entry.etag, tuple(pieces)) if size == entry.size else None

    def _put(self, piece: File, data: bytes) -> None:
        path = piece_path(piece)
        if self._present.get(path) != piece.size:
            self._place.put(path, data)
            with self._counting:
                self._present[path] = piece.size
                self.copied_bytes += piece.size


def _present(place: Storage) -> dict[str, int]:
    return {entry.path: entry.size for entry in place.list(PIECES)}


def _known(zones: Zones, place: Storage, present: dict[str, int]) -> dict[str, Kept]:
    """What the newest backup says of the same home, as far as its pieces are there."""
    if not list_backups(place):
        return {}
    try:
        newest = read_backup(place)
    except BackupError as error:
        log.warning("%s; every object is read again", error)
        return {}
    # Tags of another home mean nothing here; its cuts do.
    return {
        name: kept if newest.home == zones.home else replace(kept, etag="")
        for name, kept in newest.objects.items()
        if all(present.get(piece_path(piece)) == piece.size for piece in kept.pieces)
    }


def _unchanged(kept: Kept | None, entry: Entry) -> bool:
    return kept is not None and entry.etag != "" and (kept.file.size, kept.etag) == (entry.size, entry.etag)


def _grown(name: str, before: Entry, after: Entry) -> bool:
    return name.startswith("landing/") and after.size > before.size


def _cuts(size: int, earlier: Kept | None) -> Iterator[tuple[int, int]]:
    """Where to cut an object: as it was cut before, so that what has grown since is a piece of its own."""
    start = 0
    for piece in earlier.pieces if earlier and earlier.file.size <= size else ():
        yield start, start + piece.size
        start += piece.size
    while start < size:
        end = min(start + PIECE_BYTES, size)
        yield start, end
        start = end

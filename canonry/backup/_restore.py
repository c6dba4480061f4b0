"""Puts a backup into an empty home: what is pointed to first, pointers last."""

from __future__ import annotations

import hashlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from canonry.backup._manifest import Backup, BackupError, Kept
from canonry.backup._parts import ZONES, rank, zone_of
from canonry.backup._verify import THREADS, read_object
from canonry.progress import track
from canonry.storage import Storage, Zones

_SHOWN = 3


@dataclass(frozen=True)
class Restored:
    """What restoring came to, or would: objects and bytes written, and objects that were there already."""

    written: int
    written_bytes: int
    present: int


def restore(zones: Zones, place: Storage, backup: Backup, *, dry_run: bool = False) -> Restored:
    """Write a backup's objects into an empty home, every digest checked on the way.

    A home that holds nothing but objects of this backup is one whose restoring broke off: the rest is added. Raises
    BackupError, before anything is written, for a home that holds anything else.
    """
    present = _present(zones, backup)
    missing = {name: kept for name, kept in backup.objects.items() if name not in present}
    if not dry_run:
        for _, names in groupby(sorted(missing, key=rank, reverse=True), rank):
            _write_all(zones, place, {name: missing[name] for name in names})
    return Restored(len(missing), sum(kept.file.size for kept in missing.values()), len(present))


def _present(zones: Zones, backup: Backup) -> set[str]:
    """Names of the backup's objects that are there. Raises BackupError where there is anything else."""
    if zones.warehouse.exists():
        raise BackupError(f"{zones.warehouse}: is the warehouse of another home; take it away, it is computed again")
    found = {f"{zone}/{entry.path}" for zone in ZONES for entry in getattr(zones, zone).list()}
    strange = sorted(name for name in found if name not in backup.objects)
    strange += sorted(name for name in found & backup.objects.keys() if not _same(zones, name, backup.objects[name]))
    if strange:
        shown = ", ".join(strange[:_SHOWN]) + (f" and {len(strange) - _SHOWN} more" if len(strange) > _SHOWN else "")
        raise BackupError(f"{zones.home}: holds what the backup does not ({shown}); restore into an empty home")
    return found


def _same(zones: Zones, name: str, kept: Kept) -> bool:
    storage, path = zone_of(zones, name)
    digest = hashlib.sha256()
    start = 0
    for piece in kept.pieces:
        digest.update(storage.read(path, start, start + piece.size))
        start += piece.size
    entry = storage.head(path)
    return entry is not None and entry.size == kept.file.size and digest.hexdigest() == kept.file.sha256


def _write_all(zones: Zones, place: Storage, objects: dict[str, Kept]) -> None:
    def write(item: tuple[str, Kept]) -> None:
        storage, path = zone_of(zones, item[0])
        _write(storage, path, place, *item)

    with ThreadPoolExecutor(THREADS) as pool:
        zone = next(iter(objects)).partition("/")[0]
        for _ in track(pool.map(write, objects.items()), f"restoring {zone}", len(objects)):
            pass


def _write(storage: Storage, path: str, place: Storage, name: str, kept: Kept) -> None:
    if len(kept.pieces) <= 1:
        storage.put(path, b"".join(read_object(place, name, kept)))
        return
    with tempfile.TemporaryDirectory(prefix="canonry-") as scratch:
        file = Path(scratch, "object")
        with open(file, "wb") as whole:
            whole.writelines(read_object(place, name, kept))
        storage.put_file(path, file)

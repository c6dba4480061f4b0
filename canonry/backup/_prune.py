"""Lets old backups go, and the pieces that no other backup needs."""

from __future__ import annotations

from canonry.backup._manifest import PIECES, backup_path, list_backups, piece_path, read_backup
from canonry.storage import Storage


def keep_newest(place: Storage, count: int) -> int:
    """Remove all but the newest backups; how many went. Not while a backup is being taken to the same place.

    Raises BackupError, and removes nothing, where a backup that stays cannot be read: its pieces are not known.
    """
    names = list_backups(place)
    stay, go = names[-count:], names[:-count]
    needed = {piece_path(piece) for name in stay for piece in read_backup(place, name).pieces()}
    for name in go:
        place.delete(backup_path(name))
    for entry in list(place.list(PIECES)):
        if entry.path not in needed:
            place.delete(entry.path)
    return len(go)

"""Reads a backup's bytes back, and says which object is damaged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from canonry.backup._manifest import Backup, BackupError, Kept, piece_path
from canonry.progress import track
from canonry.release import File
from canonry.storage import NotFound, Storage

THREADS = 8


def verify(place: Storage, backup: Backup) -> list[str]:
    """Everything that is wrong with a backup, a line an object; empty when all is well. Reads every byte."""

    def problem(item: tuple[str, Kept]) -> str | None:
        try:
            for _ in read_object(place, *item):
                pass
        except BackupError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(problem, backup.objects.items())
        return [each for each in track(found, "verifying", len(backup.objects)) if each]


def read_object(place: Storage, name: str, kept: Kept) -> Iterator[bytes]:
    """An object's bytes, piece after piece, each checked. Raises BackupError, at the latest after the last one."""
    digest = hashlib.sha256()
    for piece in kept.pieces:
        try:
            data = place.read(piece_path(piece))
        except NotFound:
            data = None
        problem = piece.problem(None if data is None else File.of(data))
        if data is None or problem:
            raise BackupError(
                f"{name}: {place.url}/{piece_path(piece)} {problem}; delete that file and back up again while the home "
                "still has the object, or restore an earlier backup with --at"
            )
        digest.update(data)
        yield data
    if digest.hexdigest() != kept.file.sha256:
        raise BackupError(f"{name}: its pieces make sha256 {digest.hexdigest()}, expected {kept.file.sha256}")

"""The manifest of a backup: which objects a home had, and which pieces give their bytes back."""

from __future__ import annotations

import datetime as dt
import gzip
import re
import zlib
from dataclasses import dataclass
from typing import Annotated

from pydantic import AwareDatetime, StringConstraints, TypeAdapter, ValidationError

from canonry.release import File
from canonry.storage import NotFound, Storage

FORMAT_VERSION = 1
BACKUPS = "backups"
PIECES = "pieces"

_SUFFIX = ".json.gz"
_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z")


class BackupError(Exception):
    """A backup that cannot be taken, read or restored; the message says what to do."""


@dataclass(frozen=True)
class Kept:
    """One object: what it was, its tag when it was read, and the pieces that make it up, in order."""

    file: File
    etag: str
    pieces: tuple[File, ...]


@dataclass(frozen=True)
class Backup:
    """A home at a time. `objects` are named ZONE/PATH."""

    taken_at: AwareDatetime
    home: str
    canonry_version: str
    objects: dict[Annotated[str, StringConstraints(pattern=r"^[a-z]+/.+$")], Kept]
    format_version: int = FORMAT_VERSION

    @property
    def name(self) -> str:
        """Its time, as its file is called."""
        return self.taken_at.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%S.%fZ")

    @property
    def size(self) -> int:
        """Bytes of all its objects."""
        return sum(kept.file.size for kept in self.objects.values())

    def pieces(self) -> dict[File, str]:
        """Every piece, with an object that needs it."""
        return {piece: path for path, kept in self.objects.items() for piece in kept.pieces}


def backup_path(name: str) -> str:
    """Where a backup's manifest lies."""
    return f"{BACKUPS}/{name}{_SUFFIX}"


def piece_path(piece: File) -> str:
    """Where a piece's bytes lie."""
    return f"{PIECES}/{piece.sha256[:2]}/{piece.sha256}"


def list_backups(place: Storage) -> list[str]:
    """Names of the backups at a place, the oldest first."""
    names = (entry.path.removeprefix(f"{BACKUPS}/").removesuffix(_SUFFIX) for entry in place.list(BACKUPS))
    return [name for name in names if _NAME.fullmatch(name)]


def read_backup(place: Storage, name: str | None = None) -> Backup:
    """A backup by name, or the newest. Raises BackupError where there is none or it cannot be read."""
    known = list_backups(place)
    name = name or (known[-1] if known else None)
    if name is None:
        raise BackupError(f"{place.url}: holds no backup; take one with `canonry backup {place.url}`")
    if name not in known:
        raise BackupError(f"{place.url}: holds no backup {name!r}; it has {', '.join(known) or 'none'}")
    where = f"{place.url}/{backup_path(name)}"
    try:
        data = gzip.decompress(place.read(backup_path(name)))
        newer = _FORMAT.validate_json(data).get("format_version")
        if isinstance(newer, int) and newer > FORMAT_VERSION:
            raise BackupError(f"{where}: format_version {newer}, expected at most {FORMAT_VERSION}; upgrade canonry")
        return _BACKUP.validate_json(data)
    except (ValidationError, NotFound, gzip.BadGzipFile, EOFError, zlib.error) as error:
        told = " ".join(str(error).split())[:200]
        raise BackupError(
            f"{where}: is not a backup's manifest: {told}; delete it, or name an earlier one with --at"
        ) from None


def put_backup(place: Storage, backup: Backup) -> None:
    """Write the manifest, the last step of a backup."""
    data = gzip.compress(_BACKUP.dump_json(backup, indent=1) + b"\n", mtime=0)
    if not place.put_if_absent(backup_path(backup.name), data):
        raise BackupError(f"{place.url}/{backup_path(backup.name)}: is there already; take the backup again")


_FORMAT: TypeAdapter[dict[str, object]] = TypeAdapter(dict[str, object])
_BACKUP: TypeAdapter[Backup] = TypeAdapter(Backup)

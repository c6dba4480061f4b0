"""A release as verified local files: in place on a local folder, fetched once from object storage."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from canonry.release._manifest import File
from canonry.release._paths import MANIFEST
from canonry.release._store import Release
from canonry.storage import LocalStorage, NotFound


def local_folder(release: Release, cache: Path | None = None) -> Path:
    """A folder with the release's files, every byte checked against the manifest just now. Raises Damaged.

    Releases on object storage are fetched into `cache` (by default CANONRY_CACHE, else `canonry` in the user's cache
    folder), which may be emptied at any time; a damaged copy there is fetched again.
    """
    if isinstance(release.published, LocalStorage):
        folder = release.published.root / release.folder
        _refuse_damaged(release, folder)
        return folder
    where = hashlib.sha256(release.published.url.encode()).hexdigest()[:16]
    folder = (cache or _default_cache()) / where / release.folder
    if release.manifest.problems(folder):
        _fetch(release, folder)
    return folder


def _refuse_damaged(release: Release, folder: Path) -> None:
    for path, expected in release.manifest.files.items():
        actual = File.of(folder / path) if (folder / path).is_file() else None
        if actual != expected:
            raise release.damaged(path, actual)


def _fetch(release: Release, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.parent / f".fetching-{uuid.uuid4().hex}"
    try:
        for path in release.manifest.files:
            target = beside / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(NotFound), release.published.local_copy(f"{release.folder}/{path}") as source:
                shutil.copyfile(source, target)
        _refuse_damaged(release, beside)
        (beside / MANIFEST).write_bytes(release.manifest.to_json())
        _put_in_place(release, beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put_in_place(release: Release, beside: Path, folder: Path) -> None:
    try:
        beside.rename(folder)
    except OSError:
        # Another process was first, and its copy is as good; or a damaged copy is in the way.
        if release.manifest.problems(folder):
            damaged = folder.parent / f".damaged-{uuid.uuid4().hex}"
            folder.rename(damaged)
            beside.rename(folder)
            shutil.rmtree(damaged, ignore_errors=True)


def _default_cache() -> Path:
    given = os.environ.get("CANONRY_CACHE")
    if given:
        return Path(given).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "canonry"

"""A release as verified local files: in place on a local folder, fetched once from anywhere else."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from canonry.release import _verified
from canonry.release._cache import Cache
from canonry.release._errors import ReleaseError
from canonry.release._store import Release
from canonry.storage import LocalStorage, NotFound


class LocalFiles:
    """Local paths of a release's files. What was fetched stays in the cache for as long as this object lives."""

    def __init__(self, paths: dict[str, Path], descriptors: Sequence[int] = ()) -> None:
        self._paths = paths
        weakref.finalize(self, _close, tuple(descriptors))

    def __getitem__(self, path: str) -> Path:
        return self._paths[path]


def local_files(release: Release, wanted: Collection[str] | None = None, cache: Cache | None = None) -> LocalFiles:
    """A release's files (or those wanted), every byte checked against the manifest, now or earlier. Raises Damaged.

    Files on a local folder stay there. Others are fetched into `cache` (by default CANONRY_CACHE, else `canonry` in
    the user's cache folder), which may be emptied at any time; a damaged copy there is fetched again.
    """
    names = sorted(release.manifest.files if wanted is None else wanted)
    unknown = [name for name in names if name not in release.manifest.files]
    if unknown:
        raise ReleaseError(f"{release.folder}: has no file {', '.join(unknown)}")
    if isinstance(release.published, LocalStorage):
        folder = release.published.root / release.folder
        return LocalFiles({name: _in_place(release, folder, name) for name in names})
    return _cached(release, names, cache or Cache())


def made_from(
    release: Release, path: str, form: str, make: Callable[[Path], None], cache: Cache | None = None
) -> LocalFiles | None:
    """What `make` writes from this one file of a release, found under the file's path; made once a machine and `form`.

    None where the cache cannot keep it.
    """
    try:
        made, descriptor = (cache or Cache()).hold_made(release.manifest.files[path], form, make)
    except OSError:
        return None
    return LocalFiles({path: made}, [descriptor])


def _in_place(release: Release, folder: Path, name: str) -> Path:
    expected = release.manifest.files[name]
    actual = _verified.verified(folder / name, expected)
    if actual != expected:
        raise release.damaged(name, actual)
    return folder / name


def _cached(release: Release, names: list[str], cache: Cache) -> LocalFiles:
    paths: dict[str, Path] = {}
    descriptors: list[int] = []
    try:
        for name in names:
            fetch = partial(release.published.local_copy, f"{release.folder}/{name}")
            path, descriptor, actual = cache.hold(release.manifest.files[name], fetch)
            if actual is not None:
                raise release.damaged(name, actual)
            paths[name] = path
            descriptors.append(descriptor)
    except NotFound:
        _close(descriptors)
        raise release.damaged(name, None) from None
    except BaseException:
        _close(descriptors)
        raise
    return LocalFiles(paths, descriptors)


def _close(descriptors: Collection[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)

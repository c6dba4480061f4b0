"""Writing releases and reading them back: payload first, manifest last, so that half a release is none."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from canonry.release._errors import Damaged, NotReleased, ReleaseError
from canonry.release._manifest import File, Manifest, explain, payload_version, utc
from canonry.release._paths import MANIFEST, YANKED, FilePath, Kind, kind_folder, release_folder, thing_folder
from canonry.storage import NotFound, Storage

log = logging.getLogger("canonry.release")


@dataclass(frozen=True)
class Release:
    """A released payload: its manifest, and where its files lie."""

    published: Storage = field(repr=False, compare=False)
    manifest: Manifest

    @property
    def version(self) -> str:
        """Digest of the payload, 16 hex digits."""
        return self.manifest.version

    @property
    def folder(self) -> str:
        """Its path under `published`."""
        return release_folder(self.manifest.kind, self.manifest.name, self.manifest.version)

    def read(self, path: str) -> bytes:
        """One file's bytes, checked against the manifest. Raises Damaged."""
        expected = self.manifest.files.get(path)
        if expected is None:
            raise ReleaseError(f"{self.folder}: has no file {path!r} (it has {', '.join(self.manifest.files)})")
        try:
            data = self.published.read(f"{self.folder}/{path}")
        except NotFound:
            raise self.damaged(path, None) from None
        actual = File.of(data)
        if actual != expected:
            raise self.damaged(path, actual)
        return data

    def damaged(self, path: str, actual: File | None) -> Damaged:
        """The error that names a file, both digests and what to do."""
        manifest = self.manifest
        remedy = (
            f"see `canonry releases verify {manifest.kind} {manifest.name} {manifest.version}`, then publish the same "
            f"payload again or `canonry releases rollback {manifest.kind} {manifest.name}`"
        )
        where = f"{self.published.url}/{self.folder}/{path}"
        return Damaged(where, manifest.files[path].sha256, actual.sha256 if actual else None, remedy)


def publish(
    published: Storage,
    kind: str,
    name: str,
    files: Mapping[str, bytes | Path],
    *,
    metadata: Mapping[str, Any],
    lineage: Mapping[str, Any],
    now: dt.datetime,
    like: Release | None = None,
) -> Release:
    """Write a payload as a release; no channel moves. The release that was there first stays as it is.

    Publishing a payload again gives the same version, keeps the first manifest, and replaces files that were damaged
    since. Files that are also, and soundly, in the release `like` are copied within the storage: an encoder that every
    version carries takes its space once. A crash at any point leaves nothing that a reader could find.
    """
    _check_paths(kind, name, files)
    digests = {path: File.of(content) for path, content in sorted(files.items())}
    version = payload_version(digests)
    folder = release_folder(kind, name, version)
    manifest = Manifest(
        cast(Kind, kind), name, version, utc(now), files=digests, lineage=dict(lineage), metadata=dict(metadata)
    )
    document = manifest.to_json()
    missing = [path for path in files if digests[path].problem(_stored(published, f"{folder}/{path}"))]
    for path in missing:
        content = files[path]
        if like and like.manifest.files.get(path) == digests[path] == _stored(published, f"{like.folder}/{path}"):
            published.copy(f"{like.folder}/{path}", f"{folder}/{path}")
        elif isinstance(content, bytes):
            published.put(f"{folder}/{path}", content)
        else:
            published.put_file(f"{folder}/{path}", content)
    if published.put_if_absent(f"{folder}/{MANIFEST}", document):
        return Release(published, Manifest.parse(document, folder))
    return find(published, kind, name, version)


def find(published: Storage, kind: str, name: str, version: str) -> Release:
    """The release with this version. Raises NotReleased, or ReleaseError where its manifest is none."""
    path = f"{release_folder(kind, name, version)}/{MANIFEST}"
    where = f"{published.url}/{path}"
    try:
        data = published.read(path)
    except NotFound:
        known = [release.version for release in list_releases(published, kind, name)]
        raise NotReleased(f"{where}: no such release (known: {', '.join(known) or 'none'})") from None
    manifest = Manifest.parse(data, where)
    if (manifest.kind, manifest.name, manifest.version) != (kind, name, version):
        found = f"{manifest.kind}/{manifest.name} {manifest.version}"
        raise ReleaseError(f"{where}: is the manifest of {found}; take the folder away and publish again")
    return Release(published, manifest)


def verify(published: Storage, kind: str, name: str, version: str) -> list[str]:
    """Everything that is wrong with a release, each as one line; empty when all is well. Reads every byte."""
    folder = release_folder(kind, name, version)
    try:
        release = find(published, kind, name, version)
    except ReleaseError as error:
        return [str(error)]
    wanted = release.manifest.files
    problems = [
        f"{published.url}/{folder}/{path} {problem}"
        for path, expected in sorted(wanted.items())
        if (problem := expected.problem(_stored(published, f"{folder}/{path}")))
    ]
    present = {entry.path.removeprefix(f"{folder}/") for entry in published.list(folder)}
    strangers = sorted(present - wanted.keys() - {MANIFEST, YANKED})
    return problems + [f"{published.url}/{folder}/{path} is not in the manifest" for path in strangers]


def list_releases(published: Storage, kind: str | None = None, name: str | None = None) -> list[Release]:
    """Releases of a kind and name, or of all, by kind, name and time. A manifest that is none is logged, not listed."""
    if name is not None and kind is None:
        raise ReleaseError(f"which kind of {name!r}? Pass kind and name, or neither")
    prefix = thing_folder(kind, name) if kind and name else kind_folder(kind) if kind else ""
    releases = list(_releases_under(published, prefix))
    return sorted(releases, key=lambda each: (each.manifest.kind, each.manifest.name, each.manifest.created_at))


def names(published: Storage, kind: str) -> tuple[str, ...]:
    """Everything of a kind that was ever released, or begun to be, in order; no object is looked at."""
    return published.folders(kind_folder(kind))


def _releases_under(published: Storage, prefix: str) -> Iterator[Release]:
    for entry in published.list(prefix):
        match entry.path.split("/"):
            case [kind, name, "releases", version, file] if file == MANIFEST:
                try:
                    yield find(published, kind, name, version)
                except ReleaseError as error:
                    log.warning("%s", error)


def _stored(published: Storage, path: str) -> File | None:
    if published.head(path) is None:
        return None
    with published.local_copy(path) as local:
        return File.of(local)


def _check_paths(kind: str, name: str, files: Mapping[str, bytes | Path]) -> None:
    if not files:
        raise ReleaseError(f"{kind}/{name}: a release needs at least one file")
    try:
        _PATHS.validate_python(list(files), strict=True)
    except ValidationError as error:
        raise ReleaseError(f"{kind}/{name}: file paths {list(files)}: {explain(error)}") from None
    if taken := {MANIFEST, YANKED}.intersection(files):
        raise ReleaseError(f"{kind}/{name}: {taken.pop()} is a name of a release's own; call the file something else")


_PATHS: TypeAdapter[list[str]] = TypeAdapter(list[FilePath])

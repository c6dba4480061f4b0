"""Releases and candidates of indexes that hold what is erased: found by what their documents were made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from canonry import release
from canonry.index import made_of, recut, sketches, store, tables
from canonry.index.erased import Erased
from canonry.index.gaps import GAPS_FOLDER
from canonry.storage import Zones

_KEPT = (
    tables.documents_path,
    tables.chunks_path,
    tables.duplicates_path,
    made_of.path_of,
    recut.path_of,
    sketches.path_of,
)


@dataclass(frozen=True)
class Touched:
    """A release or candidate that holds what is erased, or may: `documents` of it surely do, None where nobody can
    tell."""

    index: str
    name: str
    """Of the release: the index's, or one of its audiences'."""
    version: str
    documents: int | None
    released: bool
    channels: tuple[str, ...] = ()


def touched_by(zones: Zones, erasure: Erased) -> list[Touched]:
    """Releases and candidates of indexes that hold what is erased, or may, the oldest of a name first."""
    calls = erasure.calls | erasure.remarked
    found = []
    for each in release.list_releases(zones.published, "indexes"):
        name, version = each.manifest.name, each.version
        documents = made_of.documents_of(zones.lake, name, version, each.manifest.lineage, calls)
        if documents != 0:
            index = each.manifest.metadata.get("index", name)
            moves = release.channels(zones.published, "indexes", name).values()
            named = tuple(move.channel for move in moves if version in (move.version, (move.canary or move).version))
            found.append(Touched(index, name, version, documents, True, named))
    for name, version in store.candidates(zones.lake):
        about = store.read_about(zones.lake, name, version)
        documents = made_of.documents_of(zones.lake, name, version, about["lineage"], calls)
        if documents != 0:
            found.append(Touched(about["metadata"].get("index", name), name, version, documents, False))
    return found


def forget_text(zones: Zones, erasure: Erased, touched: Iterable[Touched]) -> None:
    """Take away what the lake keeps of these: candidates, the tables that they are built of, and coverage gaps.

    The next build makes all of them anew.
    """
    found = list(touched)
    for each in found:
        if not each.released:
            store.remove_candidate(zones.lake, each.name, each.version)
    now = made_of.indexes_of(zones.lake, erasure.calls | erasure.remarked)
    for index in sorted({each.index for each in found} | set(now)):
        for path in _KEPT:
            zones.lake.delete(path(index))
    # Of every index: its questions are users' words, wherever its documents come from.
    for entry in list(zones.lake.list(GAPS_FOLDER)):
        zones.lake.delete(entry.path)

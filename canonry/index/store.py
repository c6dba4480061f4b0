"""Candidates in the lake: kept whether or not they pass, with what they were made from and what the gate said.

`candidates/indexes/NAME/VERSION/` holds the payload, `candidate.json` and `gate.json`; `latest.json` beside the
versions names the one that was built last. The version is the one its release will have. The encoder that goes with
it is named by digest and lies in `encoders/` (see carried.py): a candidate is small beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from canonry.index.errors import IndexBuildError
from canonry.index.tables import put_if_changed
from canonry.release import File, is_version, payload_version
from canonry.storage import NotFound, Storage


@dataclass(frozen=True)
class Candidate:
    """A built index: its own files, and for its release's manifest, what it is and what it was made from."""

    version: str
    files: dict[str, bytes]
    carried: dict[str, File]
    """The encoder's files by their path in the release."""
    metadata: dict[str, Any]
    lineage: dict[str, Any]


def put_candidate(
    lake: Storage,
    name: str,
    files: Mapping[str, bytes],
    metadata: Mapping[str, Any],
    lineage: Mapping[str, Any],
    carried: Mapping[str, File] | None = None,
) -> str:
    """Keep a candidate and make it the latest; returns its version."""
    version = version_of(files, carried or {})
    folder = _folder(name, version)
    for path, data in files.items():
        put_if_changed(lake, f"{folder}/{path}", data)
    about = {
        "files": sorted(files),
        "metadata": metadata,
        "lineage": lineage,
        "carried": {path: asdict(file) for path, file in (carried or {}).items()},
    }
    put_if_changed(lake, f"{folder}/candidate.json", _json(about))
    put_if_changed(lake, _latest(name), _json({"version": version}))
    return version


def no_candidate(lake: Storage, name: str) -> None:
    """Say that there is nothing to release now; candidates of before are kept."""
    lake.delete(_latest(name))


def latest_version(lake: Storage, name: str) -> str | None:
    """Version of the candidate built last, or None."""
    try:
        return str(json.loads(lake.read(_latest(name)))["version"])
    except NotFound:
        return None


def read_candidate(lake: Storage, name: str, version: str) -> Candidate:
    """A candidate, its bytes verified. Raises IndexBuildError where they are damaged."""
    folder = _folder(name, version)
    about = json.loads(lake.read(f"{folder}/candidate.json"))
    files = {path: lake.read(f"{folder}/{path}") for path in about["files"]}
    carried = {path: File(**file) for path, file in about.get("carried", {}).items()}
    found = version_of(files, carried)
    if found != version:
        raise IndexBuildError(f"{lake.url}/{folder}: is damaged (its bytes are version {found}); build it again")
    return Candidate(version, files, carried, about["metadata"], about["lineage"])


def has_candidate(lake: Storage, name: str, version: str) -> bool:
    """Whether a candidate of this version is kept."""
    return is_version(version) and lake.head(f"{_folder(name, version)}/candidate.json") is not None


def put_gate(lake: Storage, name: str, version: str, gate: Mapping[str, Any]) -> None:
    """Keep what the gate said about a candidate."""
    put_if_changed(lake, f"{_folder(name, version)}/gate.json", _json(gate))


def read_gate(lake: Storage, name: str, version: str) -> dict[str, Any] | None:
    """What the gate said about a candidate, or None where it was not asked."""
    try:
        return json.loads(lake.read(f"{_folder(name, version)}/gate.json"))
    except NotFound:
        return None


def candidates(lake: Storage) -> list[tuple[str, str]]:
    """Name and version of every candidate that is kept."""
    parts = [entry.path.split("/") for entry in lake.list("candidates/indexes")]
    return [(each[2], each[3]) for each in parts if each[4:] == ["candidate.json"]]


def read_about(lake: Storage, name: str, version: str) -> dict[str, Any]:
    """What a candidate is: its `metadata`, `lineage` and `files`."""
    return json.loads(lake.read(f"{_folder(name, version)}/candidate.json"))


def remove_candidate(lake: Storage, name: str, version: str) -> None:
    """Take a candidate away; where it was built last, there is nothing to release."""
    if latest_version(lake, name) == version:
        no_candidate(lake, name)
    lake.delete(f"{_folder(name, version)}/candidate.json")
    for entry in list(lake.list(_folder(name, version))):
        lake.delete(entry.path)


def judged_candidates(lake: Storage) -> list[dict[str, Any]]:
    """`index`, `version` and `gate` of every candidate that a gate has judged, by name and version."""
    found = []
    for entry in lake.list("candidates/indexes"):
        match entry.path.split("/"):
            case [_, _, name, version, "gate.json"]:
                found.append({"index": name, "version": version, "gate": json.loads(lake.read(entry.path))})
    return found


def version_of(files: Mapping[str, bytes], carried: Mapping[str, File]) -> str:
    """The version that a release of these files has."""
    return payload_version({**{path: File.of(data) for path, data in files.items()}, **carried})


def _folder(name: str, version: str) -> str:
    return f"candidates/indexes/{name}/{version}"


def _latest(name: str) -> str:
    return f"candidates/indexes/{name}/latest.json"


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"

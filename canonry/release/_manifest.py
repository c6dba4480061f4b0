"""The manifest: which files a release has, their digests, and whether a folder is that release."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, NonNegativeInt, StringConstraints, TypeAdapter, ValidationError

from canonry.release._errors import ReleaseError
from canonry.release._paths import MANIFEST, FilePath, Kind, Name, Version

FORMAT_VERSION = 1

T = TypeVar("T")
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class File:
    """One file of a payload; `size` in bytes."""

    sha256: Digest
    size: NonNegativeInt

    @classmethod
    def of(cls, content: bytes | Path) -> File:
        """Of bytes, or of a local file, which is never whole in memory."""
        if isinstance(content, bytes):
            return cls(hashlib.sha256(content).hexdigest(), len(content))
        with open(content, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(digest, file.tell())

    def problem(self, found: File | None) -> str | None:
        """What is wrong with a file that should be this one, or None."""
        if found is None:
            return "is missing"
        if found.size != self.size:
            return f"has {found.size} bytes, expected {self.size}"
        if found.sha256 != self.sha256:
            return f"has sha256 {found.sha256}, expected {self.sha256}"
        return None


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says. `version` is the digest of the payload alone: not of lineage, metadata or time."""

    kind: Kind
    name: Name
    version: Version
    created_at: AwareDatetime
    files: dict[FilePath, File]
    lineage: dict[str, Any]
    metadata: dict[str, Any]
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if not self.files:
            raise ValueError("a release needs at least one file")
        if MANIFEST in self.files:
            raise ValueError(f"{MANIFEST} is the manifest's own name; call the file something else")
        if self.version != payload_version(self.files):
            raise ValueError(f"version {self.version} is not the digest of these files")

    @classmethod
    def parse(cls, data: bytes, where: str) -> Manifest:
        """From JSON that anybody may have written. Raises ReleaseError naming the file and the field."""
        newer = parse(_FORMAT, data, where).get("format_version")
        if isinstance(newer, int) and newer > FORMAT_VERSION:
            found = f"found format_version {newer}, expected at most {FORMAT_VERSION}"
            raise ReleaseError(f"{where}: {found}; upgrade canonry to read it")
        return parse(_MANIFEST, data, where)

    def to_json(self) -> bytes:
        """The file's bytes. Raises ReleaseError where lineage or metadata is not JSON."""
        return to_json(self, f"{self.kind}/{self.name}: lineage and metadata")

    def problems(self, folder: Path) -> list[str]:
        """Why a local folder is not this release; empty when it is. Reads every byte."""
        return [
            f"{path} {problem}"
            for path, expected in sorted(self.files.items())
            if (problem := expected.problem(File.of(folder / path) if (folder / path).is_file() else None))
        ]


def payload_version(files: Mapping[str, File]) -> str:
    """Version of a payload: 16 hex digits of the digest over its sorted paths, digests and sizes."""
    listing = sorted((path, file.sha256, file.size) for path, file in files.items())
    return hashlib.sha256(json.dumps(listing, separators=(",", ":")).encode()).hexdigest()[:16]


def parse(adapter: TypeAdapter[T], data: bytes, where: str) -> T:
    """A value from foreign JSON. Raises ReleaseError naming the file, each field and what is wrong."""
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        raise ReleaseError(f"{where}: {explain(error)}") from None


def explain(error: ValidationError) -> str:
    """Every field and what is wrong with it, in a line."""
    return "; ".join(
        f"{'.'.join(str(part) for part in each['loc']) or 'file'}: {each['msg'].removeprefix('Value error, ')}"
        for each in error.errors(include_input=False)
    )


def to_json(value: Any, what: str) -> bytes:
    """A dataclass as JSON: the same bytes for the same value. Raises ReleaseError where it is not JSON."""
    try:
        return json.dumps(asdict(value), indent=1, sort_keys=True, allow_nan=False, default=_iso).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise ReleaseError(f"{what} must be JSON: {error}") from None


def _iso(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raise TypeError(f"found {type(value).__name__}")


def utc(moment: dt.datetime) -> dt.datetime:
    """The moment in UTC. Raises ReleaseError where it has no zone."""
    if moment.tzinfo is None:
        raise ReleaseError(f"{moment} has no time zone; pass an aware time such as datetime.now(UTC)")
    return moment.astimezone(dt.UTC)


_FORMAT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Manifest)

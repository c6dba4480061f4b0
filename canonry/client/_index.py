"""Canonical indexes: verified, mapped into memory, searched by vector or by text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy.typing as npt

from canonry.client._open import find
from canonry.release import PRODUCTION, Manifest, Release, ReleaseError, local_files
from canonry.search import CHUNKS, VECTORS, Hit, VectorIndex

if TYPE_CHECKING:
    from canonry.encode import EncoderFiles


def open_index(
    name: str, channel: str = PRODUCTION, version: str | None = None, home: str | Path | None = None
) -> Index:
    """The index a channel points to, or the one with this version; it stays that one while it is open.

    Raises NotReleased, Damaged (before FAISS reads a byte), ReleaseError.
    """
    return Index(find("indexes", name, channel, version, home))


class Index:
    """An open index. Any number of threads may search it; processes that open it share its memory."""

    def __init__(self, release: Release) -> None:
        missing = [path for path in (VECTORS, CHUNKS) if path not in release.manifest.files]
        if missing:
            raise ReleaseError(f"{release.folder}: has no {' and no '.join(missing)}, so it is not an index")
        self.manifest: Manifest = release.manifest
        """Its digests, lineage and gate."""
        local = local_files(release, (VECTORS, CHUNKS))
        self.vectors = VectorIndex(local[VECTORS], local[CHUNKS])
        """The FAISS index with its chunks."""
        if self.encoder.dimension != self.vectors.dimension:
            raise ReleaseError(
                f"{release.folder}: its vectors have {self.vectors.dimension} values, but its encoder "
                f"{self.encoder.name} gives {self.encoder.dimension}; publish it again"
            )

    def search(self, vectors: npt.ArrayLike, k: int = 10) -> list[Any]:
        """The k nearest Hits of one vector (dimension,), best first; of a matrix (n, dimension) a list of them each.

        Vectors are floats from the index's own encoder. Raises SearchError for another shape or type.
        """
        return self.vectors.search(vectors, k)

    @overload
    def search_text(self, text: str, k: int = 10) -> list[Hit]: ...
    @overload
    def search_text(self, text: list[str], k: int = 10) -> list[list[Hit]]: ...
    def search_text(self, text: str | list[str], k: int = 10) -> list[Any]:
        """The k nearest Hits of a text, best first; of several texts a list of them each.

        Needs the extra `encode`. Raises EncoderError where it is missing, or its weights are not those of this index.
        """
        from canonry.encode import load_encoder

        # The loader refuses weights whose digest is not the one in this release.
        encoder = load_encoder(self.encoder)
        if isinstance(text, str):
            return self.search(encoder.encode([text])[0], k)
        return self.search(encoder.encode(text), k)

    @property
    def version(self) -> str:
        """Version of the release: digest of its payload, 16 hex digits."""
        return self.manifest.version

    @property
    def encoder(self) -> EncoderFiles:
        """The model that gave the vectors, and must give those of queries."""
        from canonry.encode import EncoderFiles

        return EncoderFiles.from_metadata(self._metadata("encoder"))

    def __len__(self) -> int:
        """Number of chunks."""
        return len(self.vectors)

    def __repr__(self) -> str:
        return f"<Index {self.manifest.name} {self.version}, {len(self)} chunks>"

    def _metadata(self, field: str) -> dict[str, Any]:
        value = self.manifest.metadata.get(field)
        if not isinstance(value, dict):
            raise ReleaseError(f"index {self.manifest.name} {self.version}: its manifest has no metadata.{field}")
        return value

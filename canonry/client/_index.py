"""Canonical indexes: verified, mapped into memory, searched by vector or by text."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from canonry.client._follow import Followed

# The client is imported in every process of a product; FAISS, Arrow and NumPy only where an index is opened.
if TYPE_CHECKING:
    import numpy.typing as npt

    from canonry.client._opened import Opened
    from canonry.encode import EncoderFiles
    from canonry.release import Arm, Manifest
    from canonry.search import Hit, Mode, VectorIndex, Where

FOLLOW_SECONDS = 10.0


def open_index(
    name: str,
    channel: str = "production",
    version: str | None = None,
    home: str | Path | None = None,
    *,
    follow: bool | float = False,
    caller: str | None = None,
) -> Index:
    """The index a channel points to, or the one with this version; it stays that one unless it is told to follow.

    `home`: a folder, `s3://…`, or the `http(s)://…` of the service; without it, see `canonry.client`. `follow`: seconds
    (True: 10) after which a search also makes the index look, beside itself, whether its channel has moved; it then
    answers from the new version as soon as that is open, and from none where what it has was yanked. `caller`: for whom
    it is opened; where the channel has a canary, the same caller always gets the same of the two, and `arm` says which.
    Raises NotReleased, Withdrawn, Damaged (before FAISS reads a byte), ReleaseError, StorageError.

    >>> index = open_index("docs", follow=True)
    >>> vector = [1.0, 0, 0, 0, 0, 0, 0, 0]
    >>> [hit.document_id for hit in index.search(vector, k=2, where={"document_id": ["d3", "d4"]})]
    ['d3', 'd4']
    >>> len(index), index.channel, len(index.version)
    (50, 'production', 16)
    """
    if version is not None and follow:
        raise ValueError("a version stays what it is: follow a channel, or name a version")
    seconds = FOLLOW_SECONDS if follow is True else float(follow)
    return Index(name, channel, version, home, follow=seconds, caller=caller)


async def aopen_index(
    name: str,
    channel: str = "production",
    version: str | None = None,
    home: str | Path | None = None,
    *,
    follow: bool | float = False,
    caller: str | None = None,
) -> Index:
    """`open_index` in a thread, since it may fetch and read much: the event loop goes on meanwhile.

    >>> len(asyncio.run(aopen_index("docs")))
    50
    """
    return await asyncio.to_thread(open_index, name, channel, version, home, follow=follow, caller=caller)


class Index:
    """An open index. Any number of threads may search it; processes that open it, or were forked, share its memory.

    A search is answered from one whole version, which every hit names; a version that is left stays valid for the
    searches that began in it.
    """

    def __init__(
        self,
        name: str,
        channel: str = "production",
        version: str | None = None,
        home: str | Path | None = None,
        *,
        follow: float = 0.0,
        caller: str | None = None,
    ) -> None:
        self.name = name
        self.channel = None if version else channel
        from canonry.client._open import published_at
        from canonry.client._opened import Opened

        self._followed = Followed(published_at(home), "indexes", name, version or channel, Opened, follow, caller)
        self._followed.value()

    @property
    def opened(self) -> Opened:
        """One whole version: take it once to ask several things of the same."""
        return self._followed.value()

    def refresh(self) -> bool:
        """Look where the channel points, and open that; True where it has moved. Searches go on in the old version.

        Raises as `open_index`, and then stays as it was.

        >>> open_index("docs").refresh()
        False
        """
        return self._followed.refresh()

    async def arefresh(self) -> bool:
        """`refresh` in a thread: the event loop goes on meanwhile.

        >>> asyncio.run(open_index("docs").arefresh())
        False
        """
        return await asyncio.to_thread(self.refresh)

    @overload
    def search(self, query: str, k: int = 10, where: Where | None = None, mode: Mode | None = None) -> list[Hit]: ...
    @overload
    def search(
        self, query: list[str], k: int = 10, where: Where | None = None, mode: Mode | None = None
    ) -> list[list[Hit]]: ...
    @overload
    def search(
        self, query: npt.ArrayLike, k: int = 10, where: Where | None = None, mode: Mode | None = None
    ) -> list[Any]: ...
    def search(self, query: Any, k: int = 10, where: Where | None = None, mode: Mode | None = None) -> list[Any]:
        """The k best Hits of a text or of one vector (dimension,), best first.

        Of several texts, or of a matrix (n, dimension), a list of them each. Texts are as in `search_text`; vectors are
        floats from the index's own encoder, searched for by nearness (mode `dense`) alone. `where` leaves only chunks
        that have these values in these columns, a value or several of which one is enough; k are found where so many
        fit. Raises SearchError for another shape or type, a mode, or a column there is not.

        >>> index = open_index("docs")
        >>> [hit.chunk_id for hit in index.search("red", k=2)]
        ['c18', 'c25']
        >>> [len(hits) for hits in index.search([[1.0, 0, 0, 0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0, 0, 0, 0]], k=3)]
        [3, 3]
        """
        opened = self.opened
        if isinstance(query, str) or (isinstance(query, list) and query and isinstance(query[0], str)):
            return opened.search_text(query, k, where, mode=mode)
        if mode not in (None, "dense"):
            from canonry.search import SearchError

            raise SearchError(f"mode {mode}: a vector has no words; search by text, or with mode dense")
        return opened.vectors.search(query, k, where)

    @overload
    def search_text(
        self, text: str, k: int = 10, where: Where | None = None, mode: Mode | None = None
    ) -> list[Hit]: ...
    @overload
    def search_text(
        self, text: list[str], k: int = 10, where: Where | None = None, mode: Mode | None = None
    ) -> list[list[Hit]]: ...
    def search_text(
        self, text: str | list[str], k: int = 10, where: Where | None = None, mode: Mode | None = None
    ) -> list[Any]:
        """The k best Hits of a text, best first; of several texts a list of them each. `where` as in `search`.

        `mode`: `hybrid`, by meaning and by words, is what a release with both is searched by; `dense` is by meaning
        alone, and `lexical` by words alone: chunks that share none are not found, and the base install is enough. The
        others need the extra `encode`: the encoder is the one inside the release. A Hit's `score` is from 0 to 1, the
        inner product, or BM25. Raises EncoderError where the extra is missing, or the release's encoder is not what its
        manifest says, and SearchError for a mode that the release does not have.

        >>> [[hit.text for hit in hits] for hits in open_index("docs").search_text(["red", "blue"], k=1)]
        [['text of chunk 18'], ['text of chunk 41']]
        """
        return self.opened.search_text(text, k, where, mode=mode)

    @overload
    async def asearch(
        self, query: str, k: int = 10, where: Where | None = None, mode: Mode | None = None
    ) -> list[Hit]: ...
    @overload
    async def asearch(
        self, query: list[str], k: int = 10, where: Where | None = None, mode: Mode | None = None
    ) -> list[list[Hit]]: ...
    @overload
    async def asearch(
        self, query: npt.ArrayLike, k: int = 10, where: Where | None = None, mode: Mode | None = None
    ) -> list[Any]: ...
    async def asearch(self, query: Any, k: int = 10, where: Where | None = None, mode: Mode | None = None) -> list[Any]:
        """`search` in a thread: it computes, and FAISS lets other threads go on.

        >>> len(asyncio.run(open_index("docs").asearch("red", k=3)))
        3
        """
        return await asyncio.to_thread(self.search, query, k, where, mode)

    @overload
    async def asearch_text(
        self, text: str, k: int = 10, where: Where | None = None, mode: Mode | None = None
    ) -> list[Hit]: ...
    @overload
    async def asearch_text(
        self, text: list[str], k: int = 10, where: Where | None = None, mode: Mode | None = None
    ) -> list[list[Hit]]: ...
    async def asearch_text(
        self, text: str | list[str], k: int = 10, where: Where | None = None, mode: Mode | None = None
    ) -> list[Any]:
        """`search_text` in a thread.

        >>> len(asyncio.run(open_index("docs").asearch_text("red", k=3)))
        3
        """
        return await asyncio.to_thread(self.search, text, k, where, mode)

    @property
    def arm(self) -> Arm | None:
        """`canary` or `control` where the channel has a canary and the caller was named, else None: log it with a call.

        >>> open_index("docs", caller="docs-site").arm is None
        True
        """
        return self._followed.served()[1]

    @property
    def version(self) -> str:
        """Version of the release: digest of its payload, 16 hex digits."""
        return self.opened.version

    @property
    def manifest(self) -> Manifest:
        """Its digests, lineage and gate."""
        return self.opened.manifest

    @property
    def vectors(self) -> VectorIndex:
        """The FAISS index with its chunks."""
        return self.opened.vectors

    @property
    def encoder(self) -> EncoderFiles:
        """The model that gave the vectors, and must give those of queries."""
        return self.opened.encoder

    def __len__(self) -> int:
        """Number of chunks."""
        return len(self.opened.vectors)

    def __repr__(self) -> str:
        return f"<Index {self.name} {self.version}, {len(self)} chunks>"

"""One version of an index, whole: its files, its vectors, its encoder."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from pydantic import TypeAdapter

from canonry.client._open import read_json
from canonry.encode import MODEL_FILE, TOKENIZER_FILE, EncoderError, EncoderFiles, TextEncoder, load_encoder, load_onnx
from canonry.forked import OwnLock
from canonry.release import LocalFiles, Release, ReleaseError, local_files, made_from
from canonry.search import (
    CHUNKS,
    FUSION,
    LEXICAL,
    MAPPED,
    VECTORS,
    Fusion,
    LexicalIndex,
    Mode,
    TextIndex,
    VectorIndex,
    Where,
    write_mapped,
)


class Opened:
    """A version that is open. It never changes; its files stay where they are for as long as it lives."""

    def __init__(self, release: Release, before: Opened | None = None) -> None:
        """Open a release. `before` is the version whose place it takes: an encoder that had ready is made ready."""
        missing = [path for path in (VECTORS, CHUNKS) if path not in release.manifest.files]
        if missing:
            raise ReleaseError(f"{release.folder}: has no {' and no '.join(missing)}, so it is not an index")
        self.manifest = release.manifest
        self.version = release.version
        self.encoder = _encoder_of(release)
        self._release = release
        lexical = (LEXICAL,) if LEXICAL in release.manifest.files else ()
        self._files = local_files(release, (VECTORS, CHUNKS, *lexical))
        chunks = self._files[CHUNKS]
        self._mapped = made_from(release, CHUNKS, MAPPED, lambda target: write_mapped(chunks, target))
        self.vectors = VectorIndex(self._files[VECTORS], self._mapped[CHUNKS] if self._mapped else chunks, self.version)
        if self.encoder.dimension != self.vectors.dimension:
            raise ReleaseError(
                f"{release.folder}: its vectors have {self.vectors.dimension} values, but its encoder "
                f"{self.encoder.name} gives {self.encoder.dimension}; publish it again"
            )
        self.text = self._text_index()
        """Its search by text."""
        self._loading = OwnLock()
        self._carried: LocalFiles | None = None
        self._encoders: dict[tuple[int, int | None], TextEncoder] = {}
        for process, threads in list(before._encoders) if before else ():
            if process == os.getpid():
                self.text_encoder(threads)

    def text_encoder(self, threads: int | None = None) -> TextEncoder:
        """The encoder in the release, ready; `threads` work on a batch (default: the machine's). Raises EncoderError.

        A release of before releases carried one needs its package: the extra `embed`.
        """
        # A process that was forked loads its own.
        key = (os.getpid(), threads)
        found = self._encoders.get(key)
        if found is None:
            found = self._encoders[key] = self._load(threads)
        return found

    def search_text(
        self,
        text: str | list[str],
        k: int = 10,
        where: Where | None = None,
        readable: Collection[str] | None = None,
        threads: int | None = None,
        mode: Mode | None = None,
    ) -> list[Any]:
        """Best Hits of a text, or of each of several; `where` and `readable` as in VectorIndex.search."""
        texts = [text] if isinstance(text, str) else text
        found = self.text.search(texts, lambda some: self.text_encoder(threads).encode(some), k, where, readable, mode)
        return found[0] if isinstance(text, str) else found

    def _text_index(self) -> TextIndex:
        if LEXICAL not in self.manifest.files:
            return TextIndex(self.vectors)
        if FUSION not in self.manifest.files:
            raise ReleaseError(f"{self._release.folder}: has {LEXICAL} but no {FUSION}; publish it again")
        fusion = read_json(self._release, FUSION, _FUSION)
        return TextIndex(self.vectors, LexicalIndex(self._files[LEXICAL], len(self.vectors)), fusion)

    def _load(self, threads: int | None) -> TextEncoder:
        if self.encoder.onnx is None:
            try:
                return load_encoder(self.encoder, threads)
            except EncoderError as error:
                raise EncoderError(
                    f"{error}; {self._release.folder} carries no encoder, as releases do now: build the index again, "
                    "and pip install 'canonry[encode]' will do"
                ) from None
        with self._loading:
            if self._carried is None:
                self._carried = local_files(self._release, (MODEL_FILE, TOKENIZER_FILE))
        return load_onnx(self.encoder, self._carried[MODEL_FILE], self._carried[TOKENIZER_FILE], threads)


def _encoder_of(release: Release) -> EncoderFiles:
    """What the manifest says of the encoder. Raises ReleaseError where that and the release's files do not fit."""
    about = release.manifest.metadata.get("encoder")
    if not isinstance(about, dict):
        raise ReleaseError(f"{release.folder}: its manifest has no metadata.encoder; publish it again")
    encoder = EncoderFiles.from_metadata(about)
    said = {MODEL_FILE: encoder.onnx, TOKENIZER_FILE: encoder.tokenizer}
    for path, digest in said.items():
        found = release.manifest.files.get(path)
        if (found.sha256 if found else None) != digest:
            raise ReleaseError(
                f"{release.folder}/{path}: is {found.sha256 if found else 'not there'}, but metadata.encoder says "
                f"{digest or 'that there is none'}; publish the index again"
            )
    return encoder


_FUSION: TypeAdapter[Fusion] = TypeAdapter(Fusion)

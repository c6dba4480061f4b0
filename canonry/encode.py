"""Turns text into vectors with a model that an installed package carries, verified before it is loaded."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from canonry.progress import track

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"

BATCH_TOKENS = 1_024
BATCH_TEXTS = 32
"""Small batches of one length waste no work on padding and stay in the cache: see bench/embed.py."""

_COUNTED_AT_ONCE = 1_024


class EncoderError(Exception):
    """An encoder that cannot be used; the message says which, what was found and what to do."""


@dataclass(frozen=True)
class EncoderFiles:
    """Where an encoder's files are, and what they must be. Releases carry it, so that queries meet the same encoder."""

    name: str
    package: str
    path: str
    sha256: str
    dimension: int
    max_tokens: int
    normalize: bool = True

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> EncoderFiles:
        """From a release's metadata. Raises EncoderError naming each field that does not fit."""
        try:
            return _FILES.validate_python(dict(metadata))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            raise EncoderError(f"the encoder in the release's metadata: {wrong}") from None

    @property
    def folder(self) -> Path:
        """Folder of the model. The package is found, not imported. Raises EncoderError."""
        inside = PurePosixPath(self.path)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.package) or inside.is_absolute() or ".." in inside.parts:
            raise EncoderError(f"encoder {self.name}: {self.package}:{self.path} is not a folder inside a package")
        found = importlib.util.find_spec(self.package)
        if found is None or not found.submodule_search_locations:
            raise EncoderError(f"encoder {self.name}: package {self.package} is not installed; {_INSTALL}")
        return Path(next(iter(found.submodule_search_locations)), *inside.parts)

    @property
    def tokenizer_file(self) -> Path:
        """The tokenizer, as a tokenizers JSON file. Raises EncoderError."""
        path = self.folder / TOKENIZER
        if not path.is_file():
            raise EncoderError(f"encoder {self.name}: {path} does not exist; {_INSTALL}")
        return path


def files_of(name: str, model: Any) -> EncoderFiles:
    """Of an encoder's ModelSpec, governed under this name. Raises EncoderError where the model is no encoder."""
    if model.encoder is None:
        raise EncoderError(f"assets/models/{name}.yaml: role: expected encoder, found {model.role}")
    fields = ("package", "path", "sha256", "dimension", "max_tokens", "normalize")
    return EncoderFiles(name, **{field: getattr(model.encoder, field) for field in fields})


@functools.lru_cache(maxsize=2)
def load_encoder(files: EncoderFiles, threads: int | None = None) -> Encoder:
    """The encoder, ready, on the CPU; loaded once a process. Nothing is downloaded.

    `threads` sets the whole process's torch threads. Raises EncoderError where the weights are not those of `sha256`.
    """
    folder = files.folder
    _verify(files, folder / WEIGHTS)
    # Both libraries read these when they are first imported.
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    try:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise EncoderError(f"encoder {files.name}: {error}; {_INSTALL}") from None
    if threads:
        torch.set_num_threads(threads)
    disable_progress_bar()
    # Only the verified file may be read: a pickled pytorch_model.bin beside it would run code.
    only_safe = {"use_safetensors": True}
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True, model_kwargs=only_safe)
    model.max_seq_length = files.max_tokens
    model.eval()
    dimension = model.get_embedding_dimension()
    if dimension != files.dimension:
        raise EncoderError(f"encoder {files.name}: its vectors have {dimension} values, expected {files.dimension}")
    return Encoder(files, model)


class Encoder:
    """A loaded encoder."""

    def __init__(self, files: EncoderFiles, model: SentenceTransformer) -> None:
        from tokenizers import Tokenizer

        self.files = files
        self.tokenizer_file = files.tokenizer_file
        self._model = model
        self._counter = Tokenizer.from_file(str(self.tokenizer_file))
        # The file's own truncation and padding would hide how long a text is.
        self._counter.no_truncation()
        self._counter.no_padding()

    def encode(self, texts: Sequence[str], progress: str | None = None) -> np.ndarray:
        """Vectors of the texts, float32 (n, dimension), row i for text i; what lies beyond `max_tokens` is not seen.

        The same texts in the same order give the same bytes on the same machine. `progress` names the work on a bar.
        """
        vectors = np.empty((len(texts), self.files.dimension), dtype=np.float32)
        for rows, batch in self.encode_batches(texts, progress):
            vectors[rows] = batch
        return vectors

    def encode_batches(
        self, texts: Sequence[str], progress: str | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows and their vectors as batches are done, longest texts first, for callers who save on the way.

        Leaving out the texts of the first batches changes no later batch, so work that is resumed ends the same.
        """
        import torch

        batches = length_sorted_batches(np.minimum(self.count_tokens(texts), self.files.max_tokens))
        for rows in track(batches, progress) if progress else batches:
            with torch.inference_mode():
                features = self._model.preprocess([texts[row] for row in rows])
                vectors = self._model(features)["sentence_embedding"].numpy()
            yield rows, _normalized(vectors) if self.files.normalize else vectors

    def count_tokens(self, texts: Sequence[str]) -> np.ndarray:
        """Tokens of each whole text, special ones included: int64 (n,)."""
        counts = [
            len(encoding.ids)
            for start in range(0, len(texts), _COUNTED_AT_ONCE)
            for encoding in self._counter.encode_batch_fast(list(texts[start : start + _COUNTED_AT_ONCE]))
        ]
        return np.array(counts, dtype=np.int64)


def length_sorted_batches(lengths: np.ndarray) -> list[np.ndarray]:
    """Rows by falling length, cut into batches of at most BATCH_TOKENS with padding, or BATCH_TEXTS."""
    order = np.argsort(-lengths, kind="stable")
    batches = []
    start = 0
    while start < len(order):
        size = min(BATCH_TEXTS, max(1, BATCH_TOKENS // max(1, int(lengths[order[start]]))))
        batches.append(order[start : start + size])
        start += size
    return batches


def _verify(files: EncoderFiles, path: Path) -> None:
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EncoderError(f"encoder {files.name}: {path} cannot be read: {error.strerror}; {_INSTALL}") from None
    if found != files.sha256:
        raise EncoderError(
            f"encoder {files.name}: {path} has sha256 {found}, expected {files.sha256}; "
            "install the package version it was pinned with, or pin the new weights in assets/models"
        )


def _normalized(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)


_INSTALL = "pip install 'canonry[encode]' carries it"
_FILES: TypeAdapter[EncoderFiles] = TypeAdapter(EncoderFiles)

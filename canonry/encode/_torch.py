"""The reference encoder: sentence-transformers on verified weights, used where indexes are built (extra `embed`)."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from canonry.encode._batches import TextEncoder, whole_text_tokenizer
from canonry.encode._files import BUILDS_WITH, WEIGHTS, EncoderError, EncoderFiles

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


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
        raise EncoderError(f"encoder {files.name}: {error}; {BUILDS_WITH}") from None
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


class Encoder(TextEncoder):
    """The reference, which documents are embedded with."""

    def __init__(self, files: EncoderFiles, model: SentenceTransformer) -> None:
        self.tokenizer_file = files.tokenizer_file
        self.model = model
        super().__init__(files, whole_text_tokenizer(self.tokenizer_file))

    def _vectors(self, texts: list[str]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            vectors = self.model(self.model.preprocess(texts))["sentence_embedding"].numpy()
        return _normalized(vectors) if self.files.normalize else vectors


def _verify(files: EncoderFiles, path: Path) -> None:
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EncoderError(f"encoder {files.name}: {path} cannot be read: {error.strerror}; {BUILDS_WITH}") from None
    if found != files.sha256:
        raise EncoderError(
            f"encoder {files.name}: {path} has sha256 {found}, expected {files.sha256}; "
            "install the package version it was pinned with, or pin the new weights in assets/models"
        )


def _normalized(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)

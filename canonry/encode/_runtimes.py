"""How an encoder runs: by the reference, by its graph, or by its graph in eight bits. All are told and used alike."""

from __future__ import annotations

import hashlib
import json

from canonry.encode._batches import TextEncoder
from canonry.encode._export import exported, recipe_digest
from canonry.encode._files import INT8, REFERENCE, EncoderFiles
from canonry.encode._onnx import load_onnx
from canonry.encode._torch import load_encoder


def load_runtime(files: EncoderFiles, threads: int | None = None) -> TextEncoder:
    """The encoder as `files.runtime` says, ready; its graph is made at the first use and kept in the machine's cache.

    Raises EncoderError where an extra is missing or the weights are not the pinned ones.
    """
    if files.runtime == REFERENCE:
        return load_encoder(files, threads)
    return load_onnx(files, exported(files), files.tokenizer_file, threads)


def encoder_digest(files: EncoderFiles) -> str:
    """What vectors depend on, in 16 hex digits: weights, what is seen of a text, and the runtime.

    A graph of fp32 gives the reference's vectors whichever versions exported it; one of eight bits need not.
    """
    about = {
        "sha256": files.sha256,
        "max_tokens": files.max_tokens,
        "normalize": files.normalize,
        "runtime": files.runtime,
        "recipe": recipe_digest(files) if files.runtime == INT8 else None,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]

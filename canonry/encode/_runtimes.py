"""How an encoder runs: by the reference, by its graph, or by its graph in eight bits. All are told and used alike."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from dataclasses import replace

from canonry.encode._batches import TextEncoder
from canonry.encode._export import exported, recipe_digest
from canonry.encode._files import INT8, REFERENCE, EncoderFiles
from canonry.encode._onnx import OnnxEncoder, load_onnx
from canonry.encode._torch import load_encoder


def load_runtime(files: EncoderFiles, threads: int | None = None) -> TextEncoder:
    """The encoder as `files.runtime` says, ready; its graph is made at the first use and kept in the machine's cache.

    Raises EncoderError where an extra is missing or the weights are not the pinned ones.
    """
    if files.runtime == REFERENCE:
        return load_encoder(files, threads)
    return _graph(files, threads)


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


@functools.lru_cache(maxsize=1)
def _graph(files: EncoderFiles, threads: int | None) -> OnnxEncoder:
    """Kept for the next step of a build; named as a release names it, so that the one carried there is the same."""
    graph, tokenizer = exported(files), files.tokenizer_file
    named = replace(files, onnx=graph.stem, tokenizer=hashlib.sha256(tokenizer.read_bytes()).hexdigest())
    return load_onnx(named, graph, tokenizer, threads)


# After load_onnx has seen to it that what the parent loaded is not taken down: see there.
os.register_at_fork(after_in_child=_graph.cache_clear)

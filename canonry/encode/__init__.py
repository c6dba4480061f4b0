"""Turns text into vectors: by the reference where indexes are built, and by the encoder that a release carries.

`load_encoder` (extra `embed`) runs the pinned weights with sentence-transformers. `load_onnx` (extra `encode`) runs the
same encoder as the ONNX file in a release, so that a question meets the very encoder that its index was built with.
"""

from canonry.encode._batches import BATCH_TEXTS, BATCH_TOKENS, TextEncoder, length_sorted_batches
from canonry.encode._export import (
    LEAST_COSINE,
    Agreement,
    agreement,
    exported,
    recipe,
    recipe_digest,
    spread_sample,
)
from canonry.encode._files import EncoderError, EncoderFiles, files_of
from canonry.encode._onnx import MODEL_FILE, TOKENIZER_FILE, OnnxEncoder, load_onnx
from canonry.encode._torch import Encoder, load_encoder

__all__ = [
    "BATCH_TEXTS",
    "BATCH_TOKENS",
    "LEAST_COSINE",
    "MODEL_FILE",
    "TOKENIZER_FILE",
    "Agreement",
    "Encoder",
    "EncoderError",
    "EncoderFiles",
    "OnnxEncoder",
    "TextEncoder",
    "agreement",
    "exported",
    "files_of",
    "length_sorted_batches",
    "load_encoder",
    "load_onnx",
    "recipe",
    "recipe_digest",
    "spread_sample",
]

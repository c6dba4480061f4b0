"""Turns text into vectors: by the reference where indexes are built, and by the encoder that a release carries.

`load_runtime` (extra `embed`) runs the pinned weights as the catalog says: with sentence-transformers, which is the
reference, or as an ONNX graph made from them. `load_onnx` (extra `encode`) runs the graph in a release, so that a
question meets the very encoder that its index was built with.
"""

from canonry.encode._agreement import LEAST_COSINE, Agreement, agreement, spread_sample
from canonry.encode._batches import BATCH_TEXTS, BATCH_TOKENS, TextEncoder, length_sorted_batches
from canonry.encode._export import exported, recipe, recipe_digest
from canonry.encode._files import GRAPH, INT8, REFERENCE, RUNTIMES, EncoderError, EncoderFiles, files_of
from canonry.encode._onnx import MODEL_FILE, TOKENIZER_FILE, OnnxEncoder, load_onnx
from canonry.encode._runtimes import encoder_digest, load_runtime
from canonry.encode._torch import Encoder, load_encoder

__all__ = [
    "BATCH_TEXTS",
    "BATCH_TOKENS",
    "GRAPH",
    "INT8",
    "LEAST_COSINE",
    "MODEL_FILE",
    "REFERENCE",
    "RUNTIMES",
    "TOKENIZER_FILE",
    "Agreement",
    "Encoder",
    "EncoderError",
    "EncoderFiles",
    "OnnxEncoder",
    "TextEncoder",
    "agreement",
    "encoder_digest",
    "exported",
    "files_of",
    "length_sorted_batches",
    "load_encoder",
    "load_onnx",
    "load_runtime",
    "recipe",
    "recipe_digest",
    "spread_sample",
]

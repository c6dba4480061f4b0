"""The encoder that a release carries: an ONNX graph and its tokenizer, without torch (extra `encode`)."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from canonry.encode._batches import TextEncoder, whole_text_tokenizer
from canonry.encode._files import EncoderError, EncoderFiles

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODEL_FILE = "encoder/model.onnx"
TOKENIZER_FILE = "encoder/tokenizer.json"
"""Paths inside an index release."""

INPUTS = ("input_ids", "attention_mask")
OUTPUT = "vectors"
"""What a graph takes, int64 (texts, tokens), and gives: float32 (texts, dimension), pooled and normalised inside."""


def load_onnx(files: EncoderFiles, model: Path, tokenizer: Path, threads: int | None = None) -> OnnxEncoder:
    """The encoder in these two files, whose digests the caller has verified; one for all who use the same at one time.

    `threads`: at most so many work on one batch (default: the machine's). Raises EncoderError where the extra is
    missing or the files are not the encoder that `files` describes.
    """
    key = (files, files.onnx or str(model), files.tokenizer or str(tokenizer), threads)
    found = _LOADED.get(key)
    if found is None:
        # Whoever wants another encoder does not wait for this one.
        with _LOADING.setdefault(key, threading.Lock()):
            found = _LOADED.get(key)
            if found is None:
                found = _LOADED[key] = OnnxEncoder(files, _session(files, model, threads), tokenizer)
    return found


def _session(files: EncoderFiles, model: Path, threads: int | None) -> InferenceSession:
    # Without it ONNX Runtime reports to its maker, from a thread that keeps a forked process from ending.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
        import tokenizers  # noqa: F401
    except ImportError as error:
        raise EncoderError(
            f"encoder {files.name}: searching by text needs {error.name}: pip install 'canonry[encode]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    # Threads that spin while they wait take the processor from whatever else runs in this process.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise EncoderError(f"encoder {files.name}: {model} is no graph that ONNX Runtime reads: {error}") from None


class OnnxEncoder(TextEncoder):
    """The encoder of a release; any number of threads may use it."""

    def __init__(self, files: EncoderFiles, session: InferenceSession, tokenizer: Path) -> None:
        found = tuple(sorted(each.name for each in session.get_inputs()))
        if found != tuple(sorted(INPUTS)) or [each.name for each in session.get_outputs()] != [OUTPUT]:
            raise EncoderError(
                f"encoder {files.name}: its graph takes {', '.join(found)}, expected {' and '.join(INPUTS)} in and "
                f"{OUTPUT} out; publish the index again"
            )
        try:
            counter, truncating = whole_text_tokenizer(tokenizer), whole_text_tokenizer(tokenizer)
        except Exception as error:  # tokenizers raises bare Exceptions
            raise EncoderError(f"encoder {files.name}: {tokenizer} is no tokenizer: {error}") from None
        super().__init__(files, counter)
        truncating.enable_truncation(files.max_tokens)
        self._tokenizer = truncating
        self._session = session
        try:
            dimension = self._vectors(["dimension"]).shape[1]
        except Exception as error:  # as above
            raise EncoderError(f"encoder {files.name}: its graph cannot use its tokenizer's words: {error}") from None
        if dimension != files.dimension:
            raise EncoderError(f"encoder {files.name}: its vectors have {dimension} values, expected {files.dimension}")

    def _vectors(self, texts: list[str]) -> np.ndarray:
        encodings = self._tokenizer.encode_batch(texts)
        width = max(1, *(len(encoding.ids) for encoding in encodings))
        # What the mask hides is not seen, so that any token will do as padding.
        ids = np.zeros((len(texts), width), np.int64)
        mask = np.zeros((len(texts), width), np.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        (vectors,) = self._session.run([OUTPUT], dict(zip(INPUTS, (ids, mask), strict=True)))
        return vectors


_LOADED: weakref.WeakValueDictionary[tuple[object, ...], OnnxEncoder] = weakref.WeakValueDictionary()
_LOADING: dict[tuple[object, ...], threading.Lock] = {}


def _begin_again() -> None:
    # A session's threads do not survive a fork, so that every process loads its own. What the parent loaded is never
    # let go of, not even at the end of the child: a session that is taken down waits for its threads.
    for encoder in list(_LOADED.values()):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(encoder))
    _LOADED.clear()
    _LOADING.clear()


os.register_at_fork(after_in_child=_begin_again)

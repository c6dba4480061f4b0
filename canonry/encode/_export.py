"""Making the encoder that a release carries: the reference as an ONNX graph, and how well the two agree."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canonry.cache import cache_folder
from canonry.encode._files import BUILDS_WITH, GRAPH, INT8, EncoderError, EncoderFiles
from canonry.encode._onnx import INPUTS, OUTPUT
from canonry.encode._quantize import BITS, BLOCK, quantized
from canonry.encode._torch import Encoder, load_encoder

if TYPE_CHECKING:
    from onnx import ModelProto

_FORMAT = 2
"""Raise it when what `_graph` makes of a model changes."""

_OPSET = 23
"""The first version of ONNX in which attention is one operator, which ONNX Runtime computes as a whole."""

_LIBRARIES = ("torch", "onnx", "onnxscript", "onnx-ir", "sentence-transformers", "transformers")


def recipe(files: EncoderFiles) -> dict[str, Any]:
    """What the graph's bytes follow from: the weights and the versions of what exports them."""
    about: dict[str, Any] = {"sha256": files.sha256, "max_tokens": files.max_tokens, "normalize": files.normalize}
    libraries: tuple[str, ...] = _LIBRARIES
    if files.runtime == INT8:
        about |= {"bits": BITS, "block": BLOCK}
        libraries += ("onnxruntime",)
    return {"format": _FORMAT, **about, "versions": {each: _version(each) for each in libraries}}


def recipe_digest(files: EncoderFiles) -> str:
    """The recipe in 16 hex digits."""
    return hashlib.sha256(json.dumps(recipe(files), sort_keys=True).encode()).hexdigest()[:16]


def exported(
    files: EncoderFiles, cache: Path | None = None, load: Callable[[EncoderFiles], Encoder] = load_encoder
) -> Path:
    """The reference as an ONNX file, pooling and normalisation inside, in eight bits where the runtime says so.

    Made once for one recipe, which gives the same bytes each time. Raises EncoderError where an extra is missing.
    """
    folder = (cache or cache_folder() / "encoders") / recipe_digest(files)
    for kept in folder.glob("*.onnx"):
        with open(kept, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == kept.stem:
                return kept
        kept.unlink(missing_ok=True)
    if files.runtime == INT8:
        data = quantized(exported(replace(files, runtime=GRAPH), cache, load))
    else:
        data = _graph(load(files))
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".writing-{uuid.uuid4().hex}"
    try:
        beside.write_bytes(data)
        return beside.rename(folder / f"{hashlib.sha256(data).hexdigest()}.onnx")
    finally:
        beside.unlink(missing_ok=True)


def _graph(encoder: Encoder) -> bytes:
    try:
        import torch
        import torch.onnx

        with _quiet():
            example = torch.tensor([[2, 3, 4, 5], [2, 3, 4, 5]]), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
            batch = torch.export.Dim("texts", min=1)
            width = torch.export.Dim("tokens", min=1, max=encoder.files.max_tokens)
            program = torch.onnx.export(
                _pooled(encoder),
                example,
                dynamo=True,
                opset_version=_OPSET,
                optimize=True,
                external_data=False,
                verbose=False,
                dynamic_shapes=({0: batch, 1: width}, {0: batch, 1: width}),
                input_names=list(INPUTS),
                output_names=[OUTPUT],
            )
    except ImportError as error:
        raise EncoderError(f"encoder {encoder.files.name}: {error}; {BUILDS_WITH}") from None
    assert program is not None
    model = program.model_proto
    _forget_where(model)
    return model.SerializeToString(deterministic=True)


def _pooled(encoder: Encoder) -> Any:
    import torch

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = encoder.model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            vectors = self.model(features)["sentence_embedding"]
            return torch.nn.functional.normalize(vectors, dim=1) if encoder.files.normalize else vectors

    return Pooled().eval()


def _forget_where(model: ModelProto) -> None:
    """Take out what the exporter notes about its own run: stack traces, and paths of this machine."""
    graph = model.graph
    graph.name = "encoder"
    del graph.value_info[:]
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks about packages that no text encoder needs."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


@cache
def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None

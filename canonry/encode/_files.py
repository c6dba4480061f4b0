"""Which encoder: what it must be, and where its package keeps the weights."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"

REFERENCE, GRAPH, INT8 = RUNTIMES = ("torch", "onnx", "onnx-int8")
"""What runs an encoder: sentence-transformers, the same as an ONNX graph, and that graph in eight bits."""

BUILDS_WITH = "pip install 'canonry[embed]' carries it"


class EncoderError(Exception):
    """An encoder that cannot be used; the message says which, what was found and what to do."""


@dataclass(frozen=True)
class EncoderFiles:
    """What an encoder is, and where its weights lie. Releases say it, so that queries meet the same encoder."""

    name: str
    package: str
    path: str
    sha256: str
    """Of the weights, `model.safetensors`."""
    dimension: int
    max_tokens: int
    normalize: bool = True
    runtime: str = REFERENCE
    """One of RUNTIMES. Releases of before it was said were embedded by the reference."""
    onnx: str | None = field(default=None, compare=False)
    """SHA-256 of the ONNX file that a release carries; None where it carries none, and in assets/models."""
    tokenizer: str | None = field(default=None, compare=False)
    """SHA-256 of the tokenizer beside it."""

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
            raise EncoderError(f"encoder {self.name}: package {self.package} is not installed; {BUILDS_WITH}")
        return Path(next(iter(found.submodule_search_locations)), *inside.parts)

    @property
    def tokenizer_file(self) -> Path:
        """The tokenizer, as a tokenizers JSON file. Raises EncoderError."""
        path = self.folder / TOKENIZER
        if not path.is_file():
            raise EncoderError(f"encoder {self.name}: {path} does not exist; {BUILDS_WITH}")
        return path


def files_of(name: str, model: Any) -> EncoderFiles:
    """Of an encoder's ModelSpec, governed under this name. Raises EncoderError where the model is no encoder."""
    if model.encoder is None:
        raise EncoderError(f"assets/models/{name}.yaml: role: expected encoder, found {model.role}")
    fields = ("package", "path", "sha256", "dimension", "max_tokens", "normalize", "runtime")
    return EncoderFiles(name, **{field: getattr(model.encoder, field) for field in fields})


_FILES: TypeAdapter[EncoderFiles] = TypeAdapter(EncoderFiles)

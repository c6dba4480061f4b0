"""Models teams may use, with the history of their stages and own prices."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from canonry.catalog.specs.base import Spec, Strict, ascending

Price = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=6)]
"""US dollars for a million tokens."""


class ModelPrice(Strict):
    """A price that holds from a day on, instead of the public price list's."""

    valid_from: dt.date = Field(description="First day it holds, UTC.")
    input_mtok: Price = Field(description="US dollars for a million input tokens.")
    output_mtok: Price = Field(description="US dollars for a million output tokens.")
    cache_read_mtok: Price | None = Field(None, description="US dollars for a million cached input tokens.")
    cache_write_mtok: Price | None = Field(None, description="US dollars for a million tokens written to the cache.")
    reason: str = Field(description="Where the price comes from: a contract, an internal rate, …", min_length=3)


class StageMove(Strict):
    """A model's stage from a day on."""

    stage: Literal["candidate", "production", "deprecated", "retired"] = Field(description="The new stage.")
    since: dt.date = Field(description="First day, UTC.")
    reason: str = Field(description="Why.", min_length=3)
    version: str | None = Field(
        None, description="Version that is meant from then on, one of `versions`; without it, whichever was before."
    )


class Encoder(Strict):
    """How an embedding model is found, verified and run."""

    package: str = Field(description="Python package that carries the weights.")
    path: str = Field(description="Folder of the model inside the package.")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(description="Of model.safetensors.")
    dimension: int = Field(description="Length of a vector.", gt=0)
    max_tokens: int = Field(description="Longest text it sees; the rest is cut.", gt=0)
    normalize: bool = Field(True, description="Vectors have length 1, so that inner product is cosine.")
    runtime: Literal["torch", "onnx", "onnx-int8"] = Field(
        "onnx",
        description="What runs it: torch is the reference, onnx gives its vectors faster, onnx-int8 nearly its, for "
        "processors that multiply eight bits by themselves (AVX-512 VNNI): measure it with bench.embed.",
    )


class ModelSpec(Spec):
    """A model teams may use: a generative one, or the encoder of indexes."""

    folder: ClassVar[str] = "models"

    role: Literal["chat", "encoder"] = Field(description="What it is for.")
    provider: str = Field(description="Who serves it, as in gen_ai.provider.name.")
    versions: tuple[str, ...] = Field((), description="Values of response_model that are this model.")
    stages: tuple[StageMove, ...] = Field(
        description="Its history, oldest first; append, never overwrite.", min_length=1
    )
    prices: tuple[ModelPrice, ...] = Field((), description="Own prices, oldest first; append, never overwrite.")
    encoder: Encoder | None = Field(None, description="Of a model with role encoder.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.role == "encoder") != (self.encoder is not None):
            raise ValueError("`encoder` belongs to a model with role encoder, and only there")
        ascending("stages", [move.since for move in self.stages])
        ascending("prices", [price.valid_from for price in self.prices], strict=True)
        for number, move in enumerate(self.stages):
            if move.version is not None and move.version not in self.versions:
                raise ValueError(f"stages.{number}.version: {move.version!r} is not one of `versions`")
        return self

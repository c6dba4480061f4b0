"""A graph in eight bits: its weights, and what they are multiplied with, in small blocks that each have their scale."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from canonry.encode._files import BUILDS_WITH, EncoderError

BITS, BLOCK = 8, 128
"""A block of so many weights of one output has one scale: outliers, which sentence encoders have, spoil no more."""

_INT8_ACCURACY = 4
"""ONNX Runtime's level at which both sides are multiplied as eight-bit integers. Blocks of a row are scaled by
themselves, so that what else is in a batch shifts a text's vector by no more than rounding."""


def quantized(graph: Path) -> bytes:
    """The ONNX graph with every multiplication by weights in eight bits; attention itself stays in fp32.

    The same graph gives the same bytes. Raises EncoderError where the extra `embed` is missing.
    """
    try:
        import onnx
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    except ImportError as error:
        raise EncoderError(f"{error}; {BUILDS_WITH}") from None
    model: Any = onnx.load(str(graph))
    log = logging.getLogger("onnxruntime.quantization.matmul_nbits_quantizer")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        made = MatMulNBitsQuantizer(
            model, bits=BITS, block_size=BLOCK, is_symmetric=True, accuracy_level=_INT8_ACCURACY
        )
        made.process()
    finally:
        log.setLevel(level)
    return made.model.model.SerializeToString(deterministic=True)

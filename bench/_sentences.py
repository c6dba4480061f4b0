"""Many short texts to measure indexes on: sentences of every set of real data, and their vectors, embedded once."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from canonry.cache import cache_folder
from canonry.embedded import embed, text_digest
from canonry.encode import EncoderFiles, exported, load_onnx
from canonry.storage import LocalStorage

FEWEST_WORDS, MOST_CHARACTERS = 4, 200


def sentences(data: Path, most: int | None = None) -> list[str]:
    """Distinct sentences of the English in every `*.jsonl.gz` under `data`, in an order that their digests give.

    Composed: no set of ours is so large by itself, and nobody asked them of one index.
    """
    found = {sentence for path in sorted(data.glob("*/*.jsonl.gz")) for sentence in _sentences_of(path)}
    return sorted(found, key=text_digest)[:most]


def vectors_of(files: EncoderFiles, texts: list[str]) -> np.ndarray:
    """float32 (n, dimension), kept in the machine's cache: the first time takes minutes for every 10,000 texts."""
    kept = LocalStorage(cache_folder() / "bench")
    return embed(kept, files, texts, load=lambda _: load_onnx(files, exported(files), files.tokenizer_file)).vectors


def _sentences_of(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            for text in _texts(json.loads(line)):
                for part in re.split(r"(?<=[.!?])\s+|\n+", text):
                    sentence = " ".join(part.split())
                    if len(sentence) <= MOST_CHARACTERS and len(sentence.split()) >= FEWEST_WORDS:
                        yield sentence


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)

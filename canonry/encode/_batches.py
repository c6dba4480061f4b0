"""What encoders of every runtime do alike: count tokens, and work through texts in batches of one length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from canonry.encode._files import EncoderFiles
from canonry.progress import track

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BATCH_TOKENS = 1_024
BATCH_TEXTS = 32
"""Small batches of one length waste no work on padding and stay in the cache: see bench/embed.py."""

_COUNTED_AT_ONCE = 1_024


class TextEncoder(ABC):
    """A loaded encoder."""

    def __init__(self, files: EncoderFiles, counter: Tokenizer) -> None:
        self.files = files
        self._counter = counter

    def encode(self, texts: Sequence[str], progress: str | None = None) -> np.ndarray:
        """Vectors of the texts, float32 (n, dimension), row i for text i; what lies beyond `max_tokens` is not seen.

        The same texts in the same order give the same bytes on the same machine. `progress` names the work on a bar.
        """
        vectors = np.empty((len(texts), self.files.dimension), dtype=np.float32)
        for rows, batch in self.encode_batches(texts, progress):
            vectors[rows] = batch
        return vectors

    def encode_batches(
        self, texts: Sequence[str], progress: str | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows and their vectors as batches are done, longest texts first, for callers who save on the way.

        Leaving out the texts of the first batches changes no later batch, so work that is resumed ends the same.
        """
        lengths = np.minimum(self.count_tokens(texts), self.files.max_tokens)
        batches = length_sorted_batches(lengths)
        # Told in tokens: batches of short texts are done much faster than the long ones that come first.
        tokens = (lambda rows: int(lengths[rows].sum())) if progress else None
        for rows in track(batches, f"{progress} (tokens)", size=tokens) if progress else batches:
            yield rows, self._vectors([texts[row] for row in rows])

    def count_tokens(self, texts: Sequence[str]) -> np.ndarray:
        """Tokens of each whole text, special ones included: int64 (n,)."""
        counts = [
            len(encoding.ids)
            for start in range(0, len(texts), _COUNTED_AT_ONCE)
            for encoding in self._counter.encode_batch_fast(list(texts[start : start + _COUNTED_AT_ONCE]))
        ]
        return np.array(counts, dtype=np.int64)

    @abstractmethod
    def _vectors(self, texts: list[str]) -> np.ndarray:
        """Vectors of one batch, float32 (n, dimension)."""


def whole_text_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer that shows how long a text is: the file's own truncation and padding would hide it."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def length_sorted_batches(lengths: np.ndarray) -> list[np.ndarray]:
    """Rows by falling length, cut into batches of at most BATCH_TOKENS with padding, or BATCH_TEXTS."""
    order = np.argsort(-lengths, kind="stable")
    batches = []
    start = 0
    while start < len(order):
        size = min(BATCH_TEXTS, max(1, BATCH_TOKENS // max(1, int(lengths[order[start]]))))
        batches.append(order[start : start + size])
        start += size
    return batches

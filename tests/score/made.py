"""Made answers whose hallucinations are known, and a stand-in for the encoder that knows letters alone."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from canonry.score.labeled import Labeled
from canonry.score.signals import Answer

THINGS = ("harbour", "library", "bakery", "museum", "garden", "theatre", "market", "station", "school", "clinic")
FACTS = ("opens at {n} every morning", "was built in {m}", "has {n} rooms for visitors", "lies near the old bridge")
LIES = ("It won a famous prize in Brazil.", "Astronauts adore its volcanic scenery.", "Its owner bought 999 llamas.")


def letters(texts: Sequence[str]) -> np.ndarray:
    """Counts of letter trigrams in 64 bins, of length 1."""
    found = np.full((len(texts), 64), 1e-3, dtype=np.float32)
    for row, text in enumerate(texts):
        for place in range(len(text) - 2):
            found[row, zlib.crc32(text[place : place + 3].lower().encode()) % 64] += 1
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def made_answers(sources: int = 40, seed: int = 0) -> list[Labeled]:
    """Two answers from each source: one that copies its facts, and one that in three of four sources adds a lie."""
    draw = np.random.default_rng(seed)
    found = []
    for source in range(sources):
        thing = THINGS[source % len(THINGS)]
        facts = [fact.format(n=draw.integers(3, 12), m=draw.integers(1800, 1999)) for fact in FACTS]
        passage = " ".join(f"The {thing} {fact}." for fact in facts)
        for lies in (False, source % 4 != 0):
            said = [f"The {thing} {facts[place]}." for place in draw.permutation(4)[:3]]
            lie = LIES[int(draw.integers(len(LIES)))]
            answer = " ".join([*said, lie] if lies else said)
            spans = ((len(answer) - len(lie), len(answer)),) if lies else ()
            call = Answer(f"What about the {thing} of place {source}?", (passage,), answer)
            model = "reckless" if lies else "careful"
            found.append(Labeled(call, lies, spans, f"source-{source}", {"response_model": model}))
    return found

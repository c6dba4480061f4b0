"""Whether what a sentence puts together stands together in the passages, and whether it is what was asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from canonry.score.signals import Passages
from canonry.score.text import stem

_MOST_WORDS = 12
"""Words of a sentence whose pairs are looked at: the rarest."""


def together(
    content: Sequence[Sequence[str]], asked: frozenset[str], source: Passages, weight: Mapping[str, float]
) -> dict[str, float]:
    """Of the content words of a sentence's clauses, with the stems of the question's; `weight` has their rarity.

    `gap`: the longest run of words that its nearest passage sentences lack. `apart`: pairs of known words that no two
    neighbouring sentences share. `passage_lacks`: how much less of the question the sentence's own passage has than
    the passage that has most of it.
    """
    words = [word for clause in content for word in clause]
    stems = [stem(word) for word in words]
    near = _nearest(stems, source)
    window = _window(near, source)
    gap = gap_weight = run = heavy = 0.0
    for word, each in zip(words, stems, strict=True):
        run, heavy = (0.0, 0.0) if each in window else (run + 1, heavy + weight[word])
        gap, gap_weight = max(gap, run), max(gap_weight, heavy)
    lacks = [[stem(word) not in window for word in clause] for clause in content]
    # In an order of their own: a set's changes from process to process.
    known = sorted({each for each in stems if each in source.places}, key=lambda each: (len(source.places[each]), each))
    pairs = list(combinations(known[:_MOST_WORDS], 2))
    apart = sum(not _neighbours(source.places[one], source.places[other]) for one, other in pairs)
    shares = [len(asked & part) / max(1, len(asked)) for part in source.passage_stems]
    own = shares[source.passage_of[near]] if near is not None else 0.0
    here = source.sentence_stems[near] if near is not None else frozenset()
    return {
        "gap": gap,
        "gap_weight": gap_weight,
        "clause_lacks": max((sum(each) / len(each) for each in lacks if len(each) > 1), default=0.0),
        "clause_lacks_words": max(map(sum, lacks), default=0),
        "apart": apart / max(1, len(pairs)),
        "apart_count": apart,
        "window_lacks": sum(each not in window for each in stems) / max(1, len(stems)),
        "asked": len(asked & set(stems)) / max(1, len(asked)),
        "asked_near": len(asked & here) / max(1, len(asked)),
        "passage_has": own,
        "passage_lacks": max(shares, default=0.0) - own,
    }


def _nearest(stems: Sequence[str], source: Passages) -> int | None:
    """The passage sentence that has most of the stems, rare ones first; the first of equals."""
    scores: dict[int, float] = {}
    for each in sorted(set(stems)):
        places = source.places.get(each, frozenset())
        for place in places:
            scores[place] = scores.get(place, 0.0) + 1 / (1 + len(places)) ** 0.5
    return min(scores, key=lambda place: (-scores[place], place)) if scores else None


def _window(near: int | None, source: Passages) -> frozenset[str]:
    if near is None:
        return frozenset()
    return frozenset().union(*source.sentence_stems[max(0, near - 1) : near + 2])


def _neighbours(one: frozenset[int], other: frozenset[int]) -> bool:
    return any(place in other or place + 1 in other or place - 1 in other for place in one)

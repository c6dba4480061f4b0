"""Which answers are good: by people where both sides have their label, else by a scorer that saw no such question."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from canonry.regressions.items import Gold, Item, answer_key

PEOPLE, SIMULATED = "people", "simulated people"

Good = Callable[[Sequence[tuple[Item, str]]], Sequence[bool | None]]
"""Whether each answer is good; None where the scorer has nothing to say of it. Raises NotAnswered."""


@dataclass(frozen=True)
class Judge:
    """A released scorer as a judge: one that was trained judges each item by its part that saw none of its labels."""

    name: str
    """Its name and version."""
    good: Good
    may_judge: Callable[[Item], bool]
    """Whether it may and can judge answers to an item: no label of it was learned, and what it needs is known."""
    calls: Mapping[str, int] = field(default_factory=dict)
    """Of a language model: what was `asked` and `kept` so far."""


@dataclass(frozen=True)
class Judged:
    """Both sides of the items that can be compared: arrays (n,), `items` names them."""

    items: tuple[Item, ...]
    before: np.ndarray
    after: np.ndarray
    judged_by: tuple[str | None, ...]
    """None of items to which both sides gave the same answer."""
    unchanged: int
    unjudged: int
    counts: Mapping[str, int]
    simulated: int
    rates: tuple[float, float] | None
    """Share of good answers of what is released and of the candidate: of what changed as judged, of the rest as people
    called those they know. None where they know none."""


def judge(gold: Gold, before: Sequence[str], after: Sequence[str], scorer: Judge | None) -> Judged:
    """Judge answers (n,) of both sides to the gold's items.

    Both sides of an item are judged alike. The same answer is no change, whoever would judge it. Of items that changed
    and that nobody may judge it is not known what they would have said; those that are judged stand for them, and so of
    the unchanged ones, chosen by the digest of their ids, only that share is counted.
    """
    keys = [
        tuple(answer_key(item.question, text) for text in texts)
        for item, *texts in zip(gold.items, before, after, strict=True)
    ]
    changed = [at for at, (first, second) in enumerate(keys) if first != second]
    by_people = {at for at in changed if all(key in gold.good for key in keys[at])}
    rest = [at for at in changed if at not in by_people]
    eligible = [at for at in rest if scorer and scorer.may_judge(gold.items[at])]
    said: dict[int, tuple[bool, bool]] = {at: (gold.good[keys[at][0]], gold.good[keys[at][1]]) for at in by_people}
    if scorer and eligible:
        found = scorer.good(
            [(gold.items[at], texts[at]) for texts in (before, after) for at in eligible],
        )
        for place, at in enumerate(eligible):
            was, now_is = found[place], found[len(eligible) + place]
            if was is not None and now_is is not None:
                said[at] = (was, now_is)
    same = [at for at in range(len(keys)) if keys[at][0] == keys[at][1]]
    share = len(said) / len(changed) if changed else 1.0
    counted = sorted(same, key=lambda at: _place(gold.items[at].item_id))[: round(len(same) * share)]
    places = sorted([*said, *counted])
    known = [gold.good[keys[at][0]] for at in counted if keys[at][0] in gold.good]
    played = {at for at in by_people if any(key in gold.simulated for key in keys[at])}
    names = {
        at: SIMULATED if at in played else PEOPLE if at in by_people or scorer is None else scorer.name for at in said
    }
    return Judged(
        items=tuple(gold.items[at] for at in places),
        before=np.array([said[at][0] if at in said else True for at in places], dtype=bool),
        after=np.array([said[at][1] if at in said else True for at in places], dtype=bool),
        judged_by=tuple(names.get(at) for at in places),
        unchanged=len(same),
        unjudged=len(changed) - len(said),
        counts=Counter(names.values()),
        simulated=len(played),
        rates=_rates(list(said.values()), known, len(counted)),
    )


def needs_scorer(gold: Gold, item: Item, before: str, after: str) -> bool:
    """Whether the answers of both sides differ, and people have not labeled both."""
    keys = [answer_key(item.question, text) for text in (before, after)]
    return keys[0] != keys[1] and not all(key in gold.good for key in keys)


def _rates(said: Sequence[tuple[bool, bool]], known: Sequence[bool], counted: int) -> tuple[float, float] | None:
    if counted and not known:
        return None
    unchanged = counted * float(np.mean(known)) if counted else 0.0
    items = len(said) + counted
    before, after = ((sum(pair[side] for pair in said) + unchanged) / items if items else 0.0 for side in (0, 1))
    return (before, after) if items else None


def _place(item_id: str) -> bytes:
    return hashlib.blake2b(item_id.encode(), digest_size=8, person=b"canonry.compare").digest()

"""Claims about fields of a record: a sentence names a field that is false, unknown, or has another value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from canonry.score.text import Leaf, key_words, stem, words

State = Literal["yes", "no", "unknown"]
_STATES: dict[object, State] = {
    True: "yes", False: "no", None: "unknown", "true": "yes", "yes": "yes", "free": "yes", "paid": "yes",
    "false": "no", "no": "no", "none": "unknown", "null": "unknown", "": "unknown",
}  # fmt: skip
_NOT = re.compile(r"\b(?:not?|never|none|neither|nor|without|lacks?|lacking|unavailable|\w+n['’]t|except)\b", re.I)
_TURN = re.compile(r"[;]|\b(?:but|however|while|although|though|whereas)\b", re.I)


@dataclass(frozen=True)
class Flag:
    """A field that is true, false or unknown."""

    name: str
    joined: str
    stems: frozenset[str]
    state: State


@dataclass(frozen=True)
class Claim:
    """A part of a sentence names a flag, and affirms or denies it."""

    flag: str
    state: State
    denied: bool


def flags(leaves: Sequence[Leaf]) -> list[Flag]:
    """Of a record's values. Words that keys of the record share tell nothing and are left out."""
    stated = [(leaf, state) for leaf in leaves if (state := _state(leaf)) is not None]
    shared = Counter(word for leaf, _ in stated for word in set(key_words(leaf.path[-1])))
    found = []
    for leaf, state in stated:
        own = [word for word in key_words(leaf.path[-1]) if shared[word] == 1 or len(key_words(leaf.path[-1])) == 1]
        own = [word for word in own if word not in ("for", "good", "business", "is", "has")] or own
        if own:
            name = ".".join(leaf.path[-2:])
            found.append(Flag(name, "".join(own), frozenset(map(stem, own)), state))
    return found


def claims(sentence: str, known: Sequence[Flag]) -> list[Claim]:
    """What the sentence says of the flags, a part of it at a time, so that "but no wifi" denies only what follows."""
    found = []
    for part in _TURN.split(sentence):
        said = set(map(stem, words(part)))
        joined = re.sub(r"[^a-z0-9]", "", part.lower())
        denial = _NOT.search(part)
        for flag in known:
            if flag.stems <= said or (len(flag.joined) > (3 if len(flag.stems) > 1 else 5) and flag.joined in joined):
                found.append(Claim(flag.name, flag.state, _denied(part, flag, denial)))
    return found


def signals(found: Sequence[Claim]) -> dict[str, float]:
    """Counts of claims by the flag's state and whether it is affirmed."""
    counts = Counter((claim.state, claim.denied) for claim in found)
    return {
        "flags": len(found),
        "flag_no_affirmed": counts["no", False],
        "flag_no_denied": counts["no", True],
        "flag_yes_affirmed": counts["yes", False],
        "flag_yes_denied": counts["yes", True],
        "flag_unknown_affirmed": counts["unknown", False],
        "flag_unknown_denied": counts["unknown", True],
    }


def _denied(part: str, flag: Flag, denial: re.Match[str] | None) -> bool:
    if denial is None:
        return False
    place = min((part.lower().find(each) for each in flag.stems if each in part.lower()), default=len(part))
    return denial.start() < place or bool(re.search(r"\b(?:not|un)\s*(?:available|offered|provided)", part, re.I))


def _state(leaf: Leaf) -> State | None:
    value = leaf.value
    if isinstance(value, (bool, type(None))):
        return _STATES[value]
    return _STATES.get(value.lower()) if isinstance(value, str) else None

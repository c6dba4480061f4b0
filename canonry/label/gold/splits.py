"""Which split an item is in: decided for a group when it is first seen, journalled, and never changed.

An item has keys (its own id, its session, its question, …); items that share a key are of one group. What is journalled
is the split of a key. An item is in the gold set where all of its keys are of one split, so no group is ever in two.
An item that joins groups of two splits (a session of `train` with a question of `test`) is left out. Where keys change
afterwards and one new key joins items of two splits, the key goes to the more protected split, and the items of the
other are left out: nothing ever moves, least of all from test to train.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from canonry.catalog.specs import Splits
from canonry.storage import Storage

SPLITS = ("train", "calibration", "test")
"""From the least to the most protected."""


@dataclass(frozen=True)
class Assigned:
    """Split by item, for items in one; `bridging` items are left out, with the splits they join."""

    split: Mapping[str, str]
    bridging: Mapping[str, tuple[str, ...]]
    fresh: Mapping[str, str]
    """Split by key that had none."""


def key(kind: str, value: str) -> str:
    """A key as it is journalled: nothing of a session's id or a question's words can be read from it."""
    return f"{kind}:{hashlib.blake2b(value.encode(), digest_size=16, person=b'canonry.gold').hexdigest()}"


def settle(journal: Storage, name: str, items: Mapping[str, Sequence[str]], shares: Splits) -> Assigned:
    """The split of each item, given its keys; what is new is journalled, and holds for ever.

    Entries of the journal are numbered, so that of two runs at once the later one sees what the earlier has decided.
    """
    while True:
        entries = list(journal.list(f"splits/{name}"))
        known: dict[str, str] = {}
        for entry in entries:
            for split, keys in json.loads(journal.read(entry.path))["assigned"].items():
                known |= {each: split for each in keys if each not in known}
        found = assign(name, items, known, shares)
        if not found.fresh:
            return found
        assigned = {split: sorted(each for each, of in found.fresh.items() if of == split) for split in SPLITS}
        document = {"shares": shares.model_dump(), "assigned": assigned}
        data = json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"
        if journal.put_if_absent(f"splits/{name}/{len(entries) + 1:08d}.json", data):
            return found


def assign(name: str, items: Mapping[str, Sequence[str]], known: Mapping[str, str], shares: Splits) -> Assigned:
    """The split of each item by its keys, given the splits of keys seen before. A pure function, in any order."""
    split_of = dict(known)
    while claims := _claims(items, split_of):
        split_of |= claims
    free = {item: keys for item, keys in items.items() if not any(each in split_of for each in keys)}
    for each, group in groups(free).items():
        for one in free[each]:
            split_of[one] = _drawn(name, group, shares)
    found = {item: {split_of[each] for each in keys if each in split_of} for item, keys in items.items()}
    return Assigned(
        split={item: next(iter(splits)) for item, splits in sorted(found.items()) if len(splits) == 1},
        bridging={item: tuple(sorted(splits)) for item, splits in sorted(found.items()) if len(splits) > 1},
        fresh={each: split for each, split in sorted(split_of.items()) if each not in known},
    )


def groups(items: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The group of each item: the smallest of all keys that lead from one of its items to another."""
    parent: dict[str, str] = {}

    def root(each: str) -> str:
        parent.setdefault(each, each)
        while parent[each] != each:
            parent[each] = parent[parent[each]]
            each = parent[each]
        return each

    for keys in items.values():
        for each in keys:
            first, second = sorted((root(keys[0]), root(each)))
            parent[second] = first
    return {item: root(keys[0]) for item, keys in items.items()}


def _claims(items: Mapping[str, Iterable[str]], split_of: Mapping[str, str]) -> dict[str, str]:
    """Split of keys that have none, by items that have one; of several the most protected."""
    claims: dict[str, str] = {}
    for keys in items.values():
        splits = {split_of[each] for each in keys if each in split_of}
        if len(splits) == 1:
            (split,) = splits
            for each in keys:
                if each not in split_of:
                    claims[each] = max(split, claims.get(each, split), key=SPLITS.index)
    return claims


def _drawn(name: str, group: str, shares: Splits) -> str:
    digest = hashlib.blake2b(json.dumps([name, group]).encode(), digest_size=8, person=b"canonry.split").digest()
    place = int.from_bytes(digest) / 2**64
    if place < shares.test:
        return "test"
    return "calibration" if place < shares.test + shares.calibration else "train"

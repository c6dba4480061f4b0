"""What is known before a draw: how far answers differed so far, and texts asked about already."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np

from canonry import lake
from canonry.catalog import SchemeSpec
from canonry.label.register import recalled_anywhere
from canonry.label.tasks import Texts, read_texts
from canonry.labels import Draw, SharedLabel, read_draw
from canonry.people import hash_key
from canonry.storage import Storage, Zones

HISTORY_DAYS = 28
"""How far back labels are looked at: for how far they differ, and for the same text."""


def known_spread(lake_zone: Storage, name: str, scheme: SchemeSpec, day: dt.date) -> dict[str, float]:
    """Standard deviation of the first choice's answers by stratum name, from labels of the weeks before a day.

    Of several answers, sqrt((1 - sum p^2) / 2): for two, sqrt(p (1 - p)). Each answer counts half a label more than it
    has, so that a stratum where all agreed so far is still asked about.
    """
    days = [day - dt.timedelta(days=back) for back in range(1, HISTORY_DAYS + 1)]
    columns = ["scheme", "scheme_version", "stratum", "result", "cancelled", "deleted_at"]
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    choice = scheme.choices[0]
    for row in lake.read(lake_zone, "labels", days, columns).to_pylist():
        ours = row["scheme"] == name and row["scheme_version"] == str(scheme.version)
        if ours and row["deleted_at"] is None and row["result"] and not row["cancelled"]:
            counts[row["stratum"]][json.loads(row["result"]).get(choice.name)] += 1
    spread = {}
    for stratum, found in counts.items():
        smoothed = np.array([found[answer] + 0.5 for answer in choice.choices])
        spread[stratum] = float(np.sqrt((1 - np.sum((smoothed / smoothed.sum()) ** 2)) / 2))
    return spread


def share_labels(zones: Zones, draw: Draw) -> Draw:
    """The draw, with items that read like another of it, or of one of the weeks before, sharing that item's label.

    Probabilities stay what they are: calls are drawn, and a call's label is a fact of its text. Texts are compared
    exactly but for case, spaces and punctuation: of nearly equal ones, it is often the difference that decides. An item
    that was recalled, as nobody answered it, has no label to share.
    """
    key = hash_key()
    known: dict[str, SharedLabel] = {}
    recalled = recalled_anywhere(zones.journal, draw.scheme, draw.scheme_version)
    for back in range(HISTORY_DAYS, 0, -1):
        day = draw.day - dt.timedelta(days=back)
        earlier = read_draw(zones.journal, draw.scheme, draw.scheme_version, day)
        for item in earlier.items if earlier else ():
            if item.content_digest and (item.same_as or item).item_id not in recalled:
                known.setdefault(item.content_digest, item.same_as or SharedLabel(item.item_id, day))
    texts = read_texts(zones.lake, draw)
    items = []
    for item in draw.items:
        digest = content_digest(texts[item.inference_id], key) if item.inference_id in texts else None
        items.append(replace(item, content_digest=digest, same_as=known.get(digest) if digest else None))
        if digest:
            known.setdefault(digest, SharedLabel(item.item_id, draw.day))
    return replace(draw, items=tuple(items))


def content_digest(texts: Texts, key: bytes) -> str:
    """Of what a reviewer reads, but for case, spaces and punctuation: 32 hex digits of BLAKE2b under the key."""
    read = [texts.question, texts.answer, *(passage["text"] for passage in texts.passages)]
    plain = [re.sub(r"[\W_]+", " ", text.casefold()).strip() for text in read]
    return hashlib.blake2b(json.dumps(plain).encode(), digest_size=16, key=key, person=b"canonry.text").hexdigest()

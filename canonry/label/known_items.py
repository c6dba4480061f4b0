"""Items whose answer is known, mixed among the drawn ones so that nobody can tell them.

They come from the scheme's gold set, or from JSON Lines in the exchange. They are drawn from nothing, so they are part
of no estimate, no agreement and no gold set.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from canonry.catalog import SchemeSpec
from canonry.catalog.specs import KnownAnswers
from canonry.label.gold.read import read_items
from canonry.label.known_file import read_file
from canonry.labels import Draw, KnownItem, read_draw
from canonry.release import PRODUCTION, NotReleased, resolve
from canonry.storage import Storage, Zones

REST_DAYS = 28
"""An item is asked again after so many days, unless there are no others."""

SURE = 0.95
"""Confidence of an answer that is taken for known, where nobody has settled it."""


@dataclass(frozen=True)
class Answered:
    """An item whose answer is known, and where its text is."""

    identifier: str
    answers: Mapping[str, str]
    source: str
    """Version of the gold release, or `file:` and the digest of the file."""
    inference_id: str = ""
    day: dt.date | None = None
    product: str | None = None


def mix_in(zones: Zones, scheme: SchemeSpec, draw: Draw, annotators: Callable[[str], int]) -> Draw:
    """The draw with known items among those that people are asked about, `share` of them on average.

    `annotators` says how many people are asked about an item, from its id. Raises ValueError for a file that is not as
    it should be.
    """
    rule = scheme.known_answers
    asked = sum(item.same_as is None for item in draw.items)
    pool = read_pool(zones, draw.scheme, scheme, rule) if rule and asked else []
    if rule is None or not pool:
        return draw
    key = hashlib.blake2b(draw.draw_id.encode(), digest_size=32).digest()

    def chance(text: str) -> float:
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, key=key).digest()) / 2**64

    wanted = int(rule.share * asked + chance("how many"))
    rested = {item.gold_item_id for earlier in _earlier(zones.journal, draw) for item in earlier.known}
    pool.sort(key=lambda each: (each.identifier in rested, chance(each.identifier)))
    known = tuple(_known(draw, each, annotators) for each in pool[:wanted])
    return replace(draw, known=tuple(sorted(known, key=lambda item: item.item_id)))


def read_pool(zones: Zones, name: str, scheme: SchemeSpec, rule: KnownAnswers) -> list[Answered]:
    """Items whose answer to every choice of the scheme is known."""
    if rule.file is not None:
        return list(_of_file(zones.exchange, scheme, rule.file))
    try:
        release = resolve(zones.published, "gold", name, PRODUCTION)
    except NotReleased:
        return []
    if release.manifest.metadata.get("scheme_version") != scheme.version:
        return []
    found = []
    for item_id, rows in groupby(read_items(release).to_pylist(), lambda row: row["item_id"]):
        fields = {row["field"]: row for row in rows}
        sure = all(_is_sure(fields.get(choice.name), choice.choices) for choice in scheme.choices)
        if sure:
            row = next(iter(fields.values()))
            answers = {choice.name: fields[choice.name]["value"] for choice in scheme.choices}
            where = {"inference_id": row["inference_id"], "day": row["day"], "product": row["product"]}
            found.append(Answered(item_id, answers, release.version, **where))
    return found


def _known(draw: Draw, item: Answered, annotators: Callable[[str], int]) -> KnownItem:
    name = json.dumps([draw.draw_id, "known", item.identifier])
    return KnownItem(
        item_id=hashlib.blake2b(name.encode(), digest_size=16).hexdigest(),
        gold_item_id=item.identifier,
        inference_id=item.inference_id,
        answers=item.answers,
        release=item.source,
        day=item.day,
        product=item.product,
        annotators=annotators(item.identifier),
    )


def _earlier(journal: Storage, draw: Draw) -> Iterator[Draw]:
    for back in range(1, REST_DAYS + 1):
        earlier = read_draw(journal, draw.scheme, draw.scheme_version, draw.day - dt.timedelta(days=back))
        if earlier is not None:
            yield earlier


def _is_sure(row: Mapping[str, Any] | None, choices: tuple[str, ...]) -> bool:
    if row is None or row["simulated"] or row["value"] not in choices:
        return False
    return row["method"] == "adjudicated" or (row["annotators"] > 1 and row["confidence"] >= SURE)


def _of_file(exchange: Storage, scheme: SchemeSpec, path: str) -> Iterator[Answered]:
    version, rows = read_file(exchange, path)
    for row in rows:
        for choice in scheme.choices:
            if row["answers"].get(choice.name) not in choice.choices:
                found, expected = row["answers"].get(choice.name), ", ".join(choice.choices)
                message = f"answers.{choice.name}: expected one of {expected}, found {found!r}"
                raise ValueError(f"exchange/{path}: item {row['id']}: {message}")
        answers = {choice.name: row["answers"][choice.name] for choice in scheme.choices}
        yield Answered(row["id"], answers, version, product=row["product"])

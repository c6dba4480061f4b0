"""What was asked and answered of the items that flipped: read where it lies, and only for those who may see it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from canonry.catalog import Catalog
from canonry.comparisons import Comparison, read_all
from canonry.index.golden import golden_queries
from canonry.regressions.items import gold_of
from canonry.regressions.rankings import query_id
from canonry.regressions.sides import NothingToCompare, sides_of
from canonry.release import NotReleased, resolve
from canonry.storage import Zones


@dataclass(frozen=True)
class Text:
    """A flipped item in words; an answer is None where it is not known any more."""

    question: str
    before: str | None = None
    after: str | None = None


def shown_texts(zones: Zones, catalog: Catalog, day: dt.date) -> dict[str, dict[str, tuple[str | None, ...]]]:
    """For the scorecard: question and both answers by comparison and item, of evals that say `show_texts` alone."""
    last = {each.name: each for each in read_all(zones.journal)}
    return {
        found.digest: {
            item: (text.question, text.before, text.after)
            for item, text in texts_of(zones, catalog, found, day).items()
        }
        for name, found in last.items()
        if name in catalog.comparisons and catalog.comparisons[name].show_texts
    }


def texts_of(zones: Zones, catalog: Catalog, found: Comparison, day: dt.date) -> Mapping[str, Text]:
    """Texts of a comparison's flips by item, as far as they are kept: erased ones are not there.

    Answers are those that a rerun gives for nothing: kept ones, or those made on this machine. No model is asked.
    """
    spec = catalog.comparisons.get(found.name)
    wanted = {flip.item for flip in found.flips}
    if spec is None or not wanted:
        return {}
    if found.kind == "indexes":
        golden = golden_queries(found.of, catalog.indexes[found.of], zones)
        return {query_id(each): Text(each.query) for each in golden if query_id(each) in wanted}
    if not spec.answers or spec.gold is None:
        return {}
    scheme, _, version = (found.made_from.get("gold") or "").partition(" ")
    try:
        gold = gold_of(resolve(zones.published, "gold", scheme, version), spec)
    except NotReleased:
        return {}
    items = [item for item in gold.items if item.item_id in wanted]
    plain = {item.item_id: Text(item.question) for item in items}
    try:
        sides = sides_of(zones, catalog, spec, day, {}, None)[:2]
    except (NothingToCompare, NotReleased):
        return plain
    if [side.version for side in sides] != [found.released, found.candidate]:
        return plain
    answers = [side.known(items) for side in sides]
    return {
        item.item_id: Text(item.question, before, after) for item, before, after in zip(items, *answers, strict=True)
    }

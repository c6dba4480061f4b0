"""How many items a comparison needs, and how many it has."""

from __future__ import annotations

from dataclasses import dataclass

from canonry.catalog import Catalog
from canonry.comparisons import read_all
from canonry.regressions.items import read_gold
from canonry.release import NotReleased
from canonry.stats.noninferiority import pairs_for_power, power_of
from canonry.storage import Zones

ASSUMED_CHANGED = 0.1
"""Share of items of which one side is good and the other not, where no comparison has shown one."""


@dataclass(frozen=True)
class ItemPlan:
    """What a comparison of yes or no needs for its power."""

    margin: float
    power: float
    changed: float
    """Share of items whose outcome changes though the candidate is equal."""
    seen: int
    """Items that share was seen on; 0 where it is assumed."""
    needed: int
    items: int | None
    """Items of the gold set that is there; None where none is, or it is not asked."""
    power_now: float | None
    """With those."""


def plan_items(zones: Zones, catalog: Catalog, name: str, changed: float | None = None) -> ItemPlan:
    """The plan of one comparison; `changed`, where it is not given, is that of its last run of equal size or assumed.

    Of candidates that are equal half of what changes is lost and half gained: the smaller of both, twice, is taken.
    """
    spec = catalog.comparisons[name]
    made = [each for each in read_all(zones.journal, name) if each.verdict.lost is not None and each.verdict.pairs]
    seen = 0
    if changed is None and made:
        last = made[-1].verdict
        seen = last.pairs
        changed = (2 * min(last.lost or 0, last.gained or 0) + 1) / (seen + 2)
    share = ASSUMED_CHANGED if changed is None else changed
    needed = pairs_for_power(spec.margin, share, spec.power, spec.confidence)
    assert needed is not None
    items = None
    if spec.answers:
        try:
            items = len(read_gold(zones.published, spec).items)
        except NotReleased:
            items = None
    elif made:
        items = made[-1].items
    now = power_of(items, spec.margin, share, spec.confidence) if items else None
    return ItemPlan(spec.margin, spec.power, share, seen, needed, items, now)

"""How far labeling is: of what was drawn, what was sent, labeled and skipped."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from dataclasses import dataclass

from canonry import lake
from canonry.label.register import recalled_anywhere
from canonry.label.tasks import tasks_path
from canonry.labels import list_draws, read_draw
from canonry.storage import Zones


@dataclass(frozen=True)
class LabelProgress:
    """Items of one scheme version and product."""

    scheme: str
    scheme_version: int
    product: str
    drawn: int
    exported: int
    labeled: int
    skipped: int
    """Looked at, but every reviewer passed it over."""
    recalled: int = 0
    """Taken back from the server, as nobody answered it for long, and not labeled otherwise."""
    oldest_waits_since: dt.datetime | None = None
    """When the first of those that were handed out, and that nobody has looked at, was drawn."""
    half_wait_since: dt.datetime | None = None
    """When the median one of these was drawn."""


_COUNTED = ("drawn", "exported", "labeled", "skipped", "recalled")


def label_progress(zones: Zones, name: str, days: list[dt.date] | None = None) -> list[LabelProgress]:
    """Progress of a scheme by version and product, in order; of all its draws, or of those of some days."""
    counts: Counter[tuple[int, str, str]] = Counter()
    since: dict[tuple[int, str], list[dt.datetime]] = defaultdict(list)
    for version, day in list_draws(zones.journal, name):
        draw = read_draw(zones.journal, name, version, day) if days is None or day in days else None
        if draw is None:
            continue
        exported = zones.exchange.head(tasks_path(name, draw)) is not None
        shared = {item.same_as.day for item in draw.items if item.same_as}
        seen = _seen(zones, sorted({day, *shared}))
        recalled = recalled_anywhere(zones.journal, name, version)
        for item in draw.items:
            product = item.fields["product"] or ""
            asked = item.same_as.item_id if item.same_as else item.item_id
            counts[version, product, "drawn"] += 1
            counts[version, product, "exported"] += exported
            state = seen.get(asked, "recalled" if asked in recalled else "waiting")
            counts[version, product, state] += 1
            if state == "waiting" and exported and item.same_as is None:
                since[version, product].append(draw.drawn_at)
    return [
        LabelProgress(
            name,
            version,
            product,
            **{field: counts[version, product, field] for field in _COUNTED},
            oldest_waits_since=min(since[version, product], default=None),
            half_wait_since=_median(since[version, product]),
        )
        for version, product in sorted({(version, product) for version, product, _ in counts})
    ]


def _median(moments: list[dt.datetime]) -> dt.datetime | None:
    return sorted(moments)[len(moments) // 2] if moments else None


def _seen(zones: Zones, days: list[dt.date]) -> dict[str, str]:
    seen: dict[str, str] = {}
    columns = ["item_id", "cancelled", "deleted_at"]
    for row in lake.read(zones.lake, "labels", days, columns).to_pylist():
        if row["deleted_at"] is None and seen.get(row["item_id"]) != "labeled":
            seen[row["item_id"]] = "skipped" if row["cancelled"] else "labeled"
    return seen

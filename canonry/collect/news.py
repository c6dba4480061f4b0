"""What is new: days whose landing has grown since they were collected, and days that others have changed.

Found by listing alone, so that a sensor can ask every few seconds.
"""

from __future__ import annotations

import datetime as dt

from canonry import lake as lakes
from canonry.collect.segments import Segment, list_segments
from canonry.events import EVENT_TYPES
from canonry.storage import Storage, Zones

_NEWS = "news"


def tell(lake: Storage, asset: str, day: dt.date, because: str) -> None:
    """Note that a day of an asset must be computed again. Told twice, it is noted once."""
    lake.put_if_absent(f"{_NEWS}/{asset}/{day.isoformat()}", because.encode())


def told(lake: Storage, asset: str) -> list[dt.date]:
    """Days noted for an asset and not done since."""
    return [dt.date.fromisoformat(entry.path.rpartition("/")[2]) for entry in lake.list(f"{_NEWS}/{asset}")]


def done(lake: Storage, asset: str, day: dt.date) -> None:
    """Strike a note off, before the day is computed: what is told meanwhile asks for another run."""
    lake.delete(f"{_NEWS}/{asset}/{day.isoformat()}")


def days_with_news(zones: Zones, *, today: dt.date) -> dict[dt.date, str]:
    """Days to collect or recompute and why, in order: landing has grown, the day is over, or another day says so."""
    news: dict[dt.date, str] = {}
    for kind in EVENT_TYPES:
        held: dict[dt.date, dict[str, int]] = {}
        for segment in list_segments(zones.landing, kind):
            if isinstance(segment, Segment):
                day = segment.day or segment.received
                held.setdefault(day, {})[segment.path] = segment.size
        for day, segments in held.items():
            made_from = lakes.manifest(zones.lake, kind, day) or {}
            seen = {**made_from.get("segments", {}), **_unreadable(zones.lake, day)}
            if any(path not in seen or size != seen[path][1] for path, size in segments.items()):
                news.setdefault(day, f"{kind} arrived")
            elif made_from and not made_from.get("compacted") and day < today:
                news.setdefault(day, f"{kind}: the day is over")
    for asset in ("inferences", "feedback", "steps", "annotations", "outcomes"):
        for day in told(zones.lake, asset):
            news.setdefault(day, f"{asset} changed by another day")
    return dict(sorted(news.items()))


def _unreadable(lake: Storage, day: dt.date) -> dict[str, list[int]]:
    made_from = lakes.manifest(lake, "rejected", day) or {}
    return dict(made_from.get("segments", {}))

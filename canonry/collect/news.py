"""What is new: days whose landing has grown since they were collected, and days whose tables are no longer right.

The first are found from listings and manifests alone, without reading an event; the second are noted by what changed
them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from canonry import lake as lakes
from canonry.collect.rejected import foreign_files
from canonry.events import EVENT_TYPES
from canonry.landing import list_segments
from canonry.storage import Storage, Zones

OUTCOMES = "outcomes"
"""Asset told of the days whose calls, feedback or labels changed since the tables were computed."""

_NEWS = "news"
_TAKEN = ".taken"
_BEGUN, _BUILT = b"begun", b"built"


def tell(lake: Storage, asset: str, day: dt.date, because: str) -> None:
    """Note that a day of an asset must be computed again. Told twice, it is noted once."""
    lake.put_if_absent(f"{_NEWS}/{asset}/{day.isoformat()}", because.encode())


def told(lake: Storage, asset: str) -> list[dt.date]:
    """Days noted for an asset and not computed since."""
    return sorted({_day(entry.path) for entry in lake.list(f"{_NEWS}/{asset}")})


@contextmanager
def taking(lake: Storage, asset: str, day: dt.date) -> Iterator[bool]:
    """Whether a day was noted; the note goes only when the work inside is done, so a crash forgets nothing.

    What is told meanwhile is a note of its own, and asks for another run.
    """
    note = f"{_NEWS}/{asset}/{day.isoformat()}"
    noted = day in told(lake, asset)
    if noted:
        lake.put_if_absent(note + _TAKEN, b"")
        lake.delete(note)
    yield noted
    if noted:
        lake.delete(note + _TAKEN)


def days_to_collect(zones: Zones, *, today: dt.date) -> dict[dt.date, str]:
    """Days to collect and why, in order: landing has grown, the day is over, or another day says so."""
    news: dict[dt.date, str] = {}
    for day, entry in foreign_files(zones.landing):
        if entry.path not in _receipts(zones.lake, day):
            news.setdefault(day, "a foreign file lies in landing")
    for kind in EVENT_TYPES:
        held: dict[dt.date, dict[str, int]] = {}
        for segment in list_segments(zones.landing, kind):
            held.setdefault(segment.day or segment.received, {})[segment.path] = segment.size
        present: dict[str, set[str]] = {}
        for entry in zones.lake.list(kind):
            folder, _, name = entry.path.rpartition("/")
            present.setdefault(folder, set()).add(name)
        for day, segments in held.items():
            made_from = lakes.manifest(zones.lake, kind, day) or {}
            seen = {**made_from.get("segments", {}), **_receipts(zones.lake, day)}
            if any(path not in seen or size != seen[path][1] for path, size in segments.items()):
                news.setdefault(day, f"{kind} arrived")
            elif made_from and not made_from["compacted"] and day < today:
                news.setdefault(day, f"{kind}: the day is over")
            elif made_from and present[lakes.folder(kind, day)] - {lakes.MANIFEST, *made_from["files"]}:
                news.setdefault(day, f"{kind}: a run that broke off left files behind")
        for day in told(zones.lake, kind):
            news.setdefault(day, f"{kind} changed by another day")
    return dict(sorted(news.items()))


def begin(lake: Storage, days: Iterable[dt.date], run: str) -> None:
    """Take the notes of days whose tables a run computes: the first step of the run does, the others find it done.

    A day counts as noted until the run's end (`built`, `settle`); what is told meanwhile is a note of its own.
    """
    folder = f"{_NEWS}/{OUTCOMES}"
    before = [entry.path for entry in lake.list(folder)]
    for day in days:
        mine = f"{folder}/{day.isoformat()}.{run}"
        if mine not in before:
            lake.put_if_absent(mine, _BEGUN)
            for path in before:
                if _day(path) == day:
                    lake.delete(path)


def built(lake: Storage, days: Iterable[dt.date], run: str) -> None:
    """Say that a run has built the tables of days: what is left is to publish them."""
    for day in days:
        lake.put(f"{_NEWS}/{OUTCOMES}/{day.isoformat()}.{run}", _BUILT)


def settle(lake: Storage, run: str) -> None:
    """Strike off the days whose tables a run has built, now that they are published."""
    for entry in list(lake.list(f"{_NEWS}/{OUTCOMES}")):
        if entry.path.endswith(f".{run}") and lake.read(entry.path) == _BUILT:
            lake.delete(entry.path)


def _day(path: str) -> dt.date:
    return dt.date.fromisoformat(path.rpartition("/")[2][:10])


def days_to_recompute(zones: Zones, *, running: Collection[str] = ()) -> list[dt.date]:
    """Days whose charges, labels, estimates or tables must be computed again, in order.

    Those that runs which are `running` compute are left out, unless something was told since they began.
    """
    notes = [entry.path for entry in zones.lake.list(f"{_NEWS}/{OUTCOMES}")]
    return sorted({_day(path) for path in notes if path.rpartition(".")[2] not in running})


def _receipts(lake: Storage, day: dt.date) -> dict[str, list[int]]:
    made_from = lakes.manifest(lake, "rejected", day) or {}
    return dict(made_from.get("segments", {}))

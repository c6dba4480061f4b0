"""Makes events and segments for the tests of collect, and shows what came of them."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

from canonry import lake
from canonry.collect.news import days_to_collect
from canonry.collect.partition import collect_day
from canonry.collect.rejected import collect_unreadable
from canonry.events import EVENT_TYPES
from canonry.landing import LandingWriter
from canonry.storage import Storage, Zones

DAY = dt.date(2026, 3, 10)
NOON = dt.datetime(2026, 3, 10, 12)
AFTER = dt.date(2026, 3, 11)


def inference(number: int, *, at: dt.datetime = NOON, **more: Any) -> dict[str, Any]:
    """A plain call."""
    return {
        "inference_id": f"call-{number:04d}",
        "trace_id": f"trace-{number:04d}",
        "started_at": (at + dt.timedelta(seconds=number % 3600)).isoformat(),
        "product": "shop",
        "team": "sales",
        "operation": "chat",
        "input_tokens": number,
        "output_messages": [{"role": "assistant", "content": f"answer {number}"}],
        **more,
    }


def feedback(number: int, *, at: dt.datetime = NOON, **more: Any) -> dict[str, Any]:
    """A thumb up."""
    given = {"feedback_id": f"thumb-{number:04d}", "given_at": at.isoformat(), "origin": "user", "signal": "thumb"}
    return {**given, "value": 1, "inference_id": f"call-{number:04d}", **more}


def writer(landing: Storage, source: str = "shop", at: dt.datetime = NOON) -> LandingWriter:
    """A landing writer whose clock stands."""
    return LandingWriter(landing, source, clock=lambda: at)


def collect_all(zones: Zones, *, today: dt.date, rounds: int = 20) -> None:
    """Collect whatever has news until nothing has, as the sensor does."""
    for _ in range(rounds):
        news = days_to_collect(zones, today=today)
        if not news:
            return
        for day in news:
            for kind in EVENT_TYPES:
                collect_day(zones, kind, day, today=today)
            collect_unreadable(zones, day)
            settle_outcomes(zones, day)
    raise AssertionError(f"there is always news: {days_to_collect(zones, today=today)}")


def settle_outcomes(zones: Zones, day: dt.date) -> None:
    """What the stage that joins feedback to calls does with a day's note."""
    from canonry.collect import news

    with news.taking(zones.lake, news.OUTCOMES, day):
        pass


def contents(storage: Storage, *, besides: tuple[str, ...] = ("news/",)) -> dict[str, str]:
    """Digest of every stored object by path."""
    return {
        entry.path: hashlib.sha256(storage.read(entry.path)).hexdigest()
        for entry in storage.list()
        if not entry.path.startswith(besides)
    }


def rows(zones: Zones, kind: str, *days: dt.date) -> list[dict[str, Any]]:
    """Rows of a kind on these days, or on all."""
    return lake.read(zones.lake, kind, days or lake.days(zones.lake, kind)).to_pylist()


def ids(zones: Zones, kind: str, *days: dt.date) -> list[str]:
    """Ids of those rows, in order of the lake."""
    return [row[EVENT_TYPES[kind].id_field] for row in rows(zones, kind, *days)]

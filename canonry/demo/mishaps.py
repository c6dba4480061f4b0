"""What goes wrong in products' clients: events that arrive broken, or twice. The platform has to live with it.

Each mishap is a bug of one client in one hour, so that the reasons in the quarantine lead back to it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator

from canonry.demo.products import PlannedCall
from canonry.demo.telemetry import Event

RESENDS_EVERY = 90
"""Of so many calls one is sent twice: the acknowledgement was lost on the way."""


def as_sent(call: PlannedCall, event: Event) -> Iterator[Event | str]:
    """The inference event as it leaves the product: usually itself, once; a text where it is not even JSON."""
    hour = (call.product.name, call.asked_at.date(), call.asked_at.hour)
    if hour in _BROKEN:
        yield _BROKEN[hour](event)
        return
    yield event
    if int(call.trace_id[:8], 16) % RESENDS_EVERY == 0:
        yield event


def _without_product(event: Event) -> Event:
    return {**event, "product": None}


def _local_time(event: Event) -> Event:
    moment = dt.datetime.fromisoformat(event["started_at"])
    return {**event, "started_at": f"{moment:%d.%m.%Y %H:%M}"}


def _unset_clock(event: Event) -> Event:
    return {**event, "started_at": "1970-01-01T00:00:07Z"}


def _clock_went_back(event: Event) -> Event:
    return {**event, "latency_ms": -event["latency_ms"]}


def _cut_off(event: Event) -> str:
    line = json.dumps(event)
    return line[: len(line) * 2 // 3]


_BROKEN: dict[tuple[str, dt.date, int], Callable[[Event], Event | str]] = {
    ("ide-plugin", dt.date(2026, 11, 4), 13): _without_product,
    ("support-desk", dt.date(2026, 11, 5), 12): _local_time,
    ("ide-plugin", dt.date(2026, 11, 6), 16): _unset_clock,
    ("docs-site", dt.date(2026, 11, 12), 9): _clock_went_back,
    ("support-desk", dt.date(2026, 11, 13), 15): _cut_off,
}
"""Which client was broken when."""

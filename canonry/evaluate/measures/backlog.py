"""The label backlog: for how many days the item that waits longest has waited for a first look."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

from canonry import lake
from canonry.alerts import Finding
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.measures.bounds import bounds_of, judge
from canonry.labels import list_draws, read_draw
from canonry.storage import Zones


def label_backlog(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """One finding, of items drawn in the window: how many nobody has looked at, and since when, by the end of their
    call's day. Items that read like another's and known items are not waited for."""
    name = spec.of or ""
    first = (at - dt.timedelta(days=spec.window_days)).date()
    drawn, asked = 0, defaultdict[dt.date, int](int)
    for version, day in list_draws(zones.journal, name):
        if not first <= day < at.date():
            continue
        draw = read_draw(zones.journal, name, version, day)
        labels = lake.read(zones.lake, "labels", [day], ["scheme", "item_id"]).to_pylist()
        seen = {row["item_id"] for row in labels if row["scheme"] == name}
        for item in draw.items if draw else ():
            if item.same_as is None:
                drawn += 1
                asked[day] += item.item_id not in seen
    waiting = {day: number for day, number in asked.items() if number}
    if not drawn:
        return [Finding({}, "unknown", f"{name}: nothing was drawn in {spec.window_days} days")]
    oldest = min(waiting, default=None)
    days = (
        (at - dt.datetime.combine(oldest + dt.timedelta(days=1), dt.time())) / dt.timedelta(days=1) if oldest else 0.0
    )
    number = sum(waiting.values())
    state, words, bound = judge(days, days, bounds_of(spec), lambda each: f"{each:.0f} days")
    said = f"{name}: {number} of {drawn} items wait, the oldest for {days:.0f} days, {words}"
    evidence = tuple({"day": str(day), "waiting": waiting[day]} for day in sorted(waiting)[:10])
    since = dt.datetime.combine(oldest, dt.time()) if oldest and state == "broken" else None
    return [Finding({}, state, said, days, days, days, bound, since, None, evidence)]

"""Live measures: what calls were in each hour, held against whichever promise a monitor makes of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from canonry.alerts import Finding
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.measures.arms import arms
from canonry.evaluate.measures.budget import budget
from canonry.evaluate.measures.change import change
from canonry.evaluate.measures.limit import limit
from canonry.storage import Zones

_BY_OBJECTIVE: dict[str, Callable[[Zones, Catalog, MonitorSpec, dt.datetime], list[Finding]]] = {
    "limit": limit,
    "budget": budget,
    "change": change,
    "arms": arms,
}


def live(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """A finding for each slice, from hours that are over."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    return _BY_OBJECTIVE[spec.objective](zones, catalog, spec, hour)

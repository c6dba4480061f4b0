"""What waits for a first look, and for how long."""

from __future__ import annotations

import datetime as dt

from canonry.catalog.specs import MonitorSpec
from canonry.evaluate.monitors import look
from tests.evaluate.live_calls import RUNBOOK

DAY = dt.date(2026, 11, 9)


def test_the_oldest_item_that_nobody_has_looked_at_tells_the_backlog(zones, catalog, live_day):
    calls = [{"inference_id": f"c{number}", "product": "p", "response_model": "m1"} for number in range(6)]
    live_day(DAY, calls, {f"c{number}": ["grounded"] for number in range(4)})
    limit = {**RUNBOOK, "measure": "label_backlog", "of": "groundedness", "limit": {"at_most": 2}}
    catalog.monitors["backlog"] = MonitorSpec.model_validate(limit)
    (soon,) = look(zones, catalog, "backlog", dt.datetime(2026, 11, 11))
    (late,) = look(zones, catalog, "backlog", dt.datetime(2026, 11, 13))
    assert (soon.state, late.state, late.value) == ("holds", "broken", 3.0)
    assert late.said == "groundedness: 2 of 6 items wait, the oldest for 3 days, above 2 days"

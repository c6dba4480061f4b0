"""Measures by name: each looks at one thing for a monitor, and says what it found of every slice.

A new one is a function in a file of its own, a line here, and a line in `MEASURES` of the catalog's specs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from canonry.alerts import Finding
from canonry.catalog import MEASURES, Catalog, MonitorSpec
from canonry.evaluate.measures.anchors import anchors
from canonry.evaluate.measures.backlog import label_backlog
from canonry.evaluate.measures.drift import drift, inconsistency, prompt_drift
from canonry.evaluate.measures.feedback import feedback, feedback_volume
from canonry.evaluate.measures.freshness import source_freshness, table_freshness
from canonry.evaluate.measures.live import live
from canonry.evaluate.measures.quality import quality
from canonry.evaluate.measures.staleness import index_staleness
from canonry.storage import Zones

Measure = Callable[[Zones, Catalog, MonitorSpec, dt.datetime], list[Finding]]
"""Zones, catalog, the monitor, and until when is looked (UTC, midnight is the end of a day); a finding for each slice.

Reads only what lay before that moment, writes nothing, and is the same whenever it is asked again.
"""

REGISTRY: dict[str, Measure] = {
    "quality": quality,
    "feedback": feedback,
    "feedback_volume": feedback_volume,
    "source_freshness": source_freshness,
    "table_freshness": table_freshness,
    "label_backlog": label_backlog,
    "index_staleness": index_staleness,
    "anchors": anchors,
    "drift": drift,
    "prompt_drift": prompt_drift,
    "inconsistency": inconsistency,
    **{name: live for name, measured in MEASURES.items() if measured.live},
}

"""Index staleness: for how many days the index in production has not been the one that was built last."""

from __future__ import annotations

import datetime as dt
import json

from canonry import release
from canonry.alerts import Finding
from canonry.catalog import Catalog, MonitorSpec
from canonry.evaluate.measures.bounds import bounds_of, judge
from canonry.storage import NotFound, Zones


def index_staleness(zones: Zones, catalog: Catalog, spec: MonitorSpec, at: dt.datetime) -> list[Finding]:
    """One finding: 0 days where the last build is in production, else the days since production moved.

    A build of the same documents is the same version, so what differs is what the documents, or the index's YAML, have
    become since. A build that the gate refused is not in production either.
    """
    name = spec.of or ""
    move = release.last_move(zones.published, "indexes", name)
    if move is None:
        return [Finding({}, "unknown", f"{name}: it is not released yet")]
    try:
        built = json.loads(zones.lake.read(f"candidates/indexes/{name}/latest.json"))["version"]
    except NotFound:
        return [Finding({}, "unknown", f"{name}: nothing is built of its documents now")]
    moved = move.here_since.astimezone(dt.UTC).replace(tzinfo=None)
    days = 0.0 if built == move.version else max((at - moved) / dt.timedelta(days=1), 0.0)
    state, words, bound = judge(days, days, bounds_of(spec), lambda each: f"{each:.0f} days")
    said = (
        f"{name}: production is the last build, {built}"
        if built == move.version
        else f"{name}: production is {move.version}, {built} was built since and is not released, for {days:.0f} days"
    )
    evidence = ({"production": move.version, "built": built, "moved": f"{moved:%Y-%m-%d %H:%M}"},)
    since = moved if state == "broken" else None
    return [Finding({}, state, f"{said}, {words}", days, days, days, bound, since, None, evidence)]

"""What the page is made of: published tables, releases, moves, plans, incidents, rejects, what is simulated.

Nothing else is read.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from canonry import comparisons, lake, release
from canonry.alerts import every, incident_rows
from canonry.comparisons import Comparison
from canonry.publish.catalog import ALL_MODELS
from canonry.publish.scorecard.drift_rows import DriftRows, read_drift
from canonry.publish.scorecard.parts import Row
from canonry.publish.tables import FILE, MADE_FROM
from canonry.release import Move, NotReleased, Release
from canonry.storage import Storage, Zones

DAYS = 91
"""The page covers at most so many days, up to the last that has calls."""


@dataclass(frozen=True)
class IndexVersion:
    """A released version of an index, and every move that put a channel on it, the oldest first."""

    release: Release
    moves: tuple[Move, ...]
    current: bool
    """Whether production points to it."""


@dataclass(frozen=True)
class Inputs:
    """Everything the page shows, as rows."""

    tables: Mapping[str, Move | None]
    """Where production of each table stands; None where it is not published."""
    costs: Sequence[Row]
    latency: Sequence[Row]
    quality: Sequence[Row]
    families: Sequence[tuple[str, ...]]
    """Versions of each governed model, the oldest first."""
    indexes: Sequence[IndexVersion]
    candidates: Sequence[Row]
    """Candidates of indexes that a gate has judged: index, version, gate."""
    gold: Sequence[Row]
    """What the manifests of gold sets in production say."""
    labels: Sequence[Row]
    """Label progress: scheme, scheme_version, product, drawn, exported, labeled, skipped."""
    agreement: Sequence[Row]
    """Agreement of reviewers, as in agreement_daily."""
    feedback: Sequence[Row]
    """What users said and did, as in feedback_daily."""
    plans: Sequence[Row]
    """The last day's plans of each eval, as the journal has them, the widest interval first."""
    rejected: Sequence[Row]
    """Rejected events counted by day, kind, source and reason."""
    simulated: Mapping[str, tuple[str, ...]]
    """Fields of a product's calls that a program made up."""
    reviewers: Sequence[Row] = ()
    """What each reviewer did in the last weeks, as in ReviewerProgress."""
    comparisons: Sequence[Comparison] = ()
    """Of candidates with what was released, the oldest first."""
    texts: Mapping[str, Mapping[str, tuple[str | None, ...]]] = field(default_factory=dict)
    """By digest of a comparison and item, what may be shown: question, answer before, answer after."""
    drift: DriftRows = field(default_factory=DriftRows)
    """What is tested against references, prompts that are registered nowhere, answers that disagree."""
    incidents: Sequence[Row] = ()
    """What monitors found broken, open ones first, as in the table `incidents`; `entries` are what happened to each."""

    @property
    def days(self) -> tuple[dt.date, dt.date] | None:
        """First and last day with calls; None where there are none."""
        found = [row["day"] for row in self.costs]
        return (min(found), max(found)) if found else None

    @property
    def as_of(self) -> dt.datetime | None:
        """When the newest of the tables was promoted."""
        return max((move.moved_at for move in self.tables.values() if move), default=None)


def shows_none(product: str) -> bool:
    """No product's texts may be shown."""
    return False


def read_inputs(
    zones: Zones,
    *,
    labels: Sequence[Row],
    candidates: Sequence[Row],
    reviewers: Sequence[Row] = (),
    texts: Mapping[str, Mapping[str, tuple[str | None, ...]]] | None = None,
    shows_texts: Callable[[str], bool] = shows_none,
) -> Inputs:
    """Read what is published; what is not yet is empty. `shows_texts` names products whose texts may be shown.

    Raises ReleaseError.
    """
    moves = {name: release.last_move(zones.published, "tables", name) for name in MADE_FROM}
    found = {name: _table(zones.published, name) for name in MADE_FROM if moves[name]}
    days = [found[name]["day"].combine_chunks() for name in ("cost_daily", "latency_hourly") if name in found]
    last = max((pc.max(each).as_py() for each in days if len(each)), default=None)
    first = last - dt.timedelta(days=DAYS - 1) if last else None
    rows = {name: _rows_since(found[name], first) if name in found else [] for name in MADE_FROM}
    return Inputs(
        tables=moves,
        costs=rows["cost_daily"],
        latency=rows["latency_hourly"],
        quality=rows["quality_daily"],
        families=_families(zones.published),
        indexes=_index_versions(zones),
        candidates=candidates,
        gold=_gold(zones.published),
        labels=labels,
        agreement=rows["agreement_daily"],
        feedback=rows["feedback_daily"],
        plans=_plans(zones.journal),
        rejected=_rejected(zones.lake, first),
        simulated=_simulated(zones.lake, rows["cost_daily"]),
        reviewers=reviewers,
        comparisons=comparisons.read_all(zones.journal),
        texts=texts or {},
        drift=read_drift(zones.lake, rows["drift_daily"], rows["consistency_daily"], first, shows_texts),
        incidents=_incidents(zones.journal),
    )


def _table(published: Storage, name: str) -> pa.Table:
    files = release.local_files(release.resolve(published, "tables", name))
    return pq.read_table(files[FILE])


def _rows_since(table: pa.Table, first: dt.date | None) -> list[dict[str, Any]]:
    kept = table.filter(pc.greater_equal(table["day"], pa.scalar(first, pa.date32()))) if first else table
    return kept.to_pylist()


def _families(published: Storage) -> list[tuple[str, ...]]:
    try:
        document = json.loads(release.resolve(published, "models", ALL_MODELS).read("models.json"))
    except NotReleased:
        return []
    return [tuple(model["versions"]) for _, model in sorted(document.items()) if model["versions"]]


def _index_versions(zones: Zones) -> list[IndexVersion]:
    versions = []
    for each in release.list_releases(zones.published, "indexes"):
        name = each.manifest.name
        last = release.last_move(zones.published, "indexes", name)
        moves = tuple(
            move
            for move in release.journalled_moves(zones.journal, "indexes", name)
            if (move.canary or move).version == each.version
        )
        versions.append(IndexVersion(each, moves, last is not None and last.version == each.version))
    return versions


def _gold(published: Storage) -> list[Row]:
    names = sorted({each.manifest.name for each in release.list_releases(published, "gold")})
    return [
        release.resolve(published, "gold", name).manifest.metadata
        for name in names
        if release.last_move(published, "gold", name)
    ]


def _plans(journal: Storage) -> list[Row]:
    found = [json.loads(journal.read(entry.path)) for entry in journal.list("plans")]
    last: dict[str, str] = {}
    for plan in found:
        last[plan["eval"]] = max(plan["day"], last.get(plan["eval"], ""))
    newest = [plan for plan in found if plan["day"] == last[plan["eval"]]]
    return sorted(newest, key=lambda plan: (plan["eval"], -plan["width"]))


def _incidents(journal: Storage) -> list[Row]:
    found = {each.incident_id: each for each in every(journal)}
    return [
        {**row, "entries": [asdict(entry) for entry in found[row["incident_id"]].entries]}
        for row in incident_rows(found.values()).to_pylist()
    ]


def _rejected(lake_zone: Storage, first: dt.date | None) -> list[Row]:
    days = [day for day in lake.days(lake_zone, "rejected") if first is None or day >= first]
    found: Counter[tuple[dt.date, str, str | None, str]] = Counter()
    for day in days:
        fields = ["kind", "source", "reason"]
        counted = lake.read(lake_zone, "rejected", [day], fields).group_by(fields).aggregate([([], "count_all")])
        for row in counted.to_pylist():
            found[day, row["kind"], row["source"], without_values(row["reason"])] += row["count_all"]
    keys = sorted(found, key=lambda key: (key[0], key[1], key[2] or "", key[3]))
    return [dict(zip(("day", "kind", "source", "reason", "events"), (*key, found[key]), strict=True)) for key in keys]


def without_values(reason: str) -> str:
    """A reason as a class of reasons. What was found is left out: it came from outside, and may be a person's text."""
    without = re.sub(r"'.*'|\".*\"|(?<=JSON): .*|(?<=as JSON): .*", "…", reason, flags=re.DOTALL)
    return re.sub(r"\d{4}-\d\d-\d\d[\d:.T+Z]*|^(event: )[\d,]+(?= bytes)", r"\1…", without)


def _simulated(lake_zone: Storage, costs: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """Read on each product's last day only: a program that makes up a product makes up all of it."""
    last: dict[str, dt.date] = {}
    for row in costs:
        if row["product"]:
            last[row["product"]] = max(row["day"], last.get(row["product"], row["day"]))
    found: dict[str, dict[str, None]] = {}
    for day in sorted(set(last.values())):
        calls = lake.read(lake_zone, "inferences", [day], ["product", "attributes"])
        calls = calls.filter(pc.match_substring(calls["attributes"], '"simulated"'))
        for row in calls.to_pylist():
            said = json.loads(row["attributes"]).get("simulated")
            fields = said if isinstance(said, list) else ["calls"] if said else []
            if row["product"] in last and fields:
                found.setdefault(row["product"], {}).update(dict.fromkeys(map(str, fields)))
    return {product: tuple(fields) for product, fields in sorted(found.items())}

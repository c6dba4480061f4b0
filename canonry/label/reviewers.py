"""How reviewers get on: what each answers a day, and how long an item takes."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from canonry import lake
from canonry.labels import list_draws
from canonry.storage import Zones

DAYS = 28
"""Looked at, up to the scheme's newest annotation."""


@dataclass(frozen=True)
class ReviewerProgress:
    """What one reviewer did under one version of a scheme, deleted annotations apart."""

    scheme: str
    scheme_version: int
    annotator_hash: str
    labeled: int
    skipped: int
    days: int
    """On which the reviewer answered or skipped something."""
    median_s: float | None
    """Seconds an answer took, as Label Studio measured them; None where it did not."""
    p90_s: float | None
    last_day: dt.date
    simulated: bool

    @property
    def per_day(self) -> float:
        """Answers on a day on which the reviewer worked."""
        return self.labeled / self.days


def reviewer_progress(zones: Zones, name: str) -> list[ReviewerProgress]:
    """Of the scheme's last weeks, by version and reviewer, who answered most first."""
    days = sorted({day for _, day in list_draws(zones.journal, name)})
    columns = ["scheme", "scheme_version", "annotator_hash", "created_at", "duration_s", "cancelled", "deleted_at"]
    rows = [
        row
        for row in lake.read(zones.lake, "labels", days, [*columns, "simulated"]).to_pylist()
        if row["scheme"] == name and row["deleted_at"] is None and row["annotator_hash"]
    ]
    newest = max((row["created_at"].date() for row in rows), default=None)
    by_reviewer: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if newest and row["created_at"].date() > newest - dt.timedelta(days=DAYS):
            by_reviewer[int(row["scheme_version"]), row["annotator_hash"]].append(row)
    found = [_progress(name, *key, each) for key, each in by_reviewer.items()]
    return sorted(found, key=lambda each: (each.scheme_version, -each.labeled, each.annotator_hash))


def _progress(name: str, version: int, annotator_hash: str, rows: list[dict[str, Any]]) -> ReviewerProgress:
    answered = [row for row in rows if not row["cancelled"]]
    seconds = [row["duration_s"] for row in answered if row["duration_s"] is not None]
    worked = {row["created_at"].date() for row in rows}
    return ReviewerProgress(
        name,
        version,
        annotator_hash,
        labeled=len(answered),
        skipped=len(rows) - len(answered),
        days=len(worked),
        median_s=float(np.quantile(seconds, 0.5)) if seconds else None,
        p90_s=float(np.quantile(seconds, 0.9)) if seconds else None,
        last_day=max(worked),
        simulated=any(row["simulated"] for row in rows),
    )

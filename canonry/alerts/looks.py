"""Looks: what every monitor saw at a moment; append-only entries in the journal, as no later moment sees it again.

`looks/DAY/MOMENT-DIGEST.json`, by the day until whose data were looked at. The same look at the same moment is written
once.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from canonry.alerts.findings import Finding
from canonry.storage import Storage

ROOT = "looks"


@dataclass(frozen=True)
class Look:
    """What all monitors saw of the data until one moment."""

    at: dt.datetime
    """Of the data: until when was looked at, UTC."""
    findings: Mapping[str, Sequence[Mapping[str, Any]]]
    """By monitor, one for each slice, as `Finding.document` gives it."""
    failed: Mapping[str, str]
    """Monitors that could not be measured, with the error."""
    monitors: Mapping[str, str]
    """SHA-256 of each monitor's YAML as it was read."""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One for each monitor and slice, with its `monitor`; what could not be measured has the state `failed`."""
        found = [{"monitor": name, **each} for name, of in sorted(self.findings.items()) for each in of]
        failed = [
            {"monitor": name, **Finding({}, "unknown", said).document(), "state": "failed"}
            for name, said in sorted(self.failed.items())
        ]
        return found + failed


def keep_look(journal: Storage, look: Look, now: dt.datetime) -> bool:
    """Write a look down. False where the same one is there."""
    seen = {**asdict(look), "at": look.at.isoformat()}
    data = json.dumps(seen, sort_keys=True, ensure_ascii=False).encode()
    path = f"{ROOT}/{look.at:%Y-%m-%d}/{look.at:%H%M%S.%f}-{hashlib.sha256(data).hexdigest()[:12]}.json"
    document = {**seen, "noted_at": now.isoformat()}
    written = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    return journal.put_if_absent(path, written)


def last_day(journal: Storage) -> dt.date | None:
    """The last day that was looked at."""
    days = journal.folders(ROOT)
    return dt.date.fromisoformat(days[-1]) if days else None


def last_look(journal: Storage) -> Look | None:
    """What was seen last of the last day; of two looks at one moment the one that was written down later."""
    day = last_day(journal)
    if day is None:
        return None
    paths = [entry.path for entry in journal.list(f"{ROOT}/{day}")]
    moment = max(paths).rpartition("/")[2].split("-")[0]
    latest = [json.loads(journal.read(path)) for path in paths if path.rpartition("/")[2].startswith(moment)]
    last = max(latest, key=lambda each: str(each["noted_at"]))
    return Look(dt.datetime.fromisoformat(last["at"]), last["findings"], last["failed"], last["monitors"])

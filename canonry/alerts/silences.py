"""Silences: for how long nobody is told of a monitor's incidents. They are still journalled, and a silence ends."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from canonry.storage import Storage

ROOT = "incidents/silences"


@dataclass(frozen=True)
class Silence:
    """Nobody is told until it ends."""

    monitor: str
    key: str | None
    """The slice's digits; None for every slice."""
    begins: dt.datetime
    ends: dt.datetime
    by: str
    reason: str

    def holds(self, monitor: str, key: str, now: dt.datetime) -> bool:
        """Whether it silences a slice of a monitor now."""
        return self.monitor == monitor and self.key in (None, key) and self.begins <= now < self.ends


def silence(journal: Storage, silence: Silence) -> None:
    """Keep a silence. Raises ValueError where it ends before it begins."""
    if silence.ends <= silence.begins:
        raise ValueError(f"{silence.monitor}: a silence ends after it begins, and {silence.ends} is not")
    data = json.dumps(asdict(silence), default=str, indent=1, sort_keys=True).encode() + b"\n"
    journal.put_if_absent(f"{ROOT}/{silence.monitor}/{hashlib.sha256(data).hexdigest()[:16]}.json", data)


def silences(journal: Storage) -> list[Silence]:
    """Every silence, the one that ends last first."""
    found = [_silence(json.loads(journal.read(entry.path))) for entry in journal.list(ROOT)]
    return sorted(found, key=lambda each: each.ends, reverse=True)


def silenced(found: Sequence[Silence], monitor: str, key: str, now: dt.datetime) -> Silence | None:
    """The silence that holds for a slice of a monitor now, if any does."""
    return next((each for each in found if each.holds(monitor, key, now)), None)


def _silence(document: dict[str, Any]) -> Silence:
    begins, ends = (dt.datetime.fromisoformat(document[name]) for name in ("begins", "ends"))
    return Silence(**{**document, "begins": begins, "ends": ends})

"""Logs that send to the stand-in service, with little patience."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from canonry.client import EventLog
from tests.client.stand_in_service import StandIn

KEY = "cnr_abc_secret"


def log_to(service: StandIn, **options: Any) -> EventLog:
    """A log that sends at short intervals."""
    return EventLog(service.url, KEY, **{"interval_s": 0.02, "fields": {"product": "docs-site"}, **options})


def log_some(log: EventLog, events: int) -> list[str]:
    """Log so many calls; their ids."""
    return [log.log_inference(output_tokens=number) for number in range(events)]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Fail where it does not hold within half a minute."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"not within 30 s: {what}"
        time.sleep(0.01)


def spool_files(tmp_path: Path) -> list[Path]:
    """The files of the spool of fixture `quick`."""
    return sorted(tmp_path.glob("state/canonry/spool/*/*.spool"))

"""Keeping up with a channel: looked at now and then, beside whatever uses it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

log = logging.getLogger("canonry.client")


class Follower:
    """Calls `refresh` in a thread of its own when it is used and `seconds` have passed since it last did.

    No thread waits in between, so that nothing is left behind by a fork. A refresh that fails is logged and tried
    again after `seconds`.
    """

    def __init__(self, refresh: Callable[[], bool], seconds: float, what: str) -> None:
        self._refresh = refresh
        self._seconds = seconds
        self._what = what
        self._due = time.monotonic() + seconds
        self._busy = threading.Lock()
        self._process = os.getpid()

    def used(self) -> None:
        """Say that it is used: costs a look at the clock."""
        if time.monotonic() < self._due:
            return
        if self._process != os.getpid():
            # A lock that another thread of the parent held is never released here.
            self._process, self._busy = os.getpid(), threading.Lock()
        if self._busy.acquire(blocking=False):
            threading.Thread(target=self._look, name="canonry-follow", daemon=True).start()

    def _look(self) -> None:
        try:
            self._refresh()
        except Exception as error:  # whatever it is, the version that is open goes on answering
            log.warning("%s cannot be refreshed and stays as it is: %s", self._what, error)
        finally:
            self._due = time.monotonic() + self._seconds
            self._busy.release()

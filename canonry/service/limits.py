"""Limits that keep the service standing: requests a second by key, and bytes held at one time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

_MAX_KEYS = 10_000


class RateLimit:
    """A token bucket by key: `per_second` on average, `burst` at once. Of the keys not seen lately, none is kept."""

    def __init__(self, per_second: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key_id: str) -> float:
        """0 where the request may pass, else the seconds after which one may."""
        if not self._per_second:
            return 0.0
        now = self._clock()
        tokens, then = self._buckets.pop(key_id, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._per_second)
        passes = tokens >= 1
        self._buckets[key_id] = (tokens - 1 if passes else tokens, now)
        if len(self._buckets) > _MAX_KEYS:
            self._buckets.popitem(last=False)
        return 0.0 if passes else (1 - tokens) / self._per_second


class Budget:
    """Bytes that may be held at one time. Used from the event loop alone."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def take(self, size: int) -> bool:
        """Reserve bytes; False, and nothing reserved, where they do not fit. One that is alone always fits."""
        if self.held and self.held + size > self.limit:
            return False
        self.held += size
        return True

    def give_back(self, size: int) -> None:
        """Release what was reserved."""
        self.held -= size

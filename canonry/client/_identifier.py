"""Ids of events: ULIDs, made without importing anything."""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(120, -1, -10)


def new_id() -> str:
    """A ULID, 26 characters: 48 bits of milliseconds, 80 random bits; sorts by time. https://github.com/ulid/spec

    >>> len(new_id()), new_id() != new_id()
    (26, True)
    """
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])


def id_of(given: object) -> str:
    """An id that was given, as text; a new one where there is none, or none that can be read. Raises nothing.

    >>> id_of(17), len(id_of(None))
    ('17', 26)
    """
    try:
        return str(given or "") or new_id()
    except Exception:
        return new_id()

"""That a scheme's project on Label Studio changed: a small file in the exchange, until a pull looks what it was.

Whoever says so is not believed, only heard: nothing of what was said is kept, and a pull asks the server itself.
"""

from __future__ import annotations

import datetime as dt

from canonry.label.tasks import folder
from canonry.storage import NotFound, Storage

_FILE = "changed"


def wake(exchange: Storage, name: str, now: dt.datetime) -> bool:
    """Note that something changed; False where that is noted already. Many changes before a pull are one note."""
    return exchange.put_if_absent(_path(name), now.isoformat().encode())


def woken(exchange: Storage, name: str) -> str | None:
    """Since when something is known to have changed, or None."""
    try:
        return exchange.read(_path(name)).decode()
    except NotFound:
        return None


def look_now(exchange: Storage, name: str) -> None:
    """Take the note away, before looking: what changes from here on is a note of its own."""
    exchange.delete(_path(name))


def _path(name: str) -> str:
    return f"{folder(name)}/{_FILE}"

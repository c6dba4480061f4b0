"""Of all machines, one sends tasks of a scheme at a time."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from canonry.label.studio import LabelStudioError
from canonry.label.tasks import folder
from canonry.storage import Lease, LeaseError, Storage, leased

PATIENCE = 600.0
"""Seconds to wait for another machine that sends tasks of the same scheme."""


@contextmanager
def one_sender(exchange: Storage, name: str, version: int) -> Iterator[Lease]:
    """Wait until nobody on any machine sends tasks of a scheme's version, and keep others waiting meanwhile.

    The server notices no second import: who asked what it has while another sends would send it again. Raises
    LabelStudioError.
    """
    holder = f"{socket.gethostname()}, process {os.getpid()}, thread {threading.get_native_id()}"
    path = f"{folder(name)}/sending-v{version}.json"
    try:
        with leased(exchange, path, holder, patience=PATIENCE) as lease:
            yield lease
    except LeaseError as error:
        raise LabelStudioError(f"sending tasks of {name}, version {version}: {error}") from None

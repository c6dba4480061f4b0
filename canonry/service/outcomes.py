"""What the intake says of events: what became of each, and what it tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from canonry.landing import Prepared

Status = Literal["accepted", "duplicate", "rejected"]
Event = Mapping[str, Any] | bytes
Rejected = tuple[str, str, bytes]
"""Kind, reason and bytes of what is no event, to be kept beside the events."""


class Outcome(NamedTuple):
    """What became of one event. `reason` is for whoever sent it."""

    status: Status
    reason: str | None
    id: str | None


class Group(NamedTuple):
    """Events of one kind in one request, and their positions in it."""

    kind: str
    positions: Sequence[int]
    prepared: list[Prepared]


class Observer:
    """What the intake tells of itself; telemetry overrides it. Called from the writing thread."""

    def committed(self, events: int, seconds: float) -> None:
        """One commit: events written, seconds in the storage."""

    def counted(self, kind: str, source: str, status: Status, events: int) -> None:
        """Events that were answered."""

    def failed(self, error: BaseException) -> None:
        """A commit that the storage refused, or a fault of ours."""

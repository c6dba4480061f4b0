"""What the journal holds of channels: every move they made, from which a pointer's past can be read."""

from __future__ import annotations

from canonry.release._channel import Move
from canonry.storage import Storage


def journal_path(move: Move) -> str:
    """Where a move lies in the journal; in a name's folder the oldest sorts first."""
    moment = move.moved_at.strftime("%Y%m%dT%H%M%S.%fZ")
    return f"releases/{move.kind}/{move.name}/{moment}-{move.version}-{move.channel}.json"


def journalled_moves(journal: Storage, kind: str, name: str) -> list[Move]:
    """Every move of a name's channels, the oldest first. Raises ReleaseError naming an entry that is none."""
    entries = journal.list(f"releases/{kind}/{name}")
    return [Move.parse(journal.read(entry.path), f"{journal.url}/{entry.path}") for entry in entries]
